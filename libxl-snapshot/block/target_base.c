/* SPDX-License-Identifier: LGPL-2.1-only */
/* The prepared layers that the target of a shallow copy is based on. */
#include "block/target.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "block/node.h"
#include "block/options.h"
#include "block/query.h"
#include "common/alloc.h"
#include "common/files.h"
#include "session/change.h"

static int check_base(struct xls_op *op, const struct xls_disks *disks,
                      const struct xls_disk *disk,
                      const struct xls_target *target,
                      const libxl_disk_copy_layer *layer,
                      struct xls_target *base)
{
    struct stat st;
    int rc;

    rc = xls_target_parse(&op->log, layer->target, base);
    if (rc)
        return rc;
    base->driver = xls_format_driver(layer->format);
    if (!base->driver ||
        (strcmp(base->driver, "raw") && strcmp(base->driver, "qcow2")))
        return xls_target_wrong(op, base, "a layer below it is of format raw "
                                "or qcow2");
    if (!base->nbd != !target->nbd)
        return xls_target_wrong(op, base, "either the target and all layers "
                                "below it are NBD exports, or none is");
    if (!base->nbd && stat(base->spec, &st)) {
        XLS_ERRORE(&op->log, "the layer %s below the target", base->spec);
        return ERROR_SNAPSHOT_STORAGE;
    }
    return xls_target_check_users(op, disks, disk, base);
}

int xls_target_check_bases(struct xls_op *op, const struct xls_disks *disks,
                           const struct xls_disk *disk,
                           const libxl_disk_copy_args *args,
                           struct xls_target *target)
{
    int i, rc = 0;

    if (!args->shallow || !args->reuse_external || args->keep_path)
        return xls_target_wrong(op, target, "layers below it go with shallow "
                                "and reuse_external, and not with keep_path");
    if (args->num_base != disk->num_layers - 1) {
        XLS_ERROR(&op->log, "the target %s: %d layers below it are named, and "
                  "disk %s has %d below the active one", target->spec,
                  args->num_base, disk->rec->vdev, disk->num_layers - 1);
        return ERROR_SNAPSHOT_CHAIN_MISMATCH;
    }
    target->bases = xls_calloc(args->num_base, sizeof(*target->bases));
    for (i = 0; !rc && i < args->num_base; i++) {
        target->num_bases++;
        rc = check_base(op, disks, disk, target, &args->base[i],
                        &target->bases[i]);
    }
    return rc;
}

static int add_export(struct xls_op *op, const struct xls_disk *disk,
                      const struct xls_target *base,
                      const struct xls_layer *like, const char *what,
                      const char *below, char **node)
{
    bool discard = xls_disk_discards(disk);
    uint64_t size;
    int rc;

    *node = xls_unique_name("file");
    rc = xls_node_add(op, what,
                      xls_format_options(base->driver, *node, true, below,
                                         xls_json_copy(base->nbd), like,
                                         discard));
    if (!rc)
        rc = xls_target_node_size(op, *node, NULL, &size, NULL);
    if (!rc && size != like->virtual_size)
        rc = xls_target_wrong_size(op, base, size, like->virtual_size);
    return rc;
}

int xls_target_open_bases(struct xls_op *op, const struct xls_disk *disk,
                          const struct xls_target *target, const char *what,
                          char **below)
{
    int i, rc = 0;

    if (!target->nbd) {
        *below = xls_strdup(XLS_BACKING_BY_HEADER);
        return 0;
    }
    for (i = target->num_bases - 1; !rc && i >= 0; i--) {
        char *above;

        rc = add_export(op, disk, &target->bases[i], &disk->layers[i + 1],
                        what, *below, &above);
        free(*below);
        *below = above;
    }
    return rc;
}

/* The node whose image is in this file. */
static const struct xls_json *node_of(const struct xls_json *nodes,
                                      const struct xls_target *base)
{
    size_t i;

    for (i = 0; i < xls_json_len(nodes); i++) {
        const struct xls_json *node = xls_json_at(nodes, i);
        const char *driver = xls_json_get_str(node, "drv");
        const char *file = xls_json_get_str(node, "file");

        if (driver && !strcmp(driver, base->driver) && file &&
            xls_same_file(file, base->spec))
            return node;
    }
    return NULL;
}

/* The image that a node is of says that base is below it (NULL: nothing). */
static bool is_based_on(const struct xls_json *node,
                        const struct xls_target *base)
{
    const struct xls_json *image = xls_json_get(node, "image");
    const char *path = xls_json_get_str(image, "full-backing-filename");
    const char *format = xls_json_get_str(image, "backing-filename-format");

    if (!path)
        path = xls_json_get_str(image, "backing-filename");
    if (!base || !path)
        return !base && !path;
    return xls_same_file(path, base->spec) && format &&
           !strcmp(format, base->driver);
}

static int verify(struct xls_op *op, const struct xls_disk *disk,
                  const struct xls_target *target, const char *top,
                  const struct xls_json *nodes)
{
    const struct xls_json *node = xls_block_query_find(nodes, "node-name",
                                                       top);
    const char *above = target->spec;
    int i;

    for (i = 0; i <= target->num_bases; i++) {
        const struct xls_target *base =
            i < target->num_bases ? &target->bases[i] : NULL;
        const struct xls_layer *layer = &disk->layers[i + 1];
        uint64_t size;

        if (!is_based_on(node, base)) {
            XLS_ERROR(&op->log, "the target %s: by its header %s is not based "
                      "on %s, of format %s", target->spec, above,
                      base ? base->spec : "nothing",
                      base ? base->driver : "none");
            return ERROR_SNAPSHOT_CHAIN_MISMATCH;
        }
        if (!base)
            break;
        node = node_of(nodes, base);
        if (!node || !xls_json_get_uint(xls_json_get(node, "image"),
                                        "virtual-size", &size)) {
            XLS_ERROR(&op->log, "the target %s: QEMU has not opened %s below "
                      "it", target->spec, base->spec);
            return ERROR_SNAPSHOT_CHAIN_MISMATCH;
        }
        if (size != layer->virtual_size)
            return xls_target_wrong_size(op, base, size, layer->virtual_size);
        above = base->spec;
    }
    return 0;
}

int xls_target_verify_bases(struct xls_op *op, const struct xls_disk *disk,
                            const struct xls_target *target, const char *node)
{
    struct xls_json *nodes = NULL;
    int rc;

    rc = xls_op_ask(op, "asking QEMU for its block nodes",
                    "query-named-block-nodes",
                    xls_json_set_bool(xls_json_object(), "flat", true), &nodes);
    if (!rc)
        rc = verify(op, disk, target, node, nodes);
    xls_json_free(nodes);
    return rc;
}
