/* SPDX-License-Identifier: LGPL-2.1-only */
#include "begin/begin.h"
#include "common/alloc.h"
#include "intent/journal.h"
#include "ops/revert/revert.h"

static int begin(struct xls_revert *r, libxl_ctx *ctx, uint32_t domid,
                 const char *func, const libxl_domain_config *config,
                 const libxl_snapshot_how *how)
{
    int rc;

    if (domid != XLS_NO_DOMID)
        return xls_begin(&r->op, func, ctx, domid, how);
    xls_op_open_inactive(&r->op, func, ctx, how);
    r->op.uuid = xls_asprintf(LIBXL_UUID_FMT,
                              LIBXL_UUID_BYTES(config->c_info.uuid));
    r->op.name = xls_strdup(config->c_info.name);
    libxl_uuid_copy(ctx, &r->op.info.uuid, &config->c_info.uuid);
    rc = xls_op_lock(&r->op, XLS_NO_DOMID, &r->op.lock_fd);
    if (!rc)
        rc = xls_recover(&r->op);
    if (rc)
        xls_op_end(&r->op);
    return rc;
}

static void report(struct xls_revert *r, libxl_domain_snapshot_result *result)
{
    libxl_domain_snapshot_result_dispose(result);
    libxl_domain_snapshot_result_init(result);
    if (r->brought_back != XLS_NO_DOMID)
        result->brought_back = r->brought_back;
    if (r->domid == XLS_NO_DOMID)
        return;
    result->domid = r->domid;
    result->disks = r->disks;
    result->num_disks = r->args->num_disks;
    r->disks = NULL;
}

int libxl_domain_snapshot_revert(libxl_ctx *ctx, uint32_t domid,
                                 const libxl_domain_config *config,
                                 const libxl_domain_snapshot_args *args,
                                 const libxl_snapshot_how *how,
                                 libxl_domain_snapshot_result *result)
{
    struct xls_revert r = {
        .args = args,
        .memory_fd = -1,
        .domid = XLS_NO_DOMID,
        .brought_back = XLS_NO_DOMID,
        .aside.fd = -1,
    };
    int rc;

    rc = begin(&r, ctx, domid, __func__, config, how);
    if (rc)
        return rc;
    libxl_domain_config_init(&r.config);
    libxl_domain_config_init(&r.aside.config);
    rc = xls_revert_run(&r, config);
    if (result)
        report(&r, result);
    xls_revert_dispose(&r);
    xls_op_end(&r.op);
    return rc;
}
