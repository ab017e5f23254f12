/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Files passed to QEMU as open descriptors.
 */
#include "qmp/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_image(struct qmp_vm *vm, const char *name, int flags)
{
    char path[100];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", vm->dir, name);
    fd = open(path, flags | O_CLOEXEC);
    assert_int_not_equal(fd, -1);
    return fd;
}

/* Passes the file and closes our own descriptor. */
static int64_t pass(struct qmp_vm *vm, const char *name, int flags)
{
    int fd = open_image(vm, name, flags);
    int64_t fdset = -1;

    if (xls_qmp_add_fd(vm->qmp, fd, name, &fdset))
        fail_msg("%s", xls_qmp_error_desc(vm->qmp));
    close(fd);
    assert_true(fdset >= 0);
    return fdset;
}

static struct xls_json *fdset_node(int64_t fdset, const char *read_only)
{
    return json("{'driver':'qcow2','node-name':'passed','read-only':%s,"
                "'backing':null,'file':{'driver':'file','locking':'off',"
                "'filename':'/dev/fdset/%lld'}}", read_only,
                (long long)fdset);
}

static size_t num_fdsets(struct qmp_vm *vm)
{
    struct xls_json *v = vm_run(vm, "query-fdsets", NULL);
    size_t n = xls_json_len(v);

    xls_json_free(v);
    return n;
}

/* QEMU keeps descriptors that were removed as long as the guest is stopped. */
static void run_guest(struct qmp_vm *vm)
{
    vm_do(vm, "cont", NULL);
}

static void make_image(struct qmp_vm *vm)
{
    sh("cd %s && qemu-img create -q -f qcow2 a 1M &&"
       " qemu-io -f qcow2 -c 'write -P 65 0 128k' a >/dev/null", vm->dir);
}

static void passed_file_can_be_read_and_written(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    int64_t fdset;
    char *out;

    (void)state;
    make_image(vm);
    fdset = pass(vm, "a", O_RDWR);
    /* another file at the path shows that QEMU does not open it */
    sh("cd %s && ln a b && rm a && mkdir a", vm->dir);
    vm_do(vm, "blockdev-add", fdset_node(fdset, "false"));

    out = vm_node_io(vm, "passed", "read -P 65 0 128k");
    assert_non_null(strstr(out, "read 131072/131072"));
    assert_null(strstr(out, "failed"));
    free(out);
    out = vm_node_io(vm, "passed", "read -P 66 0 128k");
    assert_non_null(strstr(out, "Pattern verification failed"));
    free(out);
    out = vm_node_io(vm, "passed", "write -P 66 64k 64k");
    assert_non_null(strstr(out, "wrote 65536/65536"));
    free(out);
    vm_do(vm, "blockdev-del", json("{'node-name':'passed'}"));

    sh("cd %s && rmdir a && mv b a", vm->dir);
    out = sh_output("cd %s && qemu-io -r -f qcow2 -c 'read -P 66 64k 64k'"
                    " -c 'read -P 65 0 64k' a", vm->dir);
    assert_null(strstr(out, "failed"));
    free(out);
}

static void passed_file_can_be_an_overlay(void **state)
{
    struct qmp_vm *vm = vm_start(1, NULL);
    struct xls_qmp_transaction t = { NULL };
    char path[100];
    int64_t fdset;

    (void)state;
    vm_write(vm, "xvda", 0, 65536, 1);
    sh("qemu-img create -q -u -f qcow2 -b '%s' -F qcow2 %s/over 16M",
       vm->disks[0].path, vm->dir);
    fdset = pass(vm, "over", O_RDWR);
    vm_do(vm, "blockdev-add", fdset_node(fdset, "false"));
    xls_qmp_transaction_add(&t, "blockdev-snapshot",
                            json("{'node':'%s','overlay':'passed'}",
                                 vm->disks[0].node));
    assert_int_equal(vm_transaction(vm, &t), 0);
    assert_int_equal(xls_qmp_remove_fd(vm->qmp, fdset), 0);
    /* QEMU names no path of such a layer */
    snprintf(path, sizeof(path), "/dev/fdset/%lld", (long long)fdset);
    assert_string_equal(vm_top_file(vm, "xvda"), path);
    assert_string_equal(vm_top_node(vm, "xvda"), "passed");
    vm_write(vm, "xvda", 0, 4096, 2);
    assert_true(vm_holds(vm, "xvda", 0, 4096, 2));
    assert_true(vm_holds(vm, "xvda", 4096, 4096, 1));
    assert_true(image_holds(vm->disks[0].path, "qcow2", 0, 65536, 1));
}

static void read_only_descriptor_does_not_serve_for_writing(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    int64_t fdset;

    (void)state;
    make_image(vm);
    fdset = pass(vm, "a", O_RDONLY);
    assert_int_equal(xls_qmp_run(vm->qmp, "blockdev-add",
                                 fdset_node(fdset, "false"), VM_TIMEOUT_MS,
                                 NULL), ERROR_SNAPSHOT_QEMU);
    assert_false(vm_has_node(vm, "passed"));
    vm_do(vm, "blockdev-add", fdset_node(fdset, "true"));
    assert_true(vm_has_node(vm, "passed"));
}

static void removed_set_lives_as_long_as_its_node(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    int64_t fdset;
    char *out;

    (void)state;
    run_guest(vm);
    make_image(vm);
    fdset = pass(vm, "a", O_RDWR);
    assert_int_equal(num_fdsets(vm), 1);
    vm_do(vm, "blockdev-add", fdset_node(fdset, "false"));
    assert_int_equal(xls_qmp_remove_fd(vm->qmp, fdset), 0);
    out = vm_node_io(vm, "passed", "read -P 65 0 128k");
    assert_null(strstr(out, "failed"));
    free(out);
    vm_do(vm, "blockdev-del", json("{'node-name':'passed'}"));
    assert_int_equal(num_fdsets(vm), 0);
    assert_int_equal(xls_qmp_remove_fd(vm->qmp, fdset), ERROR_SNAPSHOT_QEMU);
}

static void unused_set_can_be_removed(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    int64_t first, second;

    (void)state;
    run_guest(vm);
    make_image(vm);
    first = pass(vm, "a", O_RDONLY);
    second = pass(vm, "a", O_RDONLY);
    assert_true(first != second);
    assert_int_equal(num_fdsets(vm), 2);
    assert_int_equal(xls_qmp_remove_fd(vm->qmp, first), 0);
    assert_int_equal(xls_qmp_remove_fd(vm->qmp, second), 0);
    assert_int_equal(num_fdsets(vm), 0);
}

static void closing_the_connection_drops_unused_sets(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);

    (void)state;
    run_guest(vm);
    make_image(vm);
    pass(vm, "a", O_RDONLY);
    xls_qmp_close(vm->qmp);
    vm->qmp = NULL;
    vm_connect(vm);
    assert_int_equal(num_fdsets(vm), 0);
}

static void no_descriptor_is_refused_by_qemu(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    int64_t fdset;

    (void)state;
    assert_int_equal(xls_qmp_add_fd(vm->qmp, -1, "x", &fdset),
                     ERROR_SNAPSHOT_QEMU);
    assert_non_null(strstr(xls_qmp_error_desc(vm->qmp), "SCM_RIGHTS"));
    vm_do(vm, "query-status", NULL);
}

#define TEST(name) cmocka_unit_test_teardown(name, vm_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(passed_file_can_be_read_and_written),
        TEST(passed_file_can_be_an_overlay),
        TEST(read_only_descriptor_does_not_serve_for_writing),
        TEST(removed_set_lives_as_long_as_its_node),
        TEST(unused_set_can_be_removed),
        TEST(closing_the_connection_drops_unused_sets),
        TEST(no_descriptor_is_refused_by_qemu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
