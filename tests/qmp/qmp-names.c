/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Files change their names while QEMU has them open: the order that keep_path
 * relies on, and what happens in the wrong one.
 */
#include "qmp/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block/node.h"
#include "block/options.h"

#define KB 1024

struct fixture {
    struct qmp_vm *vm;
    struct xls_op op;
    struct xls_layer base;
    char path[300], frozen[310], overlay[310], file_node[64];
};

/* A disk with data, its overlay made under a name of its own, and a node of
 * the overlay that bears the disk's path. */
static void start(struct fixture *f)
{
    static const libxl_snapshot_how how;

    memset(f, 0, sizeof(*f));
    f->vm = vm_start(1, NULL);
    vm_write(f->vm, "xvda", 0, 512 * KB, 0x55);
    f->op = (struct xls_op){ .log = vm_log, .how = &how, .qmp = f->vm->qmp };
    f->base = (struct xls_layer){
        .node = f->vm->disks[0].node,
        .driver = (char *)"qcow2",
        .file_node = f->file_node,
        .detect_zeroes = (char *)"off",
    };
    snprintf(f->path, sizeof(f->path), "%s", f->vm->disks[0].path);
    snprintf(f->file_node, sizeof(f->file_node), "%s",
             vm_file_node(f->vm, f->path));
    snprintf(f->frozen, sizeof(f->frozen), "%s.frozen", f->path);
    snprintf(f->overlay, sizeof(f->overlay), "%s.new", f->path);
    sh("qemu-img create -q -u -f qcow2 -b '%s' -F qcow2 '%s' 16M", f->frozen,
       f->overlay);
    assert_int_equal(link(f->path, f->frozen), 0);
    assert_int_equal(rename(f->overlay, f->path), 0);
    assert_int_equal(xls_overlay_add(&f->op, "over", f->path, &f->base, true),
                     0);
    assert_int_equal(rename(f->path, f->overlay), 0);
    assert_int_equal(link(f->frozen, f->path), 0);
}

static void freeze_base(struct fixture *f)
{
    struct xls_qmp_transaction t = { 0 };

    xls_qmp_transaction_add(&t, "blockdev-snapshot",
                            json("{'node':'%s','overlay':'over'}",
                                 f->base.node));
    assert_int_equal(vm_transaction(f->vm, &t), 0);
}

static bool data_is_right(struct fixture *f)
{
    return vm_holds(f->vm, "xvda", 0, 512 * KB, 0x55);
}

static void path_changes_hands_and_the_guest_reads_its_data(void **state)
{
    libxl_disk_chain chain;
    struct fixture f;
    char *sum;

    (void)state;
    start(&f);
    assert_true(data_is_right(&f));
    vm_write(f.vm, "xvda", 1024 * KB, 64 * KB, 0x66);
    freeze_base(&f);
    assert_true(data_is_right(&f));
    assert_int_equal(rename(f.overlay, f.path), 0);
    assert_true(data_is_right(&f));
    assert_int_equal(xls_node_rename(&f.op, &f.base, f.frozen, true, NULL,
                                     true), 0);
    assert_string_equal(vm_top_node(f.vm, "xvda"), "over");
    assert_string_equal(vm_top_file(f.vm, "xvda"), f.path);
    assert_true(data_is_right(&f));
    vm_chain(f.vm, "xvda", &chain);
    vm_chain_agrees(&chain);
    assert_int_equal(chain.num_layers, 2);
    assert_string_equal(chain.layers[1].filename, f.frozen);
    libxl_disk_chain_dispose(&chain);

    /* The guest writes the overlay, and only that. */
    sum = sh_output("sha256sum < '%s'", f.frozen);
    vm_write(f.vm, "xvda", 0, 64 * KB, 0x77);
    assert_true(vm_holds(f.vm, "xvda", 0, 64 * KB, 0x77));
    assert_true(vm_holds(f.vm, "xvda", 1024 * KB, 64 * KB, 0x66));
    sh("test \"$(sha256sum < '%s')\" = '%s'", f.frozen, sum);
    free(sum);

    /* A cold start from the path finds all of it. */
    assert_true(image_holds(f.path, "qcow2", 0, 64 * KB, 0x77));
    assert_true(image_holds(f.path, "qcow2", 64 * KB, 448 * KB, 0x55));
    sh("qemu-img check -q '%s'", f.path);
    vm_stop(f.vm);
}

/* Why the path must not change hands before the base is read-only: becoming
 * so, it is opened again by the name that QEMU has for it. */
static void base_under_a_name_that_changed_hands_reads_another_file(void **s)
{
    struct fixture f;

    (void)s;
    start(&f);
    assert_int_equal(rename(f.overlay, f.path), 0);
    freeze_base(&f);
    assert_false(data_is_right(&f));
    vm_stop(f.vm);
}

/* Why a layer that is written must not be renamed: a node reads zeros beyond
 * the length that its file had when it was opened. */
static void what_is_appended_after_opening_is_not_seen(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    vm_do(f.vm, "blockdev-add",
          json("{'driver':'file','node-name':'again','filename':'%s',"
               "'locking':'off'}", f.path));
    vm_write(f.vm, "xvda", 2048 * KB, 1024 * KB, 0x66);
    assert_int_equal(
        xls_reopen(&f.op, "test", json("{'driver':'qcow2','node-name':'%s',"
                                       "'file':'again','backing':null}",
                                       f.base.node), f.file_node), 0);
    assert_false(vm_holds(f.vm, "xvda", 2048 * KB, 1024 * KB, 0x66));
    vm_stop(f.vm);
}

/* An immutable or read-only frozen file is opened for writing only when it is
 * committed into. */
static void renamed_base_can_be_committed_into_again(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    freeze_base(&f);
    assert_int_equal(rename(f.overlay, f.path), 0);
    assert_int_equal(xls_node_rename(&f.op, &f.base, f.frozen, true, NULL,
                                     true), 0);
    vm_write(f.vm, "xvda", 0, 64 * KB, 0x77);
    vm_do(f.vm, "block-commit",
          json("{'job-id':'j','device':'over','base-node':'%s',"
               "'auto-dismiss':false}", f.base.node));
    vm_wait_job(f.vm, "j", "ready");
    vm_do(f.vm, "job-complete", json("{'id':'j'}"));
    vm_wait_job(f.vm, "j", "concluded");
    assert_string_equal(vm_top_node(f.vm, "xvda"), f.base.node);
    assert_true(vm_holds(f.vm, "xvda", 0, 64 * KB, 0x77));
    assert_true(image_holds(f.frozen, "qcow2", 0, 64 * KB, 0x77));
    vm_stop(f.vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            path_changes_hands_and_the_guest_reads_its_data, vm_teardown),
        cmocka_unit_test_teardown(
            base_under_a_name_that_changed_hands_reads_another_file,
            vm_teardown),
        cmocka_unit_test_teardown(what_is_appended_after_opening_is_not_seen,
                                  vm_teardown),
        cmocka_unit_test_teardown(renamed_base_can_be_committed_into_again,
                                  vm_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
