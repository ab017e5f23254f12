/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_GRAPH_H
#define XLS_BLOCK_GRAPH_H

#include "block/query.h"

/*
 * The children of QEMU's nodes. Up to QEMU 10.0 no stable command tells them
 * all: query-blockstats has a node's backing file (or what it filters) and one
 * more, which is all there is but for a few drivers. Since 10.1
 * query-named-block-nodes lists them. The names below point into the replies.
 */
struct xls_graph {
    const struct xls_block_query *query;
    const struct xls_json *debug;       /* x-debug-query-block-graph; NULL:
                                         * not asked */
};

/* Of one node; a reply that tells of more is not believed. */
#define XLS_GRAPH_MAX_CHILDREN 256

/* A node to look at. */
struct xls_vertex {
    const char *name;           /* "backing", "file", "children.0", …; of the
                                 * edge that leads here; NULL for a root */
    const char *node;           /* its node name */
    const struct xls_json *stats;       /* its entry of query-blockstats, with
                                         * those of its children inside; NULL:
                                         * the graph was come by otherwise */
};

struct xls_vertices {
    struct xls_vertex *v;
    int num;
};

enum xls_graph_answer {
    XLS_GRAPH_TOLD,
    XLS_GRAPH_ASK_DEBUG,        /* only graph->debug, which is NULL, tells */
    XLS_GRAPH_TOO_LARGE,
};

/* The children of a vertex, in QEMU's order; free children->v. */
enum xls_graph_answer xls_graph_children(const struct xls_graph *graph,
                                         const struct xls_vertex *vertex,
                                         struct xls_vertices *children);

#endif
