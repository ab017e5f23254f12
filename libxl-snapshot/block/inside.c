/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/inside.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "session/change.h"

static const struct xls_internal *find(const struct xls_disk *disk,
                                       const char *name)
{
    const struct xls_layer *top = &disk->layers[0];
    int i;

    for (i = 0; disk->num_layers && i < top->num_internals; i++)
        if (!strcmp(top->internals[i].name, name))
            return &top->internals[i];
    return NULL;
}

int xls_internal_named(const struct xls_disk *disk, const char *name)
{
    const struct xls_internal *first = find(disk, name);
    int i, num = 0;

    for (i = 0; first && i < disk->layers[0].num_internals; i++)
        num += !strcmp(disk->layers[0].internals[i].name, name);
    return num;
}

int xls_internal_check(struct xls_op *op, const struct xls_disk *disk,
                       const char *name)
{
    int num = xls_internal_named(disk, name);

    if (num == 1)
        return 0;
    if (num)
        XLS_ERROR(&op->log, "disk %s: %d internal snapshots of %s are named "
                  "\"%s\", and which of them is meant is not known",
                  disk->rec->vdev, num, disk->layers[0].path, name);
    else
        XLS_ERROR(&op->log, "disk %s: there is no internal snapshot \"%s\" "
                  "in %s", disk->rec->vdev, name,
                  disk->num_layers ? disk->layers[0].path : "its image");
    return ERROR_SNAPSHOT_CHAIN_MISMATCH;
}

static int delete_it(struct xls_op *op, const struct xls_disk *disk,
                     const char *name)
{
    struct xls_json *args;
    char *what;
    int rc;

    what = xls_asprintf("deleting the internal snapshot \"%s\" of disk %s",
                        name, disk->rec->vdev);
    args = xls_json_set_str(xls_json_object(), "device", disk->layers[0].node);
    xls_json_set_str(args, "id", find(disk, name)->id);
    xls_json_set_str(args, "name", name);
    rc = xls_qmp_must(op->qmp, what, "blockdev-snapshot-delete-internal-sync",
                      args, XLS_QMP_SLOW, NULL);
    free(what);
    return rc;
}

int xls_internal_delete(struct xls_op *op, struct xls_disk *disk,
                        const char *name)
{
    int tries, rc;

    for (tries = 0; ; tries++) {
        rc = xls_disk_query(op, disk);
        /* QEMU did not answer, but did it. */
        if (!rc && tries && !xls_internal_named(disk, name))
            return 0;
        if (!rc)
            rc = xls_internal_check(op, disk, name);
        if (!rc)
            rc = delete_it(op, disk, name);
        if (!xls_unanswered(rc))
            return rc;
        if (tries)
            return xls_op_doubt(op, "deleting an internal snapshot");
    }
}
