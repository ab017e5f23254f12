/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The chain of a disk, as a real QEMU tells it, against images whose making is
 * known.
 */
#include "qmp/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "block/chain.h"
#include "common/alloc.h"
#include "common/freeze.h"

#define MB (1024ULL * 1024)

static char *dir_make(void)
{
    char *dir = xls_strdup("/tmp/xls-chain-XXXXXX");

    assert_non_null(mkdtemp(dir));
    return dir;
}

static void dir_remove(char *dir)
{
    sh("rm -rf %s", dir);
    free(dir);
}

/* A chain of images in dir, l1 the base and l<depth> the top; base: its
 * format. Their names as they are recorded: relative, or in full. */
static void make_chain(const char *dir, int depth, const char *base,
                       bool relative)
{
    const char *prefix = relative ? "" : dir, *slash = relative ? "" : "/";

    sh("cd %s && qemu-img create -q -f %s l1 16M && for i in $(seq 2 %d); do "
       "b=$((i - 1)); f=qcow2; [ $b = 1 ] && f=%s; "
       "qemu-img create -q -f qcow2 -b %s%sl$b -F $f l$i; done", dir, base,
       depth, base, prefix, slash);
}

static struct qmp_vm *start(const char *path, const char *format)
{
    struct vm_disk disk = { .path = path, .format = format };

    return vm_start(1, &disk);
}

/* An image whose header says what it says, opened above a node. */
static void put_on_top(struct qmp_vm *vm, const char *node, const char *overlay,
                       const char *dir, const char *file)
{
    vm_do(vm, "blockdev-add",
          json("{'driver':'qcow2','node-name':'%s','backing':null,"
               "'file':{'driver':'file','filename':'%s/%s'}}", overlay, dir,
               file));
    vm_do(vm, "blockdev-snapshot",
          json("{'node':'%s','overlay':'%s'}", node, overlay));
}

static void chain_of_depth(int depth, const char *base, bool relative)
{
    char *dir = dir_make(), *path = xls_asprintf("%s/l%d", dir, depth), *text;
    libxl_disk_chain chain;
    struct qmp_vm *vm;
    int i;

    make_chain(dir, depth, base, relative);
    vm = start(path, depth == 1 ? base : "qcow2");
    vm_chain(vm, "xvda", &chain);
    assert_int_equal(chain.num_layers, depth);
    for (i = 0; i < depth; i++) {
        const libxl_disk_layer *l = &chain.layers[i];
        const char *format = i == depth - 1 ? base : "qcow2";
        char *file = xls_asprintf("%s/l%d", dir, depth - i);
        char *recorded = xls_asprintf("%s%sl%d", relative ? "" : dir,
                                      relative ? "" : "/", depth - i - 1);

        assert_int_equal(l->parent, i - 1);
        if (i)
            assert_string_equal(l->child, "backing");
        else
            assert_null(l->child);
        assert_string_equal(l->driver, format);
        assert_string_equal(libxl_disk_format_to_string(l->format), format);
        assert_int_equal(l->kind, LIBXL_DISK_LAYER_KIND_FILE);
        assert_string_equal(l->protocol, "file");
        assert_string_equal(l->filename, file);
        assert_string_equal(l->spec, file);
        assert_int_equal(l->virtual_size, 16 * MB);
        assert_true(l->allocated_size >= 0);
        assert_int_equal(l->cluster_size, strcmp(format, "raw") ? 65536 : 0);
        assert_int_equal(l->read_only, i > 0);
        assert_false(l->dirty);
        assert_false(l->corrupt);
        assert_true(l->stat_valid);
        assert_int_equal(l->uid, getuid());
        assert_int_equal(l->mode, 0644);
        assert_false(l->immutable);
        if (i < depth - 1) {
            assert_string_equal(l->backing_recorded, recorded);
            assert_string_equal(l->backing_recorded_format,
                                i == depth - 2 ? base : "qcow2");
            assert_string_equal(l->backing_opened, chain.layers[i + 1].spec);
            assert_string_equal(l->backing_opened_format,
                                chain.layers[i + 1].driver);
        } else {
            assert_null(l->backing_recorded);
            assert_null(l->backing_opened);
        }
        free(file);
        free(recorded);
    }
    assert_string_equal(chain.layers[0].node, vm->disks[0].node);
    vm_chain_agrees(&chain);
    text = libxl_disk_chain_to_nested_json(NULL, &chain);
    assert_non_null(text);
    free(text);
    libxl_disk_chain_dispose(&chain);
    vm_stop(vm);
    free(path);
    dir_remove(dir);
}

static void depths_1_2_8_and_64(void **state)
{
    (void)state;
    chain_of_depth(1, "raw", false);
    chain_of_depth(1, "qcow2", false);
    chain_of_depth(2, "raw", true);
    chain_of_depth(8, "qcow2", true);
    chain_of_depth(64, "raw", false);
}

static void hundred_layers_are_within_what_is_read(void **state)
{
    (void)state;
    chain_of_depth(100, "raw", false);
}

static void symlinks_lead_to_the_same_file(void **state)
{
    char *dir = dir_make(), *path = xls_asprintf("%s/link", dir);
    libxl_disk_chain chain;
    struct qmp_vm *vm;

    (void)state;
    make_chain(dir, 2, "qcow2", false);
    sh("cd %s && chmod 600 l2 && ln -s l2 link && ln -s l1 base && "
       "qemu-img rebase -q -u -f qcow2 -b %s/base -F qcow2 l2", dir, dir);
    vm = start(path, "qcow2");
    vm_chain(vm, "xvda", &chain);
    assert_string_equal(chain.layers[0].filename, path);
    assert_true(chain.layers[0].stat_valid);
    assert_int_equal(chain.layers[0].mode, 0600);
    vm_chain_agrees(&chain);
    libxl_disk_chain_dispose(&chain);
    vm_stop(vm);

    /* Recorded by one name, open by another: QEMU makes json: of the top. */
    sh("cd %s && qemu-img create -q -u -f qcow2 -b %s/l2 -F qcow2 l3 16M", dir,
       dir);
    vm = start(path, "qcow2");
    put_on_top(vm, vm->disks[0].node, "over", dir, "l3");
    vm_chain(vm, "xvda", &chain);
    assert_int_equal(chain.num_layers, 3);
    assert_int_equal(strncmp(chain.layers[0].spec, "json:", 5), 0);
    assert_int_equal(chain.layers[0].kind, LIBXL_DISK_LAYER_KIND_FILE);
    assert_non_null(strstr(chain.layers[0].filename, "/l3"));
    vm_chain_agrees(&chain);
    libxl_disk_chain_dispose(&chain);
    vm_stop(vm);
    free(path);
    dir_remove(dir);
}

/* The overlay's header is of another base than the one it is put on. */
static void recorded_and_opened_backing_that_differ_are_told(void **state)
{
    char *dir = dir_make(), *path = xls_asprintf("%s/l2", dir);
    libxl_disk_chain chain;
    struct qmp_vm *vm;
    char *text;

    (void)state;
    make_chain(dir, 2, "raw", false);
    sh("cd %s && qemu-img create -q -f qcow2 other 16M && "
       "qemu-img create -q -u -f qcow2 -b %s/other -F qcow2 l3 16M && "
       "qemu-img create -q -u -f qcow2 -b %s/l2 -F raw l4 16M && "
       "qemu-img create -q -u -f qcow2 l5 16M", dir, dir, dir);
    vm = start(path, "qcow2");
    put_on_top(vm, vm->disks[0].node, "over", dir, "l3");
    vm_chain(vm, "xvda", &chain);
    assert_int_equal(chain.num_layers, 3);
    assert_true(chain.validated);
    assert_false(chain.agrees);
    assert_int_equal(chain.layers[0].num_mismatches, 1);
    assert_int_equal(chain.layers[0].mismatches[0].kind,
                     LIBXL_DISK_MISMATCH_KIND_BACKING);
    text = chain.layers[0].mismatches[0].text;
    assert_non_null(strstr(text, "/other"));
    assert_non_null(strstr(text, "/l2"));
    assert_int_equal(chain.layers[1].num_mismatches, 0);
    assert_int_equal(chain.layers[2].num_mismatches, 0);
    libxl_disk_chain_dispose(&chain);
    vm_stop(vm);

    vm = start(path, "qcow2");
    put_on_top(vm, vm->disks[0].node, "over", dir, "l4");
    put_on_top(vm, "over", "more", dir, "l5");
    vm_chain(vm, "xvda", &chain);
    assert_int_equal(chain.num_layers, 4);
    assert_int_equal(chain.layers[0].num_mismatches, 1);
    assert_int_equal(chain.layers[0].mismatches[0].kind,
                     LIBXL_DISK_MISMATCH_KIND_BACKING);
    assert_non_null(strstr(chain.layers[0].mismatches[0].text, "none"));
    assert_int_equal(chain.layers[1].num_mismatches, 1);
    assert_int_equal(chain.layers[1].mismatches[0].kind,
                     LIBXL_DISK_MISMATCH_KIND_BACKING_FORMAT);
    libxl_disk_chain_dispose(&chain);
    vm_stop(vm);
    free(path);
    dir_remove(dir);
}

static void file_that_is_gone_is_told(void **state)
{
    char *dir = dir_make(), *path = xls_asprintf("%s/l3", dir);
    libxl_disk_chain chain;
    struct qmp_vm *vm;

    (void)state;
    make_chain(dir, 3, "raw", false);
    vm = start(path, "qcow2");
    sh("mv %s/l2 %s/elsewhere && rm %s/l1 && mkfifo %s/l1", dir, dir, dir,
       dir);
    vm_chain(vm, "xvda", &chain);
    assert_int_equal(chain.num_layers, 3);
    assert_int_equal(chain.layers[0].num_mismatches, 0);
    assert_int_equal(chain.layers[1].num_mismatches, 1);
    assert_int_equal(chain.layers[1].mismatches[0].kind,
                     LIBXL_DISK_MISMATCH_KIND_FILE);
    assert_false(chain.layers[2].stat_valid);
    assert_int_equal(chain.layers[2].num_mismatches, 1);
    libxl_disk_chain_dispose(&chain);
    vm_stop(vm);
    free(path);
    dir_remove(dir);
}

static void label_and_immutable_flag_are_told(void **state)
{
    static const char label[] = "system_u:object_r:xen_image_t:s0";
    char *dir = dir_make(), *path = xls_asprintf("%s/l2", dir);
    char *base = xls_asprintf("%s/l1", dir);
    libxl_disk_chain chain;
    struct qmp_vm *vm;
    bool labelled;
    int frozen;

    (void)state;
    make_chain(dir, 2, "raw", false);
    labelled = !setxattr(base, "security.selinux", label, sizeof(label), 0);
    frozen = xls_freeze(base, true, NULL);
    vm = start(path, "qcow2");
    vm_chain(vm, "xvda", &chain);
    vm_stop(vm);
    assert_int_equal(xls_thaw(base), 0);
    assert_false(chain.layers[0].immutable);
    assert_int_equal(chain.layers[1].immutable, frozen == 0);
    assert_int_equal(chain.layers[1].mode, frozen == 0 ? 0644 : 0444);
    if (labelled)
        assert_string_equal(chain.layers[1].label, label);
    vm_chain_agrees(&chain);
    libxl_disk_chain_dispose(&chain);
    free(base);
    free(path);
    dir_remove(dir);
    if (frozen || !labelled) {
        print_message("%s: no %s\n", "/tmp", frozen ? "immutable flag"
                                                    : "labels");
        skip();
    }
}

static void dirty_flag_is_told(void **state)
{
    char *dir = dir_make(), *path = xls_asprintf("%s/d", dir);
    libxl_disk_chain chain;
    struct qmp_vm *vm;

    (void)state;
    sh("qemu-img create -q -f qcow2 -o lazy_refcounts=on,cluster_size=4096 %s "
       "16M", path);
    vm = start(path, "qcow2");
    vm_chain(vm, "xvda", &chain);
    assert_false(chain.layers[0].dirty);
    assert_int_equal(chain.layers[0].cluster_size, 4096);
    libxl_disk_chain_dispose(&chain);
    vm_write(vm, "xvda", 0, 65536, 0x11);
    vm_chain(vm, "xvda", &chain);
    assert_true(chain.layers[0].dirty);
    libxl_disk_chain_dispose(&chain);
    vm_stop(vm);
    free(path);
    dir_remove(dir);
}

/* A backing file that is recorded as json:, with dotted keys and without. */
static void json_backing_names_are_compared_by_their_file(void **state)
{
    char *dir = dir_make(), *path = xls_asprintf("%s/top", dir);
    libxl_disk_chain chain;
    struct qmp_vm *vm;

    (void)state;
    make_chain(dir, 1, "qcow2", false);
    sh("cd %s && qemu-img create -q -f qcow2 -b 'json:{\"driver\":\"qcow2\","
       "\"file.driver\":\"file\",\"file.filename\":\"%s/l1\"}' -F qcow2 top",
       dir, dir);
    vm = start(path, "qcow2");
    vm_chain(vm, "xvda", &chain);
    assert_int_equal(chain.num_layers, 2);
    assert_int_equal(strncmp(chain.layers[0].backing_recorded, "json:", 5), 0);
    vm_chain_agrees(&chain);
    libxl_disk_chain_dispose(&chain);
    vm_stop(vm);
    free(path);
    dir_remove(dir);
}

/* A base that an NBD server exports. */
static void nbd_layer_has_its_address(void **state)
{
    char *dir = dir_make(), *path = xls_asprintf("%s/top", dir), *pid;
    const libxl_disk_layer *base;
    libxl_disk_chain chain;
    struct qmp_vm *vm;

    (void)state;
    make_chain(dir, 1, "raw", false);
    sh("cd %s && qemu-nbd --fork --persistent --read-only -f raw -x exp "
       "-k %s/sock --pid-file=%s/pid l1", dir, dir, dir);
    pid = sh_output("cat %s/pid", dir);
    sh("cd %s && qemu-img create -q -f qcow2 -b 'nbd:unix:%s/sock:"
       "exportname=exp' -F raw top 16M", dir, dir);
    vm = start(path, "qcow2");
    vm_chain(vm, "xvda", &chain);
    vm_stop(vm);
    kill(atoi(pid), SIGTERM);
    free(pid);

    assert_int_equal(chain.num_layers, 2);
    base = &chain.layers[1];
    assert_int_equal(base->kind, LIBXL_DISK_LAYER_KIND_NBD);
    assert_string_equal(base->driver, "raw");
    assert_string_equal(base->protocol, "nbd");
    assert_int_equal(strncmp(base->filename, "nbd+unix:///exp?socket=", 23), 0);
    assert_int_equal(base->virtual_size, 16 * MB);
    assert_int_equal(base->allocated_size, -1);
    assert_false(base->stat_valid);
    vm_chain_agrees(&chain);
    libxl_disk_chain_dispose(&chain);
    free(path);
    dir_remove(dir);
}

/* Its disk is put on a node that is made while QEMU runs. */
static struct qmp_vm *start_without_disk(void)
{
    struct qmp_vm *vm = vm_start(0, NULL);

    strcpy(vm->disks[0].vdev, "xvda");
    return vm;
}

static void quorum_has_all_its_children(void **state)
{
    char *dir = dir_make(), *text;
    const libxl_disk_layer *l;
    struct xls_json *args, *nested;
    const struct xls_json *children;
    libxl_disk_chain chain;
    struct qmp_vm *vm;
    int rc;

    (void)state;
    make_chain(dir, 2, "raw", false);
    sh("cd %s && qemu-img create -q -f raw mirror 16M", dir);
    vm = start_without_disk();
    args = json("{'driver':'quorum','node-name':'q','vote-threshold':1,"
                "'children':[{'driver':'qcow2','node-name':'c0','file':{"
                "'driver':'file','filename':'%s/l2'}},{'driver':'raw',"
                "'node-name':'c1','file':{'driver':'file','filename':"
                "'%s/mirror'}}]}", dir, dir);
    rc = xls_qmp_run(vm->qmp, "blockdev-add", args, VM_TIMEOUT_MS, NULL);
    if (rc) {
        print_message("quorum: %s\n", xls_qmp_error_desc(vm->qmp));
        vm_stop(vm);
        dir_remove(dir);
        skip();
    }
    vm_plug(vm, vm->disks[0].vdev, "q");
    vm_chain(vm, "xvda", &chain);
    vm_stop(vm);

    assert_int_equal(chain.num_layers, 4);
    l = chain.layers;
    assert_int_equal(l[0].kind, LIBXL_DISK_LAYER_KIND_NONE);
    assert_string_equal(l[0].driver, "quorum");
    assert_null(l[0].filename);
    assert_string_equal(l[1].child, "children.0");
    assert_int_equal(l[1].parent, 0);
    assert_string_equal(l[1].node, "c0");
    assert_string_equal(l[2].child, "backing");
    assert_int_equal(l[2].parent, 1);
    assert_string_equal(l[2].driver, "raw");
    assert_string_equal(l[3].child, "children.1");
    assert_int_equal(l[3].parent, 0);
    assert_string_equal(l[1].backing_opened, l[2].spec);
    assert_int_equal(libxl_disk_chain_child(&chain, 0, -1), 1);
    assert_int_equal(libxl_disk_chain_child(&chain, 0, 1), 3);
    assert_int_equal(libxl_disk_chain_child(&chain, 0, 3), -1);
    vm_chain_agrees(&chain);

    text = libxl_disk_chain_to_nested_json(NULL, &chain);
    nested = xls_json_parse(text, strlen(text), &xls_json_limits_qmp, NULL);
    children = xls_json_get(xls_json_get(nested, "top"), "children");
    assert_int_equal(xls_json_len(children), 2);
    assert_string_equal(xls_json_get_str(xls_json_get(xls_json_at(children, 0),
                                                      "backing"), "driver"),
                        "raw");
    xls_json_free(nested);
    free(text);
    libxl_disk_chain_dispose(&chain);
    dir_remove(dir);
}

static void filter_is_a_layer_without_storage(void **state)
{
    char *dir = dir_make();
    libxl_disk_chain chain;
    struct qmp_vm *vm;

    (void)state;
    make_chain(dir, 2, "qcow2", false);
    vm = start_without_disk();
    vm_do(vm, "object-add", json("{'qom-type':'throttle-group','id':'t'}"));
    vm_do(vm, "blockdev-add",
          json("{'driver':'throttle','node-name':'f','throttle-group':'t',"
               "'file':{'driver':'qcow2','file':{'driver':'file',"
               "'filename':'%s/l2'}}}", dir));
    vm_plug(vm, vm->disks[0].vdev, "f");
    vm_chain(vm, "xvda", &chain);
    vm_stop(vm);
    assert_int_equal(chain.num_layers, 3);
    assert_string_equal(chain.layers[0].driver, "throttle");
    assert_int_equal(chain.layers[0].kind, LIBXL_DISK_LAYER_KIND_NONE);
    assert_string_equal(chain.layers[1].child, "file");
    assert_string_equal(chain.layers[1].driver, "qcow2");
    assert_string_equal(chain.layers[2].child, "backing");
    assert_string_equal(xls_chain_below_filters(&chain, 0)->node,
                        chain.layers[1].node);
    vm_chain_agrees(&chain);
    libxl_disk_chain_dispose(&chain);
    dir_remove(dir);
}

/* The data of a qcow2 image may be in a file beside it. */
static void data_file_is_a_layer_of_its_own(void **state)
{
    char *dir = dir_make(), *path = xls_asprintf("%s/q", dir);
    libxl_disk_chain chain;
    struct qmp_vm *vm;

    (void)state;
    sh("cd %s && qemu-img create -q -f qcow2 -o data_file=%s/data q 16M", dir,
       dir);
    vm = start(path, "qcow2");
    vm_chain(vm, "xvda", &chain);
    vm_stop(vm);
    assert_int_equal(chain.num_layers, 2);
    assert_string_equal(chain.layers[0].filename, path);
    assert_string_equal(chain.layers[1].child, "data-file");
    assert_non_null(strstr(chain.layers[1].filename, "/data"));
    assert_int_equal(chain.layers[1].format, LIBXL_DISK_FORMAT_RAW);
    vm_chain_agrees(&chain);
    libxl_disk_chain_dispose(&chain);
    free(path);
    dir_remove(dir);
}

static void running_job_is_no_hindrance(void **state)
{
    char *dir = dir_make(), *path = xls_asprintf("%s/l3", dir);
    libxl_disk_chain chain;
    struct qmp_vm *vm;

    (void)state;
    make_chain(dir, 3, "qcow2", false);
    vm = start(path, "qcow2");
    vm_write(vm, "xvda", 0, 4 * MB, 0x22);
    vm_do(vm, "block-commit",
          json("{'job-id':'j','device':'%s','speed':1,'base':'%s/l2',"
               "'auto-dismiss':false}", vm->disks[0].node, dir));
    vm_chain(vm, "xvda", &chain);
    assert_int_equal(chain.num_layers, 3);
    assert_string_equal(chain.layers[0].filename, path);
    assert_false(chain.layers[1].read_only);
    vm_chain_agrees(&chain);
    libxl_disk_chain_dispose(&chain);
    vm_stop(vm);
    free(path);
    dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(depths_1_2_8_and_64, vm_teardown),
        cmocka_unit_test_teardown(hundred_layers_are_within_what_is_read,
                                  vm_teardown),
        cmocka_unit_test_teardown(symlinks_lead_to_the_same_file, vm_teardown),
        cmocka_unit_test_teardown(
            recorded_and_opened_backing_that_differ_are_told, vm_teardown),
        cmocka_unit_test_teardown(file_that_is_gone_is_told, vm_teardown),
        cmocka_unit_test_teardown(label_and_immutable_flag_are_told,
                                  vm_teardown),
        cmocka_unit_test_teardown(dirty_flag_is_told, vm_teardown),
        cmocka_unit_test_teardown(
            json_backing_names_are_compared_by_their_file, vm_teardown),
        cmocka_unit_test_teardown(nbd_layer_has_its_address, vm_teardown),
        cmocka_unit_test_teardown(quorum_has_all_its_children, vm_teardown),
        cmocka_unit_test_teardown(filter_is_a_layer_without_storage,
                                  vm_teardown),
        cmocka_unit_test_teardown(data_file_is_a_layer_of_its_own,
                                  vm_teardown),
        cmocka_unit_test_teardown(running_job_is_no_hindrance, vm_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
