/* SPDX-License-Identifier: LGPL-2.1-only */
#include <stdlib.h>

#include "base/alloc.h"
#include "block/node.h"
#include "create.h"
#include "files/files.h"
#include "records/records.h"

/*
 * The layers of c->disks may be outdated when this undoes a step, but of the
 * base only what does not change is used: its node, driver and modes.
 */
int xls_create_name(struct xls_create *c, struct xls_create_disk *d)
{
    const struct xls_layer *base = &d->disk->layers[0];
    struct xls_layer overlay = *base;
    int rc;

    overlay.node = d->node;
    overlay.driver = (char *)"qcow2";
    rc = xls_node_rename(&c->op, base, d->frozen_path, true,
                         d->disk->num_layers > 1 ? d->disk->layers[1].node
                                                 : NULL,
                         d->discard);
    if (!rc)
        rc = xls_node_rename(&c->op, &overlay, d->top_path, false, base->node,
                             d->discard);
    if (rc)
        return rc;
    d->named = true;
    rc = xls_dir_sync(&c->op.log, d->base_path);
    if (!rc)
        rc = xls_dir_sync(&c->op.log, d->frozen_path);
    return rc;
}

/* QEMU learns what the files that were renamed under it are called now. */
int xls_create_names(struct xls_create *c)
{
    int i, rc;

    for (i = 0; i < c->num_todo; i++) {
        rc = c->todo[i].moved ? xls_create_name(c, &c->todo[i]) : 0;
        if (rc)
            return rc;
    }
    xls_op_qmp_close(&c->op);
    return 0;
}

static int set_records(struct xls_create *c, bool undo)
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
            .path = undo ? d->disk->rec->pdev_path : d->top_path,
            .format = undo ? d->disk->rec->format : LIBXL_DISK_FORMAT_QCOW2,
        };
    }
    xls_op_qmp_close(&c->op);
    rc = num ? xls_records_set(&c->op, records, num) : 0;
    free(records);
    return rc;
}

int xls_create_records(struct xls_create *c)
{
    return set_records(c, false);
}

void xls_create_undo_records(struct xls_create *c)
{
    set_records(c, true);
}

int xls_create_freeze(struct xls_create *c)
{
    int i;

    for (i = 0; i < c->num_todo; i++)
        if (c->todo[i].switched)
            xls_file_freeze(&c->op.log, c->todo[i].frozen_path);
    return 0;
}
