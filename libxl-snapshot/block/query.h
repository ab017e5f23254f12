/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_QUERY_H
#define XLS_BLOCK_QUERY_H

#include "block/disk.h"
#include "common/json/json.h"
#include "qmp/qmp.h"

/* What QEMU says of its block devices, at one time. */
struct xls_block_query {
    struct xls_json *block;     /* query-block */
    struct xls_json *stats;     /* query-blockstats */
    struct xls_json *nodes;     /* query-named-block-nodes, flat */
    struct xls_json *jobs;      /* query-block-jobs */
    int *devids;                /* of the devices in block, as far as asked */
};

/*
 * ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE, not logged: a block-stream has ended and
 * has not been dismissed. QEMU 7.2 was seen to crash when it lists its nodes then
 * (10.0 not): the job's filter is still among them.
 */
int xls_block_query(struct xls_qmp *qmp, struct xls_block_query *query);
void xls_block_query_dispose(struct xls_block_query *query);

/* The entry of a list whose member key is value, or NULL. */
const struct xls_json *xls_block_query_find(const struct xls_json *list,
                                            const char *key,
                                            const char *value);

/*
 * What a node, an entry of the list, is called: as QEMU calls it, but for
 * json:{...}, which it says of a qcow2 image on an NBD export when other layers
 * are below it than the header leads to by itself, and no relative name does
 * there; then by the export, node_file being its node. NULL: nothing.
 */
const char *xls_block_query_name(const struct xls_json *nodes,
                                 const struct xls_json *node,
                                 const char *node_file);

/*
 * The entry of query->stats of the device that has a disk: its xen-block
 * device, else (the CD-ROM of an HVM guest, say) one that has the same image
 * open; NULL when there is none.
 */
const struct xls_json *xls_block_query_device(
    struct xls_op *op, struct xls_block_query *query,
    const struct xls_disk *disk);

/* Fills disk->layers with the chain of a device, given its entry of
 * query->stats; nonzero when that does not tell it. */
int xls_block_query_chain(const struct xls_block_query *query,
                          const struct xls_json *stats,
                          struct xls_disk *disk);

/*
 * Fills the layers of a disk. *why (malloc'ed) is set, and no layer filled,
 * when it cannot be snapshotted as QEMU has it.
 */
int xls_block_query_disk(struct xls_op *op, struct xls_block_query *query,
                         struct xls_disk *disk, char **why);

#endif
