/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What nobody needs any more in QEMU: files that a killed process had passed to
 * it, and nodes of disks that were detached. xen-block drops the nodes that it made
 * for a disk, but not those that were put over them since, and those keep its
 * own from going: the files stay open, and a disk that is attached under the
 * same vdev again finds the names of its nodes taken.
 */
#include "block/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/json/json.h"

#define OURS        "xls-"
#define OURS_FILE   "xls-file-"
/* Each pass drops at least one layer of a chain, or is the last. */
#define MAX_PASSES  1024

static const char *node_name(const struct xls_json *nodes, size_t i)
{
    const char *name = xls_json_get_str(xls_json_at(nodes, i),
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

/* Whether a node of ours for this vdev is there, and no disk of the name that
 * QEMU serves: the names being taken, it cannot have begun to serve one that was
 * attached since. */
static bool detached(const struct xls_disks *disks,
                     const struct xls_json *nodes, const char *node)
{
    size_t i, num = xls_json_len(nodes);
    int k;

    for (i = 0; i < num; i++) {
        char *vdev = vdev_of(node_name(nodes, i));
        bool is = vdev && strcmp(vdev, "file") &&
                  !strncmp(node, vdev, strlen(vdev)) &&
                  node[strlen(vdev)] == '-';

        for (k = 0; is && k < disks->num; k++)
            is = strcmp(disks->config.disks[k].vdev, vdev) ||
                 !disks->disks[k].num_layers;
        free(vdev);
        if (is)
            return true;
    }
    return false;
}

static bool is_orphan(const struct xls_disks *disks,
                      const struct xls_json *nodes, const char *node)
{
    /* One of a file goes when the node over it has gone; in use, QEMU says
     * so. */
    if (!strncmp(node, OURS, strlen(OURS)))
        return !in_a_chain(disks, node);
    return detached(disks, nodes, node);
}

/* One pass over the orphans; whether it dropped any. */
static bool drop(struct xls_op *op, const struct xls_json *nodes,
                 const bool *orphans)
{
    size_t i;
    bool any = false;

    for (i = 0; i < xls_json_len(nodes); i++) {
        const char *node = node_name(nodes, i);

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

/* A job has nodes of its own in use. */
static bool have_jobs(const struct xls_disks *disks)
{
    bool have = disks->foreign_job != NULL;
    int i;

    for (i = 0; i < disks->num; i++)
        have |= disks->disks[i].job != NULL;
    return have;
}

static int drop_fdsets(struct xls_op *op)
{
    struct xls_json *sets = NULL;
    int64_t id;
    size_t i;
    int rc;

    rc = xls_qmp_must(op->qmp, "asking QEMU for files that it was passed",
                      "query-fdsets", NULL, XLS_QMP_FAST, &sets);
    for (i = 0; !rc && i < xls_json_len(sets); i++) {
        const struct xls_json *set = xls_json_at(sets, i);
        const char *opaque = xls_json_get_str(
            xls_json_at(xls_json_get(set, "fds"), 0), "opaque");

        if (opaque && !strncmp(opaque, OURS, strlen(OURS)) &&
            xls_json_get_int(set, "fdset-id", &id))
            rc = xls_qmp_remove_fd(op->qmp, id);
    }
    xls_json_free(sets);
    return rc;
}

int xls_disks_sweep(struct xls_op *op, const struct xls_disks *disks)
{
    struct xls_json *nodes = NULL;
    bool *orphans, any = false;
    size_t i, num;
    int rc, pass;

    if (have_jobs(disks))
        return 0;
    rc = xls_op_qmp(op);
    if (!rc)
        rc = xls_qmp_must(op->qmp, "asking QEMU for its block nodes",
                          "query-named-block-nodes",
                          xls_json_set_bool(xls_json_object(), "flat", true),
                          XLS_QMP_FAST, &nodes);
    if (rc)
        return rc;
    num = xls_json_len(nodes);
    orphans = xls_calloc(num + 1, sizeof(*orphans));
    for (i = 0; i < num; i++) {
        orphans[i] = is_orphan(disks, nodes, node_name(nodes, i));
        any |= orphans[i] && strncmp(node_name(nodes, i), OURS_FILE,
                                     strlen(OURS_FILE));
    }
    for (pass = 0; any && pass < MAX_PASSES; pass++)
        any = drop(op, nodes, orphans);
    free(orphans);
    xls_json_free(nodes);
    return drop_fdsets(op);
}
