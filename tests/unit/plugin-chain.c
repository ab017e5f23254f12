/* SPDX-License-Identifier: LGPL-2.1-only */
/* How chains are drawn, and what qemu-img finds of them. */
#include "plugin.h"

#include "commands/chain_text.h"
#include "layers/headers.h"
#include "store/device.h"

static libxl_disk_layer *add(libxl_disk_chain *chain, int parent,
                             const char *child, const char *driver,
                             const char *filename)
{
    libxl_disk_layer *l;

    chain->layers = xls_realloc(chain->layers, chain->num_layers + 1,
                                sizeof(*chain->layers));
    l = &chain->layers[chain->num_layers++];
    libxl_disk_layer_init(l);
    l->parent = parent;
    l->child = xls_strdup(child);
    l->driver = xls_strdup(driver);
    l->node = xls_asprintf("n%d", chain->num_layers - 1);
    l->filename = xls_strdup(filename);
    l->virtual_size = 1 << 20;
    l->read_only = parent >= 0;
    return l;
}

static void drawn_as(const libxl_disk_chain *chain, bool flat,
                     const char *wanted)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    chain_print(chain, flat, out);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static void start(libxl_disk_chain *chain)
{
    libxl_disk_chain_init(chain);
    chain->vdev = xls_strdup("xvda");
}

static void backing_chain_is_drawn_straight_down(void **state)
{
    libxl_disk_chain chain;
    libxl_disk_layer *l;

    (void)state;
    start(&chain);
    l = add(&chain, -1, NULL, "qcow2", "/a");
    l->cluster_size = 65536;
    l->allocated_size = 1536;
    l->dirty = true;
    l = add(&chain, 0, "backing", "qcow2", "/b");
    l->stat_valid = l->immutable = true;
    l->mode = 0440;
    l->label = xls_strdup("u:r:t:s0");
    l->virtual_size = 3ULL << 39;
    add(&chain, 1, "backing", "raw", "nbd://h:1/e\033[2J");
    drawn_as(&chain, false,
             "xvda: 3 layers\n"
             "  Format  Size     Allocated  Cluster  Access        "
             "Owner                    Layer\n"
             "  qcow2   1 MiB    1.5 KiB    64 KiB   rw,dirty      "
             "-                        /a\n"
             "  qcow2   1.5 TiB  ?          -        ro,immutable  "
             "root:root 0440 u:r:t:s0  /b\n"
             "  raw     1 MiB    ?          -        ro            "
             "-                        nbd://h:1/e?[2J\n");
    libxl_disk_chain_dispose(&chain);
}

static void several_children_are_set_in(void **state)
{
    libxl_disk_chain chain;

    (void)state;
    start(&chain);
    chain.validated = true;
    add(&chain, -1, NULL, "quorum", NULL);
    add(&chain, 0, "children.0", "qcow2", "/a");
    add(&chain, 1, "backing", "raw", "/base");
    add(&chain, 0, "children.1", "throttle", NULL);
    add(&chain, 3, "file", "raw", "/b");
    chain.layers[2].mismatches = xls_calloc(1, sizeof(libxl_disk_mismatch));
    chain.layers[2].num_mismatches = 1;
    chain.layers[2].mismatches[0].text = xls_strdup("it\nis gone");
    drawn_as(&chain, false,
             "xvda: 5 layers, NOT all agrees\n"
             "  Format    Size   Allocated  Cluster  Access  Owner  Layer\n"
             "  quorum    1 MiB  ?          -        rw      -      (n0)\n"
             "  qcow2     1 MiB  ?          -        ro      -      "
             "+-children.0: /a\n"
             "  raw       1 MiB  ?          -        ro      -      | /base\n"
             "    ! it?is gone\n"
             "  throttle  1 MiB  ?          -        ro      -      "
             "+-children.1: (n3)\n"
             "  raw       1 MiB  ?          -        ro      -        "
             "file: /b\n");
    libxl_disk_chain_dispose(&chain);
}

static void flat_list_names_the_parents(void **state)
{
    libxl_disk_chain chain;

    (void)state;
    start(&chain);
    chain.validated = chain.agrees = true;
    add(&chain, -1, NULL, "qcow2", "/a");
    drawn_as(&chain, true,
             "xvda: 1 layer, all agrees\n"
             "  No.  Parent  Format  Size   Allocated  Cluster  Access  Owner"
             "  Layer\n"
             "  0    -       qcow2   1 MiB  ?          -        rw      -    "
             "  /a n0\n");
    add(&chain, 0, "backing", "raw", "/b");
    drawn_as(&chain, true,
             "xvda: 2 layers, all agrees\n"
             "  No.  Parent  Format  Size   Allocated  Cluster  Access  Owner"
             "  Layer\n"
             "  0    -       qcow2   1 MiB  ?          -        rw      -    "
             "  /a n0\n"
             "  1    0       raw     1 MiB  ?          -        ro      -    "
             "  backing: /b n1\n");
    libxl_disk_chain_dispose(&chain);
}

/* Even what no reader of a chain gives: parents that are not there. */
static void odd_chains_are_drawn(void **state)
{
    libxl_disk_chain chain;
    FILE *out = fopen("/dev/null", "w");

    (void)state;
    start(&chain);
    chain_print(&chain, false, out);
    add(&chain, 0, "backing", "qcow2", "/a");
    add(&chain, 7, "backing", "qcow2", "/b");
    add(&chain, -1, NULL, "qcow2", "/c");
    chain_print(&chain, false, out);
    chain_print(&chain, true, out);
    fclose(out);
    libxl_disk_chain_dispose(&chain);
}

static void run_shell(const char *dir, const char *script)
{
    char *command = xls_asprintf("cd %s && %s", dir, script);

    assert_int_equal(system(command), 0);
    free(command);
}

static void headers_are_read_afresh(void **state)
{
    char *dir = test_dir_make(), *top = xls_asprintf("%s/top", dir);
    char *base = xls_asprintf("%s/base", dir);
    libxl_disk_chain chain;
    libxl_disk_layer *l;

    (void)state;
    run_shell(dir, "qemu-img create -q -f raw base 1M && cp base other && "
                   "ln -s base link && "
                   "qemu-img create -q -f qcow2 -b base -F raw top");
    start(&chain);
    chain.validated = chain.agrees = true;
    l = add(&chain, -1, NULL, "qcow2", top);
    l->format = LIBXL_DISK_FORMAT_QCOW2;
    l->stat_valid = true;
    l->backing_recorded = xls_strdup("base");
    l->backing_recorded_full = xls_strdup(base);
    l->backing_recorded_format = xls_strdup("raw");
    add(&chain, 0, "backing", "raw", base)->format = LIBXL_DISK_FORMAT_RAW;
    l = chain.layers;
    headers_check(&chain);
    assert_true(chain.agrees);

    run_shell(dir, "qemu-img rebase -q -u -f qcow2 -b link -F raw top");
    headers_check(&chain);
    assert_true(chain.agrees);

    run_shell(dir, "qemu-img rebase -q -u -f qcow2 -b other -F raw top");
    headers_check(&chain);
    assert_false(chain.agrees);
    assert_int_equal(l->num_mismatches, 1);
    assert_int_equal(l->mismatches[0].kind, LIBXL_DISK_MISMATCH_KIND_HEADER);
    assert_non_null(strstr(l->mismatches[0].text, "/other"));

    run_shell(dir, "qemu-img resize -q -f qcow2 top 2M && "
                   "qemu-img rebase -q -u -f qcow2 -b base -F qcow2 top");
    headers_check(&chain);
    assert_int_equal(l->num_mismatches, 3);
    assert_non_null(strstr(l->mismatches[1].text, "format qcow2"));
    assert_non_null(strstr(l->mismatches[2].text, "2097152"));

    run_shell(dir, "echo no image > top");
    headers_check(&chain);
    assert_int_equal(l->num_mismatches, 4);
    assert_non_null(strstr(l->mismatches[3].text, "cannot be read"));
    libxl_disk_chain_dispose(&chain);
    free(base);
    free(top);
    test_dir_remove(dir);
}

static void a_copy_reads_what_the_headers_lead_to_only(void **state)
{
    char *dir = test_dir_make(), *top = xls_asprintf("%s/top", dir);
    char *base = xls_asprintf("%s/base", dir);
    char *other = xls_asprintf("%s/other", dir);
    struct error e = { 0 };
    libxl_disk_chain chain;

    (void)state;
    run_shell(dir, "qemu-img create -q -f raw base 1M && cp base other && "
              "qemu-img create -q -f qcow2 -b base -F raw top");
    start(&chain);
    add(&chain, -1, NULL, "qcow2", top);
    add(&chain, 0, "backing", "raw", base);
    assert_good(headers_verify(&chain, top, LIBXL_DISK_FORMAT_QCOW2, &e), &e);
    free(chain.layers[1].filename);
    chain.layers[1].filename = xls_strdup(other);
    assert_int_equal(headers_verify(&chain, top, LIBXL_DISK_FORMAT_QCOW2, &e),
                     -1);
    assert_non_null(strstr(e.text, other));
    assert_non_null(strstr(e.text, base));
    /* One more than the headers know; and another one at the top. */
    free(chain.layers[1].filename);
    chain.layers[1].filename = xls_strdup(base);
    add(&chain, 1, "backing", "raw", other);
    assert_int_equal(headers_verify(&chain, top, LIBXL_DISK_FORMAT_QCOW2, &e),
                     -1);
    assert_int_equal(headers_verify(&chain, other, LIBXL_DISK_FORMAT_RAW, &e),
                     -1);
    assert_int_equal(headers_verify(&chain, "nbd://h/x",
                                    LIBXL_DISK_FORMAT_QCOW2, &e), -1);
    error_clear(&e);
    libxl_disk_chain_dispose(&chain);
    free(other);
    free(base);
    free(top);
    test_dir_remove(dir);
}

/* A link to a loop device, which is led to another one: as /dev/VG/LV to
 * another volume, or /dev/dm-0 after another order of activation. */
static void a_changed_block_device_is_told(void **state)
{
    char *dir = test_dir_make(), *path = xls_asprintf("%s/web1", dir);
    char *root = xls_asprintf("%s/store", dir);
    struct error e = { 0 };
    struct store *st;
    xl_snapshot_record *rec;
    libxl_disk_chain chain;
    xl_snapshot_disk *d;

    (void)state;
    if (system("losetup -f > /dev/null 2>&1")) {
        print_message("skipped: no loop device can be had\n");
        goto out;
    }
    run_shell(dir, "truncate -s 1M one two && "
              "losetup -f --show one > dev1 && losetup -f --show two > dev2 && "
              "ln -s $(cat dev1) web1");
    assert_int_equal(store_open(root, "web1", true, 0, &st, &e), 0);
    rec = store_add(st, "s1");
    d = record_disk_add(rec, "xvda");
    d->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    d->layer_path = xls_strdup(path);
    d->layer_format = LIBXL_DISK_FORMAT_RAW;
    device_note(rec);
    assert_non_null(strstr(d->device, "/one"));
    start(&chain);
    add(&chain, -1, NULL, "raw", path);
    chain.validated = chain.agrees = true;
    assert_int_equal(device_check(st, &e), 0);
    headers_check_devices(&chain, st);
    assert_true(chain.agrees);

    run_shell(dir, "ln -sfn $(cat dev2) web1");
    assert_int_equal(device_check(st, &e), -1);
    assert_non_null(strstr(e.text, "/one"));
    assert_non_null(strstr(e.text, "/two"));
    error_clear(&e);
    headers_check_devices(&chain, st);
    assert_false(chain.agrees);
    /* Under another number it is the same. */
    run_shell(dir, "losetup -d $(cat dev1) && losetup -d $(cat dev2) && "
              "losetup -f --show two > dev2 && losetup -f --show one > dev1 && "
              "ln -sfn $(cat dev1) web1");
    assert_int_equal(device_check(st, &e), 0);
    run_shell(dir, "losetup -d $(cat dev1) && losetup -d $(cat dev2)");
    libxl_disk_chain_dispose(&chain);
    store_close(st);

out:
    free(root);
    free(path);
    test_dir_remove(dir);
}

/* As a zvol or an nbd device, which the kernel numbers anew at each start of
 * the host; earlier versions recorded the number, too. */
static void without_an_id_of_its_own_a_device_goes_by_its_size(void **state)
{
    static const struct {
        const char *recorded;
        bool is;
    } cases[] = {
        { "number 251:77, 1048576 bytes", true }, { "1048576 bytes", true },
        { "number 251:77, 2097152 bytes", false }, { "524288 bytes", false },
        { "number 251:77, 0 bytes", true }, { "0 bytes", true },
        { "disk 1048576 bytes", false }, { "number 1048576 bytes", false },
    };
    char *dir = test_dir_make(), *path = xls_asprintf("%s/web1", dir);
    char *root = xls_asprintf("%s/store", dir);
    struct error e = { 0 };
    struct store *st;
    xl_snapshot_disk *d;
    size_t i;

    (void)state;
    if (system("losetup -f > /dev/null 2>&1")) {
        print_message("skipped: no loop device can be had\n");
        goto out;
    }
    run_shell(dir, "truncate -s 1M one && losetup -f --show one > dev && "
              "ln -s $(cat dev) web1");
    assert_int_equal(store_open(root, "web1", true, 0, &st, &e), 0);
    d = record_disk_add(store_add(st, "s1"), "xvda");
    d->layer_path = xls_strdup(path);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        str_replace(&d->device, cases[i].recorded);
        if (device_is(path, d->device) != cases[i].is)
            fail_msg("%s", cases[i].recorded);
        assert_int_equal(device_check(st, &e), cases[i].is ? 0 : -1);
        if (!cases[i].is)
            assert_non_null(e.text);
        if (i == 2) {
            assert_null(strstr(e.text, "251:77"));
            assert_non_null(strstr(e.text, "1048576 bytes, not 2097152"));
            assert_non_null(strstr(e.text, "snapshot-relocate web1 "));
        }
        error_clear(&e);
    }
    run_shell(dir, "losetup -d $(cat dev)");
    store_close(st);

out:
    free(root);
    free(path);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backing_chain_is_drawn_straight_down),
        cmocka_unit_test(several_children_are_set_in),
        cmocka_unit_test(flat_list_names_the_parents),
        cmocka_unit_test(odd_chains_are_drawn),
        cmocka_unit_test(headers_are_read_afresh),
        cmocka_unit_test(a_copy_reads_what_the_headers_lead_to_only),
        cmocka_unit_test(a_changed_block_device_is_told),
        cmocka_unit_test(without_an_id_of_its_own_a_device_goes_by_its_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
