/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_CHAIN_H
#define XLS_BLOCK_CHAIN_H

#include "block/graph.h"

/* More layers of one disk are not read. */
#define XLS_CHAIN_MAX_LAYERS 1024

enum xls_chain_answer {
    XLS_CHAIN_TOLD,
    XLS_CHAIN_ASK_DEBUG,        /* graph->debug is needed */
    XLS_CHAIN_GONE,             /* a node is in one reply and not in another:
                                 * the graph has changed in between */
    XLS_CHAIN_TOO_LARGE,        /* or more children, or a longer name, than
                                 * QEMU can have */
};

/*
 * Fills chain->layers, which must be empty, with what the device of an entry
 * of query->stats has open. Whatever QEMU says, it ends: what leads in a
 * circle is too large. On failure some layers may be there.
 */
enum xls_chain_answer xls_chain_read(const struct xls_graph *graph,
                                     const struct xls_json *stats,
                                     libxl_disk_chain *chain);

/* The layer that has the data of layer i: itself, or what it filters. */
const libxl_disk_layer *xls_chain_below_filters(const libxl_disk_chain *chain,
                                                int i);

/* libxl_disk_chain_child. */
int xls_chain_child(const libxl_disk_chain *chain, int parent, int after);

/* Looks at the layers' files: owner, mode, label, immutable flag. */
void xls_chain_stat(libxl_disk_chain *chain);

/* Where libxl's records and xenstore have a disk. */
struct xls_chain_records {
    const libxl_device_disk *disk;
    const char *params, *backend_params;        /* NULL: not there */
};
/* Fills in the layers' mismatches, validated and agrees; after
 * xls_chain_stat. records NULL: for a disk that is not libxl's. */
void xls_chain_check(const struct xls_chain_records *records,
                     libxl_disk_chain *chain);

#endif
