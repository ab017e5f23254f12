/* SPDX-License-Identifier: LGPL-2.1-only */
#include "ops/revert/revert.h"

#include <string.h>

#include "xen/domain.h"

int xls_revert_destroy_old(struct xls_revert *r)
{
    int rc;

    if (r->op.domid == XLS_NO_DOMID)
        return 0;
    xls_op_qmp_close(&r->op);
    if (r->domid != XLS_NO_DOMID && !memcmp(&r->op.info.uuid,
                                            &r->config.c_info.uuid,
                                            sizeof(r->op.info.uuid)))
        xls_revert_vm_keep(r->op.domid);
    rc = libxl_domain_destroy(r->op.ctx, r->op.domid, NULL);
    if (rc)
        XLS_ERROR(&r->op.log, "domain %u, %s, cannot be destroyed",
                  r->op.domid, r->name);
    else
        r->old_gone = true;
    return rc;
}

int xls_revert_leave_old(struct xls_revert *r)
{
    int rc;

    if (r->op.domid == XLS_NO_DOMID)
        return 0;
    r->phase = XLS_REVERT_DESTROYING;
    if (r->conflict)
        xls_revert_aside_stamp(r);
    rc = xls_revert_journal(r);
    if (!r->conflict)
        return rc ? rc : xls_revert_destroy_old(r);
    if (!rc)
        rc = xls_revert_destroy_old(r);
    if (!rc) {
        r->phase = XLS_REVERT_GONE;
        xls_revert_aside_stamp(r);
        return xls_revert_journal(r);
    }
    if (!xls_op_refresh(&r->op) && !xls_domain_resume(&r->op))
        xls_revert_aside_drop(r);
    return rc;
}

int xls_revert_go_on(struct xls_revert *r)
{
    int rc;

    xls_revert_reopen_console_logs();
    xls_revert_take_paths(r);
    if (r->args->leave_paused)
        return 0;
    rc = libxl_domain_unpause(r->op.ctx, r->domid, NULL);
    if (rc)
        XLS_ERROR(&r->op.log, "domain %s cannot be unpaused; try: xl unpause "
                  "%u", r->name, r->domid);
    return rc;
}

/* The name goes from the old domain to the new one, or stays. */
static int hand_over_name(struct xls_revert *r)
{
    libxl_ctx *ctx = r->op.ctx;
    int rc;

    rc = libxl_domain_rename(ctx, r->op.domid, r->name, r->outgoing);
    if (rc)
        goto fail;
    rc = libxl_domain_rename(ctx, r->domid, r->incoming, r->name);
    if (!rc)
        return 0;
    if (libxl_domain_rename(ctx, r->op.domid, r->outgoing, r->name))
        XLS_ERROR(&r->op.log, "and domain %u keeps the name %s; try: xl "
                  "rename %u %s", r->op.domid, r->outgoing, r->op.domid,
                  r->name);

fail:
    XLS_ERROR(&r->op.log, "libxl cannot rename domain %s (its own messages "
              "say why); it runs on", r->name);
    return rc;
}

int xls_revert_swap(struct xls_revert *r)
{
    bool paused = false;
    int rc;

    xls_op_qmp_close(&r->op);
    rc = xls_domain_pause(&r->op, &paused);
    if (!rc)
        rc = xls_revert_check_paths(r);
    if (!rc)
        rc = hand_over_name(r);
    if (rc) {
        if (paused)
            xls_domain_unpause(&r->op);
        return rc;
    }
    /* From here on the new domain is the one: nothing of what is left to do
     * may end it. */
    r->phase = XLS_REVERT_REPLACED;
    xls_revert_journal(r);
    rc = xls_revert_go_on(r);
    if (xls_revert_destroy_old(r))
        XLS_WARN(&r->op.log, "it is paused and of no use any more; try: xl "
                 "destroy %u", r->op.domid);
    return rc;
}
