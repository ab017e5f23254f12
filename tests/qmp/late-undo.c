/* SPDX-License-Identifier: LGPL-2.1-only */
/* A creation fails after QEMU's part and is undone, and QEMU's monitor answers
 * late, or never. */
#include "qmp/late_support.h"

static int no_storage(void *user, libxl_snapshot_storage_step phase,
                      uint32_t domid, const libxl_disk_snapshot *disk)
{
    (void)user, (void)domid, (void)disk;
    return phase == LIBXL_SNAPSHOT_STORAGE_SNAPSHOT ? ERROR_SNAPSHOT_STORAGE
                                                    : 0;
}

static void start_two(void)
{
    memset(written, 0, sizeof(written));
    host_start(vm_start(2, NULL));
    host_how.storage = no_storage;
    guest_writes(0, 1);
    guest_writes(1, 2);
}

static int create_fails(bool keep_path)
{
    libxl_domain_snapshot_args args;
    int i, rc;

    libxl_domain_snapshot_args_init(&args);
    args.num_disks = 2;
    args.disks = xls_calloc(2, sizeof(*args.disks));
    for (i = 0; i < 2; i++) {
        libxl_disk_snapshot_init(&args.disks[i]);
        args.disks[i].disk.vdev = xls_strdup(host.disks[i].vdev);
        args.disks[i].method = i ? LIBXL_SNAPSHOT_METHOD_CALLER
                                 : LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    }
    args.disks[0].external_path = layer_path(1);
    args.disks[0].keep_path = keep_path;
    rc = libxl_domain_snapshot_create(host_ctx, host.domid, &args, &host_how,
                                      NULL);
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static int undo_with_path(void)
{
    return create_fails(true);
}

static int undo_with_new_path(void)
{
    return create_fails(false);
}

static void is_undone(int rc)
{
    if (!rc || chain_depth() != 1)
        fail_msg("%s: %d layers", late_what, chain_depth());
}

static const struct late_op undo = {
    "undo, keep_path", start_two, undo_with_path, is_undone, NULL, 1, 1 };
static const struct late_op undo_new = {
    "undo", start_two, undo_with_new_path, is_undone, NULL, 1, 1 };

static void each_command_of_undo(void **state)
{
    (void)state;
    late_commands(&undo, ERROR_SNAPSHOT_STORAGE);
    late_commands_from(&undo_new, ERROR_SNAPSHOT_STORAGE, PROXY_LATE);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_command_of_undo),
    };

    return late_result(cmocka_run_group_tests(tests, NULL, NULL));
}
