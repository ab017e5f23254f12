/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/graph.h"

#include <string.h>

#include "common/alloc.h"

static void add(struct xls_vertices *list, const char *name, const char *node,
                const struct xls_json *stats)
{
    if (!name || !node || list->num > XLS_GRAPH_MAX_CHILDREN)
        return;
    list->v = xls_realloc(list->v, list->num + 1, sizeof(*list->v));
    list->v[list->num++] = (struct xls_vertex){ name, node, stats };
}

/* Drivers with children that query-blockstats leaves out. */
static bool has_more_children(const struct xls_json *node)
{
    static const char *const drivers[] = {
        "quorum", "blkverify", "blklogwrites", "vmdk",
    };
    const char *driver = xls_json_get_str(node, "drv");
    const struct xls_json *format =
        xls_json_get(xls_json_get(node, "image"), "format-specific");
    size_t i;

    for (i = 0; driver && i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (!strcmp(driver, drivers[i]))
            return true;
    /* qcow2 with its data in a file of their own */
    return xls_json_get_str(xls_json_get(format, "data"), "data-file");
}

static void from_list(const struct xls_json *list,
                      struct xls_vertices *children)
{
    size_t i;

    for (i = 0; i < xls_json_len(list); i++) {
        const struct xls_json *item = xls_json_at(list, i);

        add(children, xls_json_get_str(item, "child"),
            xls_json_get_str(item, "node-name"), NULL);
    }
}

/* An id of the debug graph is good for one reply. */
static const struct xls_json *debug_node(const struct xls_json *debug,
                                         uint64_t id)
{
    const struct xls_json *nodes = xls_json_get(debug, "nodes");
    uint64_t its;
    size_t i;

    for (i = 0; i < xls_json_len(nodes); i++)
        if (xls_json_get_uint(xls_json_at(nodes, i), "id", &its) && its == id)
            return xls_json_at(nodes, i);
    return NULL;
}

static void from_debug(const struct xls_json *debug, const char *node,
                       struct xls_vertices *children)
{
    const struct xls_json *edges = xls_json_get(debug, "edges");
    const struct xls_json *mine =
        xls_block_query_find(xls_json_get(debug, "nodes"), "name", node);
    uint64_t id, parent, child;
    size_t i;

    if (!mine || !xls_json_get_uint(mine, "id", &id))
        return;
    for (i = 0; i < xls_json_len(edges); i++) {
        const struct xls_json *edge = xls_json_at(edges, i);

        if (xls_json_get_uint(edge, "parent", &parent) && parent == id &&
            xls_json_get_uint(edge, "child", &child))
            add(children, xls_json_get_str(edge, "name"),
                xls_json_get_str(debug_node(debug, child), "name"), NULL);
    }
}

/* A filter's child is both, parent and backing, there. */
static void from_stats(const struct xls_json *stats,
                       struct xls_vertices *children)
{
    const struct xls_json *file = xls_json_get(stats, "parent");
    const struct xls_json *backing = xls_json_get(stats, "backing");
    const char *file_node = xls_json_get_str(file, "node-name");
    const char *backing_node = xls_json_get_str(backing, "node-name");

    add(children, "file", file_node, file);
    if (!file_node || !backing_node || strcmp(file_node, backing_node))
        add(children, "backing", backing_node, backing);
}

enum xls_graph_answer xls_graph_children(const struct xls_graph *graph,
                                         const struct xls_vertex *vertex,
                                         struct xls_vertices *children)
{
    const struct xls_json *node =
        xls_block_query_find(graph->query->nodes, "node-name", vertex->node);
    const struct xls_json *list = xls_json_get(node, "children");

    memset(children, 0, sizeof(*children));
    if (list)
        from_list(list, children);
    else if (vertex->stats && !has_more_children(node))
        from_stats(vertex->stats, children);
    else if (graph->debug)
        from_debug(graph->debug, vertex->node, children);
    else
        return XLS_GRAPH_ASK_DEBUG;
    return children->num > XLS_GRAPH_MAX_CHILDREN ? XLS_GRAPH_TOO_LARGE
                                                  : XLS_GRAPH_TOLD;
}
