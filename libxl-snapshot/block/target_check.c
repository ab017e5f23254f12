/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the target and what it is based on are checked for alike. */
#include "block/target.h"

#include <stdlib.h>
#include <string.h>

#include "block/query.h"
#include "common/alloc.h"
#include "session/change.h"
#include "xen/users.h"

int xls_target_wrong(struct xls_op *op, const struct xls_target *target,
                     const char *why)
{
    XLS_ERROR(&op->log, "the target %s: %s", target->spec, why);
    return ERROR_INVAL;
}

int xls_target_check_users(struct xls_op *op, const struct xls_disks *disks,
                           const struct xls_disk *disk,
                           const struct xls_target *target)
{
    int i;

    for (i = 0; i < disks->num; i++)
        if (xls_disk_layer(&disks->disks[i], target->spec) >= 0) {
            XLS_ERROR(&op->log, "the target %s is in use as disk %s of this "
                      "domain", target->spec, disks->disks[i].rec->vdev);
            return ERROR_SNAPSHOT_CHAIN_SHARED;
        }
    return xls_check_unused(op, XLS_NO_DOMID, disk->rec->vdev,
                            target->spec);
}

int xls_target_node_size(struct xls_op *op, const char *node,
                         const char *node_file, uint64_t *size, char **name)
{
    struct xls_json *nodes = NULL;
    size_t i;
    int rc;

    rc = xls_op_ask(op, "asking QEMU for its block nodes",
                    "query-named-block-nodes",
                    xls_json_set_bool(xls_json_object(), "flat", true), &nodes);
    if (rc)
        return rc;
    rc = ERROR_SNAPSHOT_QMP;
    for (i = 0; i < xls_json_len(nodes); i++) {
        const struct xls_json *n = xls_json_at(nodes, i);
        const char *its = xls_json_get_str(n, "node-name");

        if (!its || strcmp(its, node) ||
            !xls_json_get_uint(xls_json_get(n, "image"), "virtual-size", size))
            continue;
        if (name)
            *name = xls_strdup(xls_block_query_name(nodes, n, node_file));
        rc = 0;
    }
    if (rc)
        XLS_ERROR(&op->log, "QEMU does not tell the size of its node %s",
                  node);
    xls_json_free(nodes);
    return rc;
}

int xls_target_wrong_size(struct xls_op *op, const struct xls_target *target,
                          uint64_t size, uint64_t wanted)
{
    XLS_ERROR(&op->log, "the target %s is of %llu bytes, the disk of %llu",
              target->spec, (unsigned long long)size,
              (unsigned long long)wanted);
    return ERROR_INVAL;
}
