/* SPDX-License-Identifier: LGPL-2.1-only */
/* What follows QEMU's part of a merge: headers, names, records, protection. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "block/node.h"
#include "common/files.h"
#include "common/freeze.h"
#include "merge/steps.h"
#include "session/change.h"
#include "xen/domain.h"
#include "xen/records.h"
#include "xen/users.h"

/* More than the requests in flight of a paused guest can append: a ring of 512
 * requests of 11 pages each. */
#define IN_FLIGHT_BYTES (64ULL << 20)

int xls_merge_hold(struct xls_merging *m)
{
    if (m->paused || !xls_merge_pivots(m->merge))
        return 0;
    return xls_domain_pause(m->op, &m->paused);
}

int xls_merge_let_go(void *plan)
{
    struct xls_merging *m = plan;

    if (m->paused)
        xls_domain_unpause(m->op);
    m->paused = false;
    return 0;
}

/*
 * QEMU ends a stream, and a commit below the active layer, by writing another
 * backing file name into the header of the image above what leaves the chain, and
 * flushes that only where the image becomes read-only after. Until it is on the
 * disk, a power cut leaves a header that names an image which may be gone.
 */
int xls_merge_sync_header(void *plan)
{
    struct xls_merging *m = plan;
    const struct xls_merge *merge = m->merge;
    const char *path = merge->backward ? merge->above_path : merge->child_path;
    int rc;

    if (!path)
        return 0;
    if (path[0] == '/')
        return xls_file_sync(&m->op->log, path);
    rc = xls_merging_query(m);
    return rc ? rc : xls_layer_flush(m->op, &m->now,
                                     xls_disk_discards(m->disk));
}

/* Gives the layer's file the child's path, as far as that has not been done. */
static int take_path(struct xls_merging *m)
{
    const struct xls_merge *merge = m->merge;
    const struct xls_log *log = &m->op->log;
    int rc;

    rc = xls_check_unused(m->op, XLS_NO_DOMID, m->disk->rec->vdev,
                          merge->child_path);
    if (!rc)
        rc = xls_file_check_id(log, merge->child_path, &merge->child_id);
    if (!rc)
        rc = xls_file_thaw(log, merge->child_path);
    if (!rc)
        rc = xls_file_take_path(log, merge->layer_path, merge->child_path,
                                merge->second_name, &merge->layer_id);
    return rc;
}

/*
 * On disk and in QEMU. When the layer is written already, the guest must be
 * paused. layer, below: as QEMU has them; below is NULL for the last.
 */
static int take_child_path(struct xls_merging *m, const struct xls_layer *layer,
                           const struct xls_layer *below)
{
    const struct xls_merge *merge = m->merge;
    bool active = xls_merge_child_is_active(merge);
    int rc = 0;

    if (m->replaced < 0)
        m->replaced = open(merge->child_path, O_PATH | O_CLOEXEC);
    if (!access(merge->layer_path, F_OK) &&
        !xls_same_file(merge->layer_path, merge->child_path))
        rc = take_path(m);
    /* A raw image does not grow. */
    if (!rc && active && strcmp(layer->driver, "raw"))
        rc = xls_file_headroom(&m->op->log, merge->child_path,
                               IN_FLIGHT_BYTES);
    if (!rc && strcmp(layer->path, merge->child_path))
        rc = xls_node_rename(m->op, layer, merge->child_path, !active,
                             below ? below->node : NULL,
                             xls_disk_discards(m->disk));
    /* Until now QEMU may have had to open it by its former name. */
    if (!rc && xls_same_file(merge->layer_path, merge->child_path))
        rc = xls_file_drop_former(&m->op->log, merge->layer_path,
                                  merge->child_path);
    return rc;
}

/* The layer where QEMU has it now; NULL, logged: it has not. */
static const struct xls_layer *find_layer(const struct xls_merging *m,
                                          const struct xls_layer **below)
{
    const struct xls_disk *disk = xls_merging_chain(m);
    int layer = xls_merging_node(disk, m->merge->layer_node);

    if (layer < 0) {
        XLS_ERROR(&m->op->log, "disk %s: QEMU has not gone over to %s",
                  m->disk->rec->vdev, m->merge->layer_path);
        return NULL;
    }
    *below = layer + 1 < disk->num_layers ? &disk->layers[layer + 1] : NULL;
    return &disk->layers[layer];
}

int xls_merge_names(void *plan)
{
    struct xls_merging *m = plan;
    const struct xls_merge *merge = m->merge;
    const struct xls_layer *layer, *below;
    int rc;

    if (!merge->backward)
        return 0;
    layer = find_layer(m, &below);
    rc = layer ? xls_merge_hold(m) : ERROR_SNAPSHOT_QEMU;
    /* A session that began since a kill has protected it again. */
    if (!rc && !merge->copy && xls_frozen(merge->layer_path))
        rc = xls_file_thaw(&m->op->log, merge->layer_path);
    if (rc)
        return rc;
    if (merge->keep_child_path)
        return take_child_path(m, layer, below);
    /* Whoever still has the child on record, libxl until the next step, the
     * toolstack until it is told, must fail to start on it rather than go on
     * with what its file holds. */
    if (xls_merge_child_is_active(merge))
        xls_file_freeze_now(&m->op->log, merge->child_path);
    return 0;
}

int xls_merge_records(void *plan)
{
    struct xls_merging *m = plan;
    const struct xls_merge *merge = m->merge;
    const struct xls_layer *layer, *below;
    struct xls_record record = {
        .vdev = m->disk->rec->vdev,
        .devid = m->disk->devid,
        .path = merge->keep_child_path ? merge->child_path
                                       : merge->layer_path,
    };

    if (!xls_merge_pivots(merge))
        return 0;
    layer = find_layer(m, &below);
    if (!layer)
        return ERROR_SNAPSHOT_QEMU;
    record.format = xls_driver_format(layer->driver);
    xls_op_qmp_close(m->op);
    return xls_records_set(m->op, &record, 1);
}

/* What is below the active layer now. */
int xls_merge_protect_layers(void *plan)
{
    struct xls_merging *m = plan;
    const struct xls_merge *merge = m->merge;
    const struct xls_log *log = &m->op->log;
    bool active = xls_merge_child_is_active(merge);

    if (!merge->backward) {
        if (!active)
            xls_file_freeze(log, merge->child_path);
        return 0;
    }
    if (!active)
        xls_file_freeze(log, merge->keep_child_path ? merge->child_path
                                                    : merge->layer_path);
    if (merge->above_frozen)
        xls_file_freeze(log, merge->above_path);
    return 0;
}

/* File nodes that xls_node_rename gave to a layer stay known to QEMU when the
 * layer goes; those in use refuse to be dropped. */
void xls_merge_sweep_nodes(struct xls_op *op)
{
    static const char what[] = "closing images that are in no chain";
    struct xls_json *nodes = NULL;
    const char *name;
    size_t i;

    if (xls_op_ask(op, what, "query-named-block-nodes",
                   xls_json_set_bool(xls_json_object(), "flat", true), &nodes))
        xls_op_doubt(op, what);
    for (i = 0; i < xls_json_len(nodes) && !op->in_doubt; i++) {
        name = xls_json_get_str(xls_json_at(nodes, i), "node-name");
        if (name && !strncmp(name, "xls-file-", 9))
            xls_op_try(op, what, "blockdev-del",
                       xls_json_set_str(xls_json_object(), "node-name", name),
                       NULL, NULL);
    }
    xls_json_free(nodes);
}

int xls_merge_drop_nodes(void *plan)
{
    struct xls_merging *m = plan;
    const struct xls_merge *merge = m->merge;
    int i;

    if (merge->backward)
        xls_node_del(m->op, merge->child_node);
    for (i = 0; i < merge->num_between; i++)
        xls_node_del(m->op, merge->between_nodes[i]);
    if (!merge->backward)
        xls_node_del(m->op, merge->layer_node);
    xls_merge_sweep_nodes(m->op);
    return m->op->in_doubt ? ERROR_SNAPSHOT_INCOMPLETE : 0;
}

/* The file that is in nobody's chain any more. */
int xls_merge_release(void *plan)
{
    struct xls_merging *m = plan;
    const struct xls_merge *merge = m->merge;

    if (!merge->backward && merge->release)
        xls_file_thaw(&m->op->log, merge->layer_path);
    if (xls_merge_pivots(merge) && !merge->keep_child_path)
        xls_file_freeze(&m->op->log, merge->child_path);
    return 0;
}
