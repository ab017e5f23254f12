/* SPDX-License-Identifier: LGPL-2.1-only */
/* A snapshot is deleted, and QEMU's monitor answers late, or never. */
#include "qmp/late_support.h"

#define DEPTH 3

static void start(void)
{
    chain_start(1, DEPTH);
}

static int delete_layer(int number, libxl_snapshot_merge merge)
{
    libxl_domain_snapshot_args args;
    int rc;

    libxl_domain_snapshot_args_init(&args);
    args.num_disks = 1;
    args.disks = xls_calloc(1, sizeof(*args.disks));
    libxl_disk_snapshot_init(args.disks);
    args.disks->disk.vdev = xls_strdup("xvda");
    args.disks->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    args.disks->external_path = layer_path(number);
    args.disks->merge = merge;
    rc = libxl_domain_snapshot_delete(host_ctx, host.domid, &args, &host_how,
                                      NULL);
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static int forward_into_active(void)
{
    return delete_layer(2, LIBXL_SNAPSHOT_MERGE_FORWARD);
}

static int forward_into_frozen(void)
{
    return delete_layer(1, LIBXL_SNAPSHOT_MERGE_FORWARD);
}

static int backward_of_active(void)
{
    return delete_layer(2, LIBXL_SNAPSHOT_MERGE_BACKWARD);
}

static int backward_of_frozen(void)
{
    return delete_layer(1, LIBXL_SNAPSHOT_MERGE_BACKWARD);
}

static void is_as_said(int rc)
{
    int depth = chain_depth();

    if (depth != (rc ? DEPTH : DEPTH - 1))
        fail_msg("%s: %d layers (%s)", late_what, depth, vm_logged());
}

static const struct late_op ops[] = {
    { "delete forward into the active layer", start, forward_into_active,
      is_as_said, NULL, DEPTH - 1, DEPTH },
    { "delete forward into a frozen layer", start, forward_into_frozen,
      is_as_said, NULL, DEPTH - 1, DEPTH },
    { "delete backward of the active layer", start, backward_of_active,
      is_as_said, NULL, DEPTH - 1, DEPTH },
    { "delete backward of a frozen layer", start, backward_of_frozen,
      is_as_said, NULL, DEPTH - 1, DEPTH },
};

static void each_command_of_delete_forward(void **state)
{
    (void)state;
    late_commands(&ops[0]);
    late_commands(&ops[1]);
}

static void each_command_of_delete_backward(void **state)
{
    (void)state;
    late_commands(&ops[2]);
    late_commands(&ops[3]);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_command_of_delete_forward),
        TEST(each_command_of_delete_backward),
    };

    return late_result(cmocka_run_group_tests(tests, NULL, NULL));
}
