/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Nodes of disks that were detached. xen-block drops the nodes that it made
 * for a disk, but not those that were put over them since, and those keep its
 * own from going: the files stay open, and a disk that is attached under the
 * same vdev again finds the names of its nodes taken.
 */
#include "block/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "block/query.h"

#define OURS        "xls-"
#define OURS_FILE   "xls-file-"
/* Each pass drops at least one layer of a chain, or is the last. */
#define MAX_PASSES  1024

static const char *node_name(const struct xls_block_query *query, size_t i)
{
    const char *name = xls_json_get_str(xls_json_at(query->nodes, i),
                                        "node-name");

    return name ? name : "";
}

static bool in_a_chain(const struct xls_disks *disks, const char *node)
{
    int i, k;

    for (i = 0; i < disks->num; i++)
        for (k = 0; k < disks->disks[i].num_layers; k++)
            if (!strcmp(disks->disks[i].layers[k].node, node))
                return true;
    return false;
}

/* The vdev of "xls-<vdev>-<8 digits>", malloc'ed, or NULL. */
static char *vdev_of(const char *node)
{
    const char *vdev = node + strlen(OURS), *end = strrchr(node, '-');
    char *copy;

    if (strncmp(node, OURS, strlen(OURS)) || end < vdev)
        return NULL;
    copy = xls_strdup(vdev);
    copy[end - vdev] = '\0';
    return copy;
}

/* Whether a node of ours for this vdev is there, and no disk of the name. */
static bool detached(const struct xls_disks *disks,
                     const struct xls_block_query *query, const char *node)
{
    size_t i, num = xls_json_len(query->nodes);
    int k;

    for (i = 0; i < num; i++) {
        char *vdev = vdev_of(node_name(query, i));
        bool is = vdev && strcmp(vdev, "file") &&
                  !strncmp(node, vdev, strlen(vdev)) &&
                  node[strlen(vdev)] == '-';

        for (k = 0; is && k < disks->num; k++)
            is = strcmp(disks->config.disks[k].vdev, vdev);
        free(vdev);
        if (is)
            return true;
    }
    return false;
}

static bool is_orphan(const struct xls_disks *disks,
                      const struct xls_block_query *query, const char *node)
{
    /* One of a file goes when the node over it has gone; in use, QEMU says
     * so. */
    if (!strncmp(node, OURS, strlen(OURS)))
        return !in_a_chain(disks, node);
    return detached(disks, query, node);
}

/* One pass over all nodes; whether it dropped any. The first tells which
 * there are. */
static bool drop(struct xls_op *op, const struct xls_block_query *query,
                 const bool *orphans)
{
    size_t i;
    bool any = false;

    for (i = 0; i < xls_json_len(query->nodes); i++) {
        const char *node = node_name(query, i);

        if (orphans[i] &&
            !xls_qmp_run(op->qmp, "blockdev-del",
                         xls_json_set_str(xls_json_object(), "node-name",
                                          node), XLS_QMP_FAST, NULL)) {
            any = true;
            XLS_DEBUG(&op->log, "dropped QEMU's node %s, which no disk uses",
                      node);
        }
    }
    return any;
}

int xls_disks_sweep(struct xls_op *op, const struct xls_disks *disks)
{
    struct xls_block_query query;
    bool *orphans, any = false;
    size_t i, num;
    int rc, pass;

    rc = xls_op_qmp(op);
    if (!rc)
        rc = xls_block_query(op->qmp, &query);
    if (rc)
        return rc;
    num = xls_json_len(query.nodes);
    orphans = xls_calloc(num + 1, sizeof(*orphans));
    for (i = 0; i < num; i++) {
        orphans[i] = is_orphan(disks, &query, node_name(&query, i));
        any |= orphans[i] && strncmp(node_name(&query, i), OURS_FILE,
                                     strlen(OURS_FILE));
    }
    /* A job has nodes of its own in use. */
    if (any && !xls_json_len(query.jobs))
        for (pass = 0; pass < MAX_PASSES; pass++)
            if (!drop(op, &query, orphans))
                break;
    free(orphans);
    xls_block_query_dispose(&query);
    return 0;
}
