/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_QMP_LATE_DELETE_H
#define XLS_TESTS_QMP_LATE_DELETE_H

/* A snapshot is deleted, and QEMU's monitor answers late, or never. */
#include "qmp/late_support.h"

#define DEPTH 3

static UNUSED void start(void)
{
    chain_start(1, DEPTH);
}

static UNUSED int delete_layer(int number, libxl_snapshot_merge merge)
{
    libxl_domain_snapshot_args args;
    int rc;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL, layer_path(number));
    args.disks->merge = merge;
    rc = libxl_domain_snapshot_delete(host_ctx, host.domid, &args, &host_how,
                                      NULL);
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static UNUSED int forward_into_active(void)
{
    return delete_layer(2, LIBXL_SNAPSHOT_MERGE_FORWARD);
}

static UNUSED int forward_into_frozen(void)
{
    return delete_layer(1, LIBXL_SNAPSHOT_MERGE_FORWARD);
}

static UNUSED int backward_of_active(void)
{
    return delete_layer(2, LIBXL_SNAPSHOT_MERGE_BACKWARD);
}

static UNUSED int backward_of_frozen(void)
{
    return delete_layer(1, LIBXL_SNAPSHOT_MERGE_BACKWARD);
}

static UNUSED void is_as_said(int rc)
{
    int depth = chain_depth();

    if (depth != (rc ? DEPTH : DEPTH - 1))
        fail_msg("%s: %d layers (%s)", late_what, depth, vm_logged());
}

#endif
