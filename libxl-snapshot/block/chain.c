/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/chain.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/alloc.h"
#include "diskimage/format.h"

/* QEMU's own names are no longer than a path. Longer ones, of which a reply
 * may have the layers repeat each, are left out. */
#define MAX_NAME 8192

static char *copy(const char *s)
{
    return s && strlen(s) <= MAX_NAME ? xls_strdup(s) : NULL;
}

static libxl_disk_layer_kind protocol_kind(const char *driver)
{
    static const struct {
        const char *driver;
        libxl_disk_layer_kind kind;
    } kinds[] = {
        { "file", LIBXL_DISK_LAYER_KIND_FILE },
        { "host_device", LIBXL_DISK_LAYER_KIND_BLOCK },
        { "host_cdrom", LIBXL_DISK_LAYER_KIND_BLOCK },
        { "nbd", LIBXL_DISK_LAYER_KIND_NBD },
        { "rbd", LIBXL_DISK_LAYER_KIND_RBD },
    };
    size_t i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(driver, kinds[i].driver))
            return kinds[i].kind;
    return LIBXL_DISK_LAYER_KIND_OTHER;
}

static const char *image_str(const struct xls_json *node, const char *key)
{
    const char *s = xls_json_get_str(xls_json_get(node, "image"), key);

    return s && s[0] ? s : NULL;
}

static void fill_image(libxl_disk_layer *layer, const struct xls_json *node)
{
    const struct xls_json *image = xls_json_get(node, "image");
    const struct xls_json *specific =
        xls_json_get(xls_json_get(image, "format-specific"), "data");

    if (!xls_json_get_uint(image, "virtual-size", &layer->virtual_size))
        layer->virtual_size = 0;
    if (!xls_json_get_int(image, "actual-size", &layer->allocated_size) ||
        layer->allocated_size < 0)
        layer->allocated_size = -1;
    if (!xls_json_get_uint(image, "cluster-size", &layer->cluster_size))
        layer->cluster_size = 0;
    layer->dirty = xls_json_get_bool(image, "dirty-flag", false);
    layer->corrupt = xls_json_get_bool(specific, "corrupt", false);
    layer->backing_recorded = copy(image_str(node, "backing-filename"));
    layer->backing_recorded_full =
        copy(image_str(node, "full-backing-filename"));
    layer->backing_recorded_format =
        copy(image_str(node, "backing-filename-format"));
}

static void fill_storage(libxl_disk_layer *layer, const struct xls_json *node)
{
    const char *driver = xls_json_get_str(node, "drv");

    layer->storage_node = copy(xls_json_get_str(node, "node-name"));
    layer->protocol = copy(driver);
    layer->kind = protocol_kind(driver);
    layer->filename = copy(xls_json_get_str(node, "file"));
}

/* One layer, without what concerns the layers below it. */
static libxl_disk_layer *add_layer(libxl_disk_chain *chain, int parent,
                                   const char *child,
                                   const struct xls_json *node,
                                   const struct xls_json *storage)
{
    const char *driver = xls_json_get_str(node, "drv");
    libxl_disk_layer *layer;

    chain->layers = xls_realloc(chain->layers, chain->num_layers + 1,
                                sizeof(*chain->layers));
    layer = &chain->layers[chain->num_layers++];
    libxl_disk_layer_init(layer);
    layer->parent = parent;
    layer->child = copy(child);
    layer->node = copy(xls_json_get_str(node, "node-name"));
    layer->driver = copy(driver);
    layer->spec = copy(xls_json_get_str(node, "file"));
    /* A raw node may be writable on storage that is not. */
    layer->read_only = xls_json_get_bool(node, "ro", false) ||
                       xls_json_get_bool(storage, "ro", false);
    fill_image(layer, node);
    if (storage)
        fill_storage(layer, storage);
    /* A protocol that is no format's file is what raw would show of it. */
    layer->format = storage == node ? LIBXL_DISK_FORMAT_RAW
                                    : xls_driver_format(driver);
    return layer;
}

/* What is known of a node that the walk has come to. */
struct found {
    const struct xls_json *node;
    struct xls_vertices children;
};

static enum xls_chain_answer look(const struct xls_graph *graph,
                                  const struct xls_vertex *vertex,
                                  struct found *found)
{
    const char *driver;

    memset(found, 0, sizeof(*found));
    found->node = xls_block_query_find(graph->query->nodes, "node-name",
                                       vertex->node);
    driver = xls_json_get_str(found->node, "drv");
    if (!driver)
        return XLS_CHAIN_GONE;
    if (strlen(driver) > MAX_NAME || strlen(vertex->node) > MAX_NAME ||
        (vertex->name && strlen(vertex->name) > MAX_NAME))
        return XLS_CHAIN_TOO_LARGE;
    switch (xls_graph_children(graph, vertex, &found->children)) {
    case XLS_GRAPH_TOLD:
        return XLS_CHAIN_TOLD;
    case XLS_GRAPH_ASK_DEBUG:
        return XLS_CHAIN_ASK_DEBUG;
    default:
        return XLS_CHAIN_TOO_LARGE;
    }
}

/*
 * Which of the children is the layer's own storage: its file, where that has
 * no children in turn. -1: none is. *storage is the storage's node; a node
 * without children is its own.
 */
static enum xls_chain_answer find_storage(const struct xls_graph *graph,
                                          const struct found *found,
                                          int *index,
                                          const struct xls_json **storage)
{
    enum xls_chain_answer answer;
    struct found file;
    int i = 0;

    *index = -1;
    *storage = found->children.num ? NULL : found->node;
    while (i < found->children.num &&
           strcmp(found->children.v[i].name, "file"))
        i++;
    if (i == found->children.num)
        return XLS_CHAIN_TOLD;
    answer = look(graph, &found->children.v[i], &file);
    free(file.children.v);
    if (answer == XLS_CHAIN_TOLD && !file.children.num) {
        *storage = file.node;
        *index = i;
    }
    return answer;
}

/* The recursion is as deep as there are layers at most. */
static enum xls_chain_answer visit(const struct xls_graph *graph,
                                   const struct xls_vertex *vertex, int parent,
                                   libxl_disk_chain *chain)
{
    const struct xls_json *storage;
    enum xls_chain_answer answer;
    struct found found;
    int i, own, me = chain->num_layers;

    if (me >= XLS_CHAIN_MAX_LAYERS)
        return XLS_CHAIN_TOO_LARGE;
    answer = look(graph, vertex, &found);
    if (answer == XLS_CHAIN_TOLD)
        answer = find_storage(graph, &found, &own, &storage);
    if (answer == XLS_CHAIN_TOLD)
        add_layer(chain, parent, vertex->name, found.node, storage);
    for (i = 0; i < found.children.num && answer == XLS_CHAIN_TOLD; i++)
        if (i != own)
            answer = visit(graph, &found.children.v[i], me, chain);
    free(found.children.v);
    return answer;
}

const libxl_disk_layer *xls_chain_below_filters(const libxl_disk_chain *chain,
                                                int i)
{
    int child;

    while (chain->layers[i].kind == LIBXL_DISK_LAYER_KIND_NONE) {
        child = xls_chain_child(chain, i, -1);
        if (child < 0 || xls_chain_child(chain, i, child) >= 0)
            break;
        i = child;
    }
    return &chain->layers[i];
}

static void fill_backing(libxl_disk_chain *chain)
{
    int i;

    for (i = 0; i < chain->num_layers; i++) {
        libxl_disk_layer *layer = &chain->layers[i], *parent;
        const libxl_disk_layer *based;

        if (layer->parent < 0 || strcmp(layer->child, "backing"))
            continue;
        parent = &chain->layers[layer->parent];
        based = xls_chain_below_filters(chain, i);
        if (parent->backing_opened)
            continue;
        parent->backing_opened = xls_strdup(based->spec);
        parent->backing_opened_format = xls_strdup(based->driver);
    }
}

enum xls_chain_answer xls_chain_read(const struct xls_graph *graph,
                                     const struct xls_json *stats,
                                     libxl_disk_chain *chain)
{
    struct xls_vertex top = {
        .node = xls_json_get_str(stats, "node-name"),
        .stats = stats,
    };
    enum xls_chain_answer answer;

    if (!top.node)
        return XLS_CHAIN_GONE;
    answer = visit(graph, &top, -1, chain);
    if (answer == XLS_CHAIN_TOLD)
        fill_backing(chain);
    return answer;
}

/* statx tells the flag without opening the file: of a path that QEMU gave,
 * which may be anything. */
static void stat_layer(libxl_disk_layer *layer)
{
    char label[512];
    struct statx st;
    ssize_t len;

    if (layer->kind != LIBXL_DISK_LAYER_KIND_FILE &&
        layer->kind != LIBXL_DISK_LAYER_KIND_BLOCK)
        return;
    if (!layer->filename || layer->filename[0] != '/' ||
        statx(AT_FDCWD, layer->filename, 0, STATX_BASIC_STATS, &st))
        return;
    layer->stat_valid =
        layer->kind == LIBXL_DISK_LAYER_KIND_FILE ? S_ISREG(st.stx_mode)
                                                  : S_ISBLK(st.stx_mode);
    if (!layer->stat_valid)
        return;
    layer->uid = st.stx_uid;
    layer->gid = st.stx_gid;
    layer->mode = st.stx_mode & 07777;
    layer->immutable = st.stx_attributes & STATX_ATTR_IMMUTABLE;
    len = getxattr(layer->filename, "security.selinux", label, sizeof(label));
    /* With or without a NUL at its end. */
    if (len > 0)
        layer->label = xls_memdup0(label, strnlen(label, len));
}

void xls_chain_stat(libxl_disk_chain *chain)
{
    int i;

    for (i = 0; i < chain->num_layers; i++)
        stat_layer(&chain->layers[i]);
}

int xls_chain_child(const libxl_disk_chain *chain, int parent, int after)
{
    int i;

    if (parent < -1)
        return -1;
    /* Depth-first: none stands before its parent. */
    for (i = (after > parent ? after : parent) + 1; i < chain->num_layers; i++)
        if (chain->layers[i].parent == parent)
            return i;
    return -1;
}
