/* SPDX-License-Identifier: LGPL-2.1-only */
#include "begin/begin.h"
#include "common/alloc.h"
#include "ops/create/create.h"

static void report(struct xls_create *c, libxl_domain_snapshot_result *result)
{
    int i;

    libxl_domain_snapshot_result_dispose(result);
    libxl_domain_snapshot_result_init(result);
    result->domid = c->op.domid;
    result->memory_bytes = c->memory_bytes;
    result->memory_content = c->memory_content;
    result->stopped_us = c->stopped_us;
    result->window_us = c->window_us;
    result->num_disks = c->num_todo;
    result->disks = xls_calloc(c->num_todo, sizeof(*result->disks));
    for (i = 0; i < c->num_todo; i++) {
        const struct xls_create_disk *d = &c->todo[i];
        libxl_disk_snapshot_result *r = &result->disks[i];
        bool external = d->args->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL;

        libxl_disk_snapshot_result_init(r);
        r->vdev = xls_strdup(d->disk->rec->vdev);
        r->method = d->args->method;
        r->path = xls_strdup(external ? d->top_path
                                      : d->disk->rec->pdev_path);
        r->format = external ? LIBXL_DISK_FORMAT_QCOW2 : d->disk->rec->format;
        if (external) {
            r->frozen_path = xls_strdup(d->frozen_path);
            r->frozen_format = d->disk->rec->format;
        }
    }
}

int libxl_domain_snapshot_create(libxl_ctx *ctx, uint32_t domid,
                                 const libxl_domain_snapshot_args *args,
                                 const libxl_snapshot_how *how,
                                 libxl_domain_snapshot_result *result)
{
    struct xls_create c = { .args = args, .memory_fd = -1 };
    int rc;

    rc = xls_begin(&c.op, __func__, ctx, domid, how);
    if (rc)
        return rc;
    rc = xls_create_check(&c);
    if (!rc)
        rc = xls_create_run(&c);
    if (!rc && result)
        report(&c, result);

    xls_create_dispose(&c);
    xls_op_end(&c.op);
    return rc;
}
