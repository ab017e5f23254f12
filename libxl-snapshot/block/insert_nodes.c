/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/node.h"

#include <stdlib.h>

#include "block/options.h"
#include "common/alloc.h"

/* A node of ours for a frozen layer, on top of backing (NULL: the last). */
static int add_frozen(struct xls_op *op, const struct xls_layer *layer,
                      const char *node, const char *backing, bool discard)
{
    struct xls_json *file = xls_file_options(layer->path, layer);
    char *what = xls_asprintf("opening %s", layer->path);
    int rc;

    /* A file without it stays open for writing after a merge into it. */
    xls_json_set_bool(file, "auto-read-only", true);
    rc = xls_node_add(op, what,
                      xls_format_options(layer->driver, node, true, backing,
                                         file, layer, discard));
    free(what);
    return rc;
}

/* Has the lowest layer with a name of its own stand on the new nodes; replaced:
 * the one that it stood on. */
static int put_under(struct xls_op *op, const struct xls_layer *layer,
                     const char *backing, const char *replaced, bool discard)
{
    return xls_reopen(op, "putting named nodes into a backing chain",
                      xls_format_options(layer->driver, layer->node,
                                         layer->read_only, backing,
                                         xls_json_string(layer->file_node),
                                         layer, discard),
                      replaced);
}

int xls_disk_insert_nodes(struct xls_op *op, const struct xls_disk *disk,
                          bool discard)
{
    int first, k, rc;
    char **nodes;

    for (first = 0; first < disk->num_layers; first++)
        if (xls_layer_implicit(&disk->layers[first]))
            break;
    if (first == disk->num_layers)
        return 0;
    rc = xls_op_qmp(op);
    if (rc)
        return rc;
    nodes = xls_calloc(disk->num_layers, sizeof(*nodes));
    for (k = disk->num_layers - 1; k >= first && !rc; k--) {
        nodes[k] = xls_unique_name(disk->rec->vdev);
        rc = add_frozen(op, &disk->layers[k], nodes[k],
                        k + 1 < disk->num_layers ? nodes[k + 1] : NULL,
                        discard);
    }
    if (!rc)
        rc = put_under(op, &disk->layers[first - 1], nodes[first],
                       disk->layers[first].node, discard);
    for (k = first; k < disk->num_layers; k++) {
        if (rc && nodes[k])
            xls_node_del(op, nodes[k]);
        free(nodes[k]);
    }
    free(nodes);
    return rc;
}
