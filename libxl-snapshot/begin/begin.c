/* SPDX-License-Identifier: LGPL-2.1-only */
#include "begin/begin.h"

#include "common/text.h"
#include "intent/journal.h"

int xls_begin_patient(struct xls_op *op, const char *func, libxl_ctx *ctx,
                      uint32_t domid, const libxl_snapshot_how *how,
                      unsigned patience_ms)
{
    int rc;

    rc = xls_op_open(op, func, ctx, domid, how);
    if (rc)
        return rc;
    op->patience_ms = patience_ms;
    rc = xls_text_check(&op->log, "the domain's name", op->name);
    if (rc)
        goto out;
    rc = xls_op_lock(op, domid, &op->lock_fd);
    if (rc)
        goto out;
    /* Whether it was, only recovery knows: a killed process may have paused it. */
    op->was_paused = false;
    rc = xls_recover(op);
    if (rc)
        goto out;
    if (xls_op_refresh(op)) {
        XLS_ERROR(&op->log, "domain %s with id %u has ended; see xl list for "
                  "the one that is there now", op->name, domid);
        rc = ERROR_DOMAIN_NOTFOUND;
        goto out;
    }
    op->was_paused = op->info.paused;

out:
    if (rc)
        xls_op_end(op);
    return rc;
}

int xls_begin(struct xls_op *op, const char *func, libxl_ctx *ctx,
              uint32_t domid, const libxl_snapshot_how *how)
{
    return xls_begin_patient(op, func, ctx, domid, how, 0);
}
