/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How long a guest's disks stand still for a snapshot: overlays made and
 * opened beforehand and one blockdev-snapshot transaction, as create does,
 * beside one blockdev-snapshot-sync transaction, on the same QEMU and in turn.
 * Prints the medians and their ratio.
 */
#include "qmp/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/median.h"
#include "block/node.h"

#define ROUNDS 12

static const char *vdev_name(int i)
{
    static char name[8];

    snprintf(name, sizeof(name), "xvd%c", 'a' + i);
    return name;
}

static uint64_t prepared(struct qmp_vm *vm, int num, int round)
{
    static const libxl_snapshot_how how;
    struct xls_op op = { .log = vm_log, .how = &how, .qmp = vm->qmp };
    struct xls_layer like = { .detect_zeroes = (char *)"off" };
    struct xls_qmp_transaction t = { 0 };
    char path[200], node[40];
    int i;

    for (i = 0; i < num; i++) {
        snprintf(node, sizeof(node), "xls-%s-%d", vdev_name(i), round);
        snprintf(path, sizeof(path), "%s/%s", vm->dir, node);
        sh("qemu-img create -q -u -f qcow2 -b '%s' -F qcow2 '%s' 1G",
           vm_top_file(vm, vdev_name(i)), path);
        assert_int_equal(xls_overlay_add(&op, node, path, &like, true), 0);
        xls_qmp_transaction_add(&t, "blockdev-snapshot",
                                json("{'node':'%s','overlay':'%s'}",
                                     vm_top_node(vm, vdev_name(i)), node));
    }
    assert_int_equal(xls_qmp_transaction_stage(vm->qmp, &t, VM_TIMEOUT_MS), 0);
    assert_int_equal(xls_qmp_transaction_fire(vm->qmp, VM_TIMEOUT_MS), 0);
    return xls_qmp_last_us(vm->qmp);
}

static uint64_t sync_snapshot(struct qmp_vm *vm, int num, int round)
{
    struct xls_qmp_transaction t = { 0 };
    int i;

    for (i = 0; i < num; i++)
        xls_qmp_transaction_add(
            &t, "blockdev-snapshot-sync",
            json("{'node-name':'%s','snapshot-file':'%s/sync-%s-%d',"
                 "'snapshot-node-name':'sync-%s-%d','format':'qcow2'}",
                 vm_top_node(vm, vdev_name(i)), vm->dir, vdev_name(i), round,
                 vdev_name(i), round));
    assert_int_equal(vm_transaction(vm, &t), 0);
    return xls_qmp_last_us(vm->qmp);
}

static void measure(int num)
{
    struct vm_disk disks[8] = { { 0 } };
    uint64_t ours[ROUNDS], sync[ROUNDS];
    struct qmp_vm *vm;
    int i, round;

    for (i = 0; i < num; i++)
        disks[i].size = "1G";
    vm = vm_start(num, disks);
    for (round = 0; round < ROUNDS; round++) {
        for (i = 0; i < num; i++)
            vm_write(vm, vdev_name(i), (round + 1) << 20, 65536, round + 1);
        ours[round] = prepared(vm, num, round);
        for (i = 0; i < num; i++)
            vm_write(vm, vdev_name(i), (round + 1) << 20, 65536, round + 2);
        sync[round] = sync_snapshot(vm, num, round);
    }
    printf("%d disk%s: switch %.2f ms, blockdev-snapshot-sync %.2f ms, "
           "ratio %.2f (medians of %d)\n", num, num > 1 ? "s" : " ",
           median(ours, ROUNDS) / 1000.0, median(sync, ROUNDS) / 1000.0,
           (double)median(ours, ROUNDS) / median(sync, ROUNDS), ROUNDS);
    vm_stop(vm);
}

static void window(void **state)
{
    (void)state;
    measure(1);
    measure(8);
}

int main(void)
{
    const struct CMUnitTest benches[] = {
        cmocka_unit_test_teardown(window, vm_teardown),
    };

    return cmocka_run_group_tests(benches, NULL, NULL);
}
