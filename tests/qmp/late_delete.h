/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_QMP_LATE_DELETE_H
#define XLS_TESTS_QMP_LATE_DELETE_H

/*
 * A snapshot is deleted, and QEMU's monitor answers late, or never. All of the
 * program but the way that the data goes: both ways in one would take too long.
 */
#include "qmp/late_support.h"

#define DEPTH 3

static void start(void)
{
    chain_start(1, DEPTH);
}

static int delete_layer(int number)
{
    libxl_domain_snapshot_args args;
    int rc;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL, layer_path(number));
    args.disks->merge = MERGE;
    rc = libxl_domain_snapshot_delete(host_ctx, host.domid, &args, &host_how,
                                      NULL);
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static int with_active(void)
{
    return delete_layer(DEPTH - 1);
}

static int with_frozen(void)
{
    return delete_layer(1);
}

static void is_as_said(int rc)
{
    int depth = chain_depth();

    if (depth != (rc ? DEPTH : DEPTH - 1))
        fail_msg("%s: %d layers (%s)", late_what, depth, vm_logged());
}

static const struct late_op ops[] = {
    { DELETE "the active layer", start, with_active, is_as_said, NULL,
      DEPTH - 1, DEPTH },
    { DELETE "a frozen layer", start, with_frozen, is_as_said, NULL, DEPTH - 1,
      DEPTH },
};

static void each_command_of_a_delete(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        late_commands(&ops[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_command_of_a_delete, host_teardown),
    };

    return late_result(cmocka_run_group_tests(tests, NULL, NULL));
}

#endif
