/* SPDX-License-Identifier: LGPL-2.1-only */
/* Whatever disks a domain has: what is written of them can be read. */
#include "support/trees.h"

#include "layers/identity.h"
#include "layers/run.h"

#define DOMID 7

struct kind {
    const char *vdev, *path, *domname, *script;
    libxl_disk_format format;
    libxl_disk_backend backend;
    bool cdrom, removable;
    bool entry;                 /* domain.json gets one */
};

static const struct kind kinds[] = {
    { "xvda", "/i/a.qcow2", NULL, NULL, LIBXL_DISK_FORMAT_QCOW2,
      LIBXL_DISK_BACKEND_QDISK, false, false, true },
    { "xvdb", "/dev/vg/b", NULL, NULL, LIBXL_DISK_FORMAT_RAW,
      LIBXL_DISK_BACKEND_PHY, false, false, true },
    { "xvdc", "nbd://host/c", NULL, NULL, LIBXL_DISK_FORMAT_RAW,
      LIBXL_DISK_BACKEND_QDISK, false, false, true },
    /* Drives: empty as libxl says it in its several ways, and full. */
    { "hda", NULL, NULL, NULL, LIBXL_DISK_FORMAT_EMPTY,
      LIBXL_DISK_BACKEND_QDISK, true, true, false },
    { "hdb", "", NULL, NULL, LIBXL_DISK_FORMAT_EMPTY,
      LIBXL_DISK_BACKEND_QDISK, true, true, false },
    { "hdc", "", NULL, NULL, LIBXL_DISK_FORMAT_RAW,
      LIBXL_DISK_BACKEND_UNKNOWN, true, true, false },
    { "hdd", "/i/d.iso", NULL, NULL, LIBXL_DISK_FORMAT_RAW,
      LIBXL_DISK_BACKEND_QDISK, true, true, false },
    { "hde", "d.iso", NULL, NULL, LIBXL_DISK_FORMAT_RAW,
      LIBXL_DISK_BACKEND_QDISK, true, true, false },
    /* What is no path. */
    { "xvdd", "rbd:pool/image", NULL, NULL, LIBXL_DISK_FORMAT_RAW,
      LIBXL_DISK_BACKEND_QDISK, false, false, false },
    { "xvde", "iqn=iqn.2001-05.com:x,portal=1.2.3.4", NULL, "block-iscsi",
      LIBXL_DISK_FORMAT_RAW, LIBXL_DISK_BACKEND_PHY, false, false, false },
    { "xvdf", "relative.img", NULL, NULL, LIBXL_DISK_FORMAT_RAW,
      LIBXL_DISK_BACKEND_QDISK, false, false, false },
    { "xvdg", "/dev/vg/there", "storage", NULL, LIBXL_DISK_FORMAT_RAW,
      LIBXL_DISK_BACKEND_PHY, false, false, false },
    { NULL, "/i/x", NULL, NULL, LIBXL_DISK_FORMAT_RAW,
      LIBXL_DISK_BACKEND_QDISK, false, false, false },
    { "", "/i/x", NULL, NULL, LIBXL_DISK_FORMAT_RAW,
      LIBXL_DISK_BACKEND_QDISK, false, false, false },
};
#define NUM (sizeof(kinds) / sizeof(kinds[0]))

static void add(const struct kind *k)
{
    libxl_device_disk disk;

    libxl_device_disk_init(&disk);
    disk.vdev = xls_strdup(k->vdev);
    disk.pdev_path = xls_strdup(k->path);
    disk.backend_domname = xls_strdup(k->domname);
    disk.script = xls_strdup(k->script);
    disk.format = k->format;
    disk.backend = k->backend;
    disk.is_cdrom = k->cdrom;
    disk.removable = k->removable;
    live_add_disk(&live, "web1", DOMID, &disk, disk.format);
    libxl_device_disk_dispose(&disk);
}

static void every_kind_of_disk_leaves_a_store_that_can_be_read(void **state)
{
    struct error e = { 0 };
    size_t i;

    (void)state;
    for (i = 0; i < NUM; i++)
        add(&kinds[i]);
    identity_note_tops(st, &live, DOMID);
    assert_good(store_write_info(st, &e), &e);
    live_free(&live);
    store_let_go();
    store_take_again();
    for (i = 0; i < NUM; i++)
        assert_int_equal(kinds[i].vdev && store_disk(st, kinds[i].vdev),
                         kinds[i].entry);
}

static void what_cannot_be_read_is_not_written(void **state)
{
    xl_snapshot_record *rec;
    struct error e = { 0 };

    (void)state;
    add_disk("xvda", "a.raw", LIBXL_DISK_FORMAT_RAW);
    store_disk_add(st, "hdc")->top_path = xls_strdup("");
    assert_error(store_write_info(st, &e), &e, "hdc");
    rec = store_add(st, "s1");
    record_disk_add(rec, "xvdd")->layer_path = xls_strdup("rbd:pool/x");
    assert_error(store_write(st, rec, &e), &e, "rbd:pool/x");
    store_let_go();
    store_take_again();
    assert_int_equal(st->info.num_disks, 1);
    assert_int_equal(st->num_records, 0);
}

/* As an earlier version wrote it. */
static void a_store_with_an_empty_drive_is_healed(void **state)
{
    char *command = xls_asprintf(
        "sed -i 's|\"disks\": \\[|\"disks\": [ { \"vdev\": \"hdc\", "
        "\"config_path\": \"\", \"top_path\": \"\" },|' "
        "%s/web1/domain.json", root);
    struct error e = { 0 };

    (void)state;
    add_disk("xvda", "a.raw", LIBXL_DISK_FORMAT_RAW);
    store_let_go();
    assert_int_equal(system(command), 0);
    store_take_again();
    assert_int_equal(st->healed.num, 1);
    assert_non_null(strstr(st->healed.v[0], "hdc"));
    assert_null(store_disk(st, "hdc"));
    assert_non_null(store_disk(st, "xvda"));
    assert_good(store_write_info(st, &e), &e);
    store_let_go();
    store_take_again();
    assert_int_equal(st->healed.num, 0);
    free(command);
}

/* Two disks with a snapshot each; the first other ones are other files now. */
static void replace(int other)
{
    int i;

    srand(1);
    add_disk("xvda", "a.qcow2", LIBXL_DISK_FORMAT_QCOW2);
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    snapshot("s1");
    for (i = 0; i < 2; i++) {
        const xl_snapshot_domain_disk *d = &st->info.disks[i];
        char *path = i < other ? image("other", d->vdev)
                               : xls_strdup(d->top_path);
        const char *const make[] = { "qemu-img", "create", "-q", "-f", "qcow2",
                                     path, "1M", NULL };
        struct error e = { 0 };

        if (i < other)
            assert_good(run(make, NULL, NULL, &e), &e);
        live_add(&live, "web1", DOMID, d->vdev, path, LIBXL_DISK_FORMAT_QCOW2);
        free(path);
    }
}

static void a_replaced_disk_alone_is_left_out(void **state)
{
    libxl_disk_format format;
    struct error e = { 0 };
    const char *top;
    char *former;

    (void)state;
    replace(1);
    former = xls_strdup(store_disk(st, "xvda")->top_path);
    /* Also by what completes an interrupted command, before all is checked. */
    identity_note_tops(st, &live, DOMID);
    assert_string_equal(store_disk(st, "xvda")->top_path, former);
    assert_good(identity_check(st, &live, DOMID, &e), &e);
    assert_true(live_find(&live, DOMID, "xvda")->replaced);
    assert_false(live_find(&live, DOMID, "xvdb")->replaced);
    /* What is known of the former disk stays. */
    identity_note_tops(st, &live, DOMID);
    assert_string_equal(store_disk(st, "xvda")->top_path, former);
    identity_top(st, &live, DOMID, "xvda", &top, &format);
    assert_string_equal(top, former);

    /* Its snapshots can be deleted while the domain runs. */
    merge.domid = DOMID;
    assert_good(merge_hide(st, store_find(st, "s1"), 0, &e), &e);
    live_free(&live);
    assert_good(merge_all(&merge, &e), &e);
    assert_int_equal(st->num_records, 0);
    assert_int_equal(access(former, R_OK | W_OK), 0);
    free(former);
}

static void with_no_disk_of_its_own_it_is_another_domain(void **state)
{
    struct error e = { 0 };

    (void)state;
    replace(2);
    assert_error(identity_check(st, &live, DOMID, &e), &e,
                 "not the domain that they were taken of");
    live_free(&live);
}

static bool is_known(const char *path, uint64_t birth)
{
    xl_snapshot_domain_disk *d = store_disk(st, "xvda");
    struct error e = { 0 };
    bool merging, known;

    d->alone_birth = birth;
    live_find(&live, DOMID, "xvda")->replaced = false;
    live_find(&live, DOMID, "xvdb")->replaced = false;
    known = !identity_check(st, &live, DOMID, &e);
    error_clear(&e);
    d->num_fold_inodes = 1;
    d->fold_inodes = &d->alone_inode;
    d->num_fold_births = birth ? 1 : 0;
    d->fold_births = &birth;
    merging = identity_merging(d, path);
    d->num_fold_inodes = d->num_fold_births = 0;
    d->fold_inodes = d->fold_births = NULL;
    assert_int_equal(merging, known);
    return known;
}

/* A file system gives the inode number of a file that is gone to a later one,
 * and another file system has the same numbers. */
static void a_later_file_with_its_inode_number_is_not_the_disk(void **state)
{
    xl_snapshot_domain_disk *d;
    struct error e = { 0 };
    uint64_t birth;
    char *path;

    (void)state;
    replace(2);
    path = xls_strdup(live_find(&live, DOMID, "xvda")->path);
    d = store_disk(st, "xvda");
    d->alone_inode = identity_inode(path, &d->alone_birth);
    birth = d->alone_birth;
    assert_good(store_write_info(st, &e), &e);
    store_let_go();
    store_take_again();
    d = store_disk(st, "xvda");
    assert_int_equal(d->alone_birth, birth);
    assert_true(is_known(path, birth));
    assert_false(is_known(path, birth + 1));
    /* As an earlier version, or a file system without it, leaves it. */
    assert_true(is_known(path, 0));
    assert_int_equal(identity_inode("/dev/null", &birth) != 0, true);
    assert_int_equal(birth, 0);
    assert_int_equal(identity_inode("/none", &birth), 0);
    live_free(&live);
    free(path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_disk_leaves_a_store_that_can_be_read),
        TEST(what_cannot_be_read_is_not_written),
        TEST(a_store_with_an_empty_drive_is_healed),
        TEST(a_replaced_disk_alone_is_left_out),
        TEST(with_no_disk_of_its_own_it_is_another_domain),
        TEST(a_later_file_with_its_inode_number_is_not_the_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
