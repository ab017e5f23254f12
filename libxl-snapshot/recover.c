/* SPDX-License-Identifier: LGPL-2.1-only */
#include "op.h"

int libxl_domain_snapshot_recover(libxl_ctx *ctx, uint32_t domid,
                                  const libxl_snapshot_how *how)
{
    struct xls_op op;
    int rc;

    rc = xls_op_begin(&op, __func__, ctx, domid, how, true);
    if (!rc)
        xls_op_end(&op);
    return rc;
}
