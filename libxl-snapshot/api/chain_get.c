/* SPDX-License-Identifier: LGPL-2.1-only */
#include <stdlib.h>

#include "block/chain.h"
#include "common/alloc.h"
#include "ops/job/job.h"
#include "xen/records.h"

/* A block job that ends between two of the queries changes the graph. */
#define TRIES 5

/* One attempt; *answer is of xls_chain_read where that was come to. */
static int read_once(struct xls_op *op, const struct xls_disk *disk,
                     bool debug, libxl_disk_chain *chain,
                     enum xls_chain_answer *answer)
{
    struct xls_block_query query;
    struct xls_json *edges = NULL;
    struct xls_graph graph = { .query = &query };
    const struct xls_json *stats;
    int rc;

    rc = xls_block_query(op->qmp, &query);
    /* An old QEMU cannot be asked before a job that has ended is seen to. */
    if (rc == ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE) {
        rc = xls_disk_jobs_finish_unlocked(op);
        if (!rc)
            rc = xls_op_qmp(op);
        if (!rc)
            rc = xls_block_query(op->qmp, &query);
    }
    if (rc)
        return rc;
    stats = xls_block_query_device(op, &query, disk);
    if (!stats) {
        XLS_ERROR(&op->log, "disk %s of domain %s cannot be shown: QEMU has "
                  "no device for it, or no medium in it", disk->rec->vdev,
                  op->name);
        rc = ERROR_SNAPSHOT_DISK_UNSUPPORTED;
        goto out;
    }
    if (debug)
        rc = xls_qmp_must(op->qmp, "asking QEMU for the children of its block "
                          "nodes", "x-debug-query-block-graph", NULL,
                          XLS_QMP_FAST, &edges);
    if (rc)
        goto out;
    graph.debug = edges;
    *answer = xls_chain_read(&graph, stats, chain);

out:
    xls_json_free(edges);
    xls_block_query_dispose(&query);
    return rc;
}

static int read_chain(struct xls_op *op, const struct xls_disk *disk,
                      libxl_disk_chain *chain)
{
    enum xls_chain_answer answer;
    bool debug = false;
    int tries, rc;

    rc = xls_op_qmp(op);
    for (tries = 0; !rc && tries < TRIES; tries++) {
        rc = read_once(op, disk, debug, chain, &answer);
        if (!rc && answer == XLS_CHAIN_TOLD)
            return 0;
        libxl_disk_chain_dispose(chain);
        libxl_disk_chain_init(chain);
        if (rc)
            return rc;
        if (answer == XLS_CHAIN_TOO_LARGE) {
            XLS_ERROR(&op->log, "disk %s of domain %s cannot be shown: in QEMU "
                      "it has more than %d layers, or names that are none",
                      disk->rec->vdev, op->name, XLS_CHAIN_MAX_LAYERS);
            return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
        }
        debug |= answer == XLS_CHAIN_ASK_DEBUG;
    }
    if (!rc) {
        XLS_ERROR(&op->log, "QEMU does not tell the layers of disk %s of "
                  "domain %s: its answers do not fit together",
                  disk->rec->vdev, op->name);
        rc = ERROR_SNAPSHOT_QMP;
    }
    return rc;
}

static int check(struct xls_op *op, const struct xls_disk *disk,
                 libxl_disk_chain *chain)
{
    char *params, *backend_params;
    int rc;

    rc = xls_records_params(op, disk->devid, &params, &backend_params);
    if (rc)
        return rc;
    xls_chain_check(&(struct xls_chain_records){
                        .disk = disk->rec,
                        .params = params,
                        .backend_params = backend_params,
                    }, chain);
    free(params);
    free(backend_params);
    return 0;
}

int libxl_disk_chain_get(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                         unsigned flags, const libxl_snapshot_how *how,
                         libxl_disk_chain *chain)
{
    struct xls_disks disks = { 0 };
    libxl_disk_chain mine;
    struct xls_disk *disk;
    struct xls_op op;
    int rc;

    libxl_disk_chain_init(&mine);
    rc = xls_op_open(&op, __func__, ctx, domid, how);
    if (rc)
        goto out;
    if (flags & ~LIBXL_DISK_CHAIN_VALIDATE) {
        XLS_ERROR(&op.log, "unknown flags %#x", flags);
        rc = ERROR_INVAL;
        goto out;
    }
    rc = xls_disks_records(&op, &disks);
    if (!rc)
        rc = xls_disks_must_find(&op, &disks, vdev, &disk);
    if (rc)
        goto out;
    if (disk->no_node) {
        XLS_ERROR(&op.log, "disk %s of domain %s cannot be shown: %s", vdev,
                  op.name, disk->no_node);
        rc = ERROR_SNAPSHOT_DISK_UNSUPPORTED;
        goto out;
    }
    rc = read_chain(&op, disk, &mine);
    xls_op_qmp_close(&op);
    if (rc)
        goto out;
    mine.vdev = xls_strdup(vdev);
    xls_chain_stat(&mine);
    if (flags & LIBXL_DISK_CHAIN_VALIDATE)
        rc = check(&op, disk, &mine);

out:
    xls_disks_dispose(&disks);
    xls_op_end(&op);
    if (rc) {
        libxl_disk_chain_dispose(&mine);
        libxl_disk_chain_init(&mine);
    }
    libxl_disk_chain_dispose(chain);
    *chain = mine;
    return rc;
}
