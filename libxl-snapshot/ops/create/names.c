/* SPDX-License-Identifier: LGPL-2.1-only */
#include <stdlib.h>

#include "block/node.h"
#include "common/alloc.h"
#include "common/files.h"
#include "ops/create/create.h"
#include "xen/records.h"

int xls_create_name(struct xls_create *c, struct xls_create_disk *d,
                    const struct xls_layer *base, const char *below)
{
    int rc;

    /* What the guest flushes from now on is in the overlay. */
    rc = xls_dir_sync(&c->op.log, d->base_path);
    return rc ? rc : xls_node_rename(&c->op, base, d->frozen_path, true, below,
                                     d->discard);
}

/* QEMU learns what the layers that the path was taken from are called now. */
int xls_create_names(struct xls_create *c)
{
    int i, rc;

    for (i = 0; i < c->num_todo; i++) {
        struct xls_create_disk *d = &c->todo[i];
        const struct xls_disk *disk = d->disk;

        if (!d->moved)
            continue;
        rc = xls_create_name(c, d, &disk->layers[0],
                             disk->num_layers > 1 ? disk->layers[1].node
                                                  : NULL);
        if (rc)
            return rc;
    }
    xls_op_qmp_close(&c->op);
    return 0;
}

/* To be taken back by the merge that takes the overlays away. */
int xls_create_records(struct xls_create *c)
{
    struct xls_record *records = xls_calloc(c->num_todo, sizeof(*records));
    int i, num = 0, rc;

    for (i = 0; i < c->num_todo; i++) {
        const struct xls_create_disk *d = &c->todo[i];

        if (d->args->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL)
            continue;
        records[num++] = (struct xls_record){
            .vdev = d->disk->rec->vdev,
            .devid = d->disk->devid,
            .path = d->top_path,
            .format = LIBXL_DISK_FORMAT_QCOW2,
        };
    }
    xls_op_qmp_close(&c->op);
    rc = num ? xls_records_set(&c->op, records, num) : 0;
    free(records);
    return rc;
}
