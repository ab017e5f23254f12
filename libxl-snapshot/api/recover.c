/* SPDX-License-Identifier: LGPL-2.1-only */
#include "begin/begin.h"
#include "block/sweep.h"
#include "common/alloc.h"
#include "intent/journal.h"

int libxl_domain_snapshot_recover(libxl_ctx *ctx, uint32_t domid,
                                  const libxl_snapshot_how *how)
{
    struct xls_disks disks = { 0 };
    struct xls_op op;
    int rc;

    rc = xls_begin(&op, __func__, ctx, domid, how);
    if (rc)
        return rc;
    /* Without a QEMU, or in a state in which it is not to be asked, there is
     * nothing of it to be swept. */
    if (!xls_disks_load(&op, &disks)) {
        if (op.qmp)
            xls_disks_sweep(&op, &disks);
        xls_disks_dispose(&disks);
    }
    xls_op_end(&op);
    return 0;
}

int libxl_domain_snapshot_recover_uuid(libxl_ctx *ctx, const libxl_uuid *uuid,
                                       const libxl_snapshot_how *how)
{
    struct xls_op op;
    int rc;

    xls_op_open_inactive(&op, __func__, ctx, how);
    op.uuid = xls_asprintf(LIBXL_UUID_FMT, LIBXL_UUID_BYTES(*uuid));
    op.name = xls_strdup(op.uuid);
    libxl_uuid_copy(ctx, &op.info.uuid, uuid);
    rc = xls_op_lock(&op, XLS_NO_DOMID, &op.lock_fd);
    if (!rc)
        rc = xls_recover(&op);
    xls_op_end(&op);
    return rc;
}
