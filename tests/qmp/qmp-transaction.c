/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A QMP transaction of blockdev-snapshot on several disks is all or nothing.
 */
#include "qmp/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISKS 3

static const char *const vdevs[DISKS] = { "xvda", "xvdb", "xvdc" };

/* Makes the overlay of a disk and opens it, without its backing file. */
static void add_overlay(struct qmp_vm *vm, int i)
{
    sh("qemu-img create -q -u -f qcow2 -b '%s' -F %s %s/over%d 16M",
       vm->disks[i].path, vm->disks[i].format, vm->dir, i);
    vm_do(vm, "blockdev-add",
          json("{'driver':'qcow2','node-name':'over%d','backing':null,"
               "'file':{'driver':'file','filename':'%s/over%d',"
               "'locking':'off'}}", i, vm->dir, i));
}

static void add_action(struct qmp_vm *vm, struct xls_qmp_transaction *t,
                       int i, const char *overlay)
{
    xls_qmp_transaction_add(t, "blockdev-snapshot",
                            json("{'node':'%s','overlay':'%s'}",
                                 vm->disks[i].node, overlay));
}

/* All of QEMU's nodes, each with what backs it. */
static char *graph(struct qmp_vm *vm)
{
    struct xls_json *all = vm_run(vm, "query-named-block-nodes",
                                  json("{'flat':false}"));
    char *s = xls_json_print(all, true);

    xls_json_free(all);
    return s;
}

static struct qmp_vm *start_with_overlays(void)
{
    static const struct vm_disk disks[DISKS] = {
        { .format = "qcow2" }, { .format = "raw" }, { .format = "qcow2" },
    };
    struct qmp_vm *vm = vm_start(DISKS, disks);
    int i;

    for (i = 0; i < DISKS; i++) {
        vm_write(vm, vdevs[i], 0, 65536, 0x10 + i);
        add_overlay(vm, i);
    }
    return vm;
}

static void assert_on_bases(struct qmp_vm *vm)
{
    int i;

    for (i = 0; i < DISKS; i++) {
        assert_string_equal(vm_top_node(vm, vdevs[i]), vm->disks[i].node);
        assert_string_equal(vm_top_file(vm, vdevs[i]), vm->disks[i].path);
        assert_true(vm_holds(vm, vdevs[i], 0, 65536, 0x10 + i));
    }
}

static void snapshot_all(struct qmp_vm *vm)
{
    struct xls_qmp_transaction t = { NULL };
    int rc, i;

    for (i = 0; i < DISKS; i++) {
        char overlay[16];

        snprintf(overlay, sizeof(overlay), "over%d", i);
        add_action(vm, &t, i, overlay);
    }
    rc = vm_transaction(vm, &t);
    if (rc)
        fail_msg("%s", xls_qmp_error_desc(vm->qmp));
    assert_null(t.actions);
}

static void assert_on_overlays(struct qmp_vm *vm)
{
    int i;

    for (i = 0; i < DISKS; i++) {
        char *sum = image_sum(vm->disks[i].path, vm->disks[i].format), *after;
        char overlay[100];

        snprintf(overlay, sizeof(overlay), "over%d", i);
        assert_string_equal(vm_top_node(vm, vdevs[i]), overlay);
        snprintf(overlay, sizeof(overlay), "%s/over%d", vm->dir, i);
        assert_string_equal(vm_top_file(vm, vdevs[i]), overlay);
        /* the guest sees the old data, and what it writes spares the base */
        assert_true(vm_holds(vm, vdevs[i], 0, 65536, 0x10 + i));
        vm_write(vm, vdevs[i], 4096, 4096, 0x99);
        assert_true(vm_holds(vm, vdevs[i], 4096, 4096, 0x99));
        assert_true(vm_holds(vm, vdevs[i], 0, 4096, 0x10 + i));
        after = image_sum(vm->disks[i].path, vm->disks[i].format);
        assert_string_equal(sum, after);
        free(sum);
        free(after);
    }
}

static void transaction_switches_all_disks(void **state)
{
    struct qmp_vm *vm = start_with_overlays();
    int i;

    (void)state;
    assert_on_bases(vm);
    snapshot_all(vm);
    assert_in_range(xls_qmp_last_us(vm->qmp), 1, 10000000);
    assert_on_overlays(vm);
    for (i = 0; i < DISKS; i++) {
        assert_true(vm_has_node(vm, vm->disks[i].node));
        sh("qemu-img check -U -q -f qcow2 %s/over%d", vm->dir, i);
    }
}

/* A transaction in which disk `bad` is given what QEMU refuses. */
static void refused(int bad, const char *overlay, const char *words)
{
    struct qmp_vm *vm = start_with_overlays();
    struct xls_qmp_transaction t = { NULL };
    char *before = graph(vm), *after;
    int i;

    for (i = 0; i < DISKS; i++) {
        char good[16];

        snprintf(good, sizeof(good), "over%d", i);
        add_action(vm, &t, i, i == bad ? overlay : good);
    }
    assert_int_equal(vm_transaction(vm, &t),
                     ERROR_SNAPSHOT_QEMU);
    assert_null(t.actions);
    if (!strstr(xls_qmp_error_desc(vm->qmp), words))
        fail_msg("'%s' lacks '%s'", xls_qmp_error_desc(vm->qmp), words);
    after = graph(vm);
    assert_string_equal(before, after);
    assert_on_bases(vm);
    free(before);
    free(after);

    /* what was prepared is as good as before */
    snapshot_all(vm);
    assert_on_overlays(vm);
    vm_stop(vm);
}

static void unknown_overlay_leaves_all_disks_alone(void **state)
{
    int bad;

    (void)state;
    for (bad = 0; bad < DISKS; bad++)
        refused(bad, "none", "Cannot find device='none' nor node-name='none'");
}

static void overlay_in_use_leaves_all_disks_alone(void **state)
{
    int bad;

    (void)state;
    /* the node that another disk's device is on */
    for (bad = 0; bad < DISKS; bad++)
        refused(bad, bad == 0 ? "xvdc-qcow2" : "xvda-qcow2", "");
}

static void action_of_an_unknown_type_leaves_all_disks_alone(void **state)
{
    struct qmp_vm *vm = start_with_overlays();
    struct xls_qmp_transaction t = { NULL };

    (void)state;
    add_action(vm, &t, 0, "over0");
    xls_qmp_transaction_add(&t, "no-such-action", xls_json_object());
    assert_int_equal(vm_transaction(vm, &t),
                     ERROR_SNAPSHOT_QEMU);
    assert_on_bases(vm);

    add_action(vm, &t, 0, "over0");
    xls_qmp_transaction_add(&t, "abort", xls_json_object());
    assert_int_equal(vm_transaction(vm, &t),
                     ERROR_SNAPSHOT_QEMU);
    assert_on_bases(vm);
}

static void empty_transaction_changes_nothing(void **state)
{
    struct qmp_vm *vm = start_with_overlays();
    struct xls_qmp_transaction t = { NULL };

    (void)state;
    assert_int_equal(vm_transaction(vm, &t), 0);
    assert_on_bases(vm);
}

static void overlays_are_committed_back_into_their_bases(void **state)
{
    struct qmp_vm *vm = start_with_overlays();
    int i;

    (void)state;
    snapshot_all(vm);
    for (i = 0; i < DISKS; i++) {
        vm_write(vm, vdevs[i], 65536, 65536, 0x77);
        vm_do(vm, "block-commit",
              json("{'job-id':'commit%d','device':'over%d'}", i, i));
    }
    for (i = 0; i < DISKS; i++) {
        char job[24];

        snprintf(job, sizeof(job), "commit%d", i);
        vm_wait_job(vm, job, "ready");
        vm_do(vm, "job-complete", json("{'id':'%s'}", job));
        vm_wait_job(vm, job, "null");
    }
    assert_on_bases(vm);
    for (i = 0; i < DISKS; i++)
        assert_true(image_holds(vm->disks[i].path, vm->disks[i].format,
                                65536, 65536, 0x77));
}

#define TEST(name) cmocka_unit_test_teardown(name, vm_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(transaction_switches_all_disks),
        TEST(unknown_overlay_leaves_all_disks_alone),
        TEST(overlay_in_use_leaves_all_disks_alone),
        TEST(action_of_an_unknown_type_leaves_all_disks_alone),
        TEST(empty_transaction_changes_nothing),
        TEST(overlays_are_committed_back_into_their_bases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
