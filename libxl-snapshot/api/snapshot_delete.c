/* SPDX-License-Identifier: LGPL-2.1-only */
#include "begin/begin.h"
#include "ops/delete/delete.h"

int libxl_domain_snapshot_delete(libxl_ctx *ctx, uint32_t domid,
                                 const libxl_domain_snapshot_args *args,
                                 const libxl_snapshot_how *how,
                                 libxl_domain_snapshot_result *result)
{
    libxl_domain_snapshot_result mine;
    struct xls_op op;
    int rc;

    rc = xls_begin(&op, __func__, ctx, domid, how);
    if (rc)
        return rc;
    libxl_domain_snapshot_result_init(&mine);
    rc = xls_delete_run(&op, args, &mine);
    if (result) {
        libxl_domain_snapshot_result_dispose(result);
        *result = mine;
    } else {
        libxl_domain_snapshot_result_dispose(&mine);
    }
    xls_op_end(&op);
    return rc;
}
