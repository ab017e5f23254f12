/* SPDX-License-Identifier: LGPL-2.1-only */
#include "merge/merge.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block/job.h"
#include "block/node.h"
#include "common/files.h"
#include "session/change.h"
#include "xen/domain.h"
#include "xen/records.h"
#include "xen/users.h"

/* More than the requests in flight of a paused guest can append: a ring of 512
 * requests of 11 pages each. */
#define IN_FLIGHT_BYTES (64ULL << 20)

/* File nodes that xls_node_rename gave to a layer stay known to QEMU when the
 * layer goes; those in use refuse to be dropped. */
static void sweep_file_nodes(struct xls_op *op)
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

static bool child_is_active(const struct xls_merge *merge)
{
    return !merge->above_path;
}

static int node_index(const struct xls_disk *disk, const char *node)
{
    int i;

    for (i = 0; i < disk->num_layers; i++)
        if (!strcmp(disk->layers[i].node, node))
            return i;
    return -1;
}

static void leave_nodes(struct xls_op *op, const struct xls_merge *merge)
{
    int i;

    if (merge->backward)
        xls_node_del(op, merge->child_node);
    for (i = 0; i < merge->num_between; i++)
        xls_node_del(op, merge->between_nodes[i]);
    if (!merge->backward)
        xls_node_del(op, merge->layer_node);
    sweep_file_nodes(op);
}

void xls_merge_give_up(struct xls_op *op, const struct xls_merge *merge)
{
    if (op->in_doubt)
        return;
    if (merge->keep_child_path)
        xls_file_drop_second_name(&op->log, merge->second_name,
                                  merge->layer_path);
    if (merge->copy) {
        xls_node_del(op, merge->layer_node);
        sweep_file_nodes(op);
        return;
    }
    /* What is below the active layer is protected. */
    xls_file_freeze(&op->log, merge->layer_path);
    if (!child_is_active(merge))
        xls_file_freeze(&op->log, merge->child_path);
    if (merge->above_frozen)
        xls_file_freeze(&op->log, merge->above_path);
}

/*
 * QEMU ends a stream, and a commit below the active layer, by writing another
 * backing file name into the header of the image above what leaves the chain, and
 * flushes that only where the image becomes read-only after. Until it is on the
 * disk, a power cut leaves a header that names an image which may be gone.
 */
static int sync_header(struct xls_op *op, const struct xls_disk *disk,
                       const struct xls_merge *merge)
{
    const char *path = merge->backward ? merge->above_path : merge->child_path;
    struct xls_disk now = { .rec = disk->rec, .devid = disk->devid };
    int rc;

    if (!path)
        return 0;
    if (path[0] == '/')
        return xls_file_sync(&op->log, path);
    rc = xls_disk_query(op, &now);
    if (!rc)
        rc = xls_layer_flush(op, &now, xls_disk_discards(disk));
    xls_disk_drop_layers(&now);
    return rc;
}

/* Forward: the layer is in nobody's chain any more. */
static int leave_layer(struct xls_op *op, const struct xls_disk *disk,
                       const struct xls_merge *merge)
{
    int rc;

    rc = sync_header(op, disk, merge);
    if (rc)
        return rc;
    if (!child_is_active(merge))
        xls_file_freeze(&op->log, merge->child_path);
    leave_nodes(op, merge);
    if (op->in_doubt)
        return ERROR_SNAPSHOT_INCOMPLETE;
    if (merge->release)
        xls_file_thaw(&op->log, merge->layer_path);
    return 0;
}

/*
 * Gives the layer's file the child's path, on disk and in QEMU, as far as that
 * has not been done. When it is written already, the guest must be paused.
 * layer, below: as QEMU has them; below is NULL for the last.
 */
static int take_child_path(struct xls_op *op, const struct xls_disk *disk,
                           const struct xls_merge *merge,
                           const struct xls_layer *layer,
                           const struct xls_layer *below)
{
    int rc = 0;

    if (!access(merge->layer_path, F_OK) &&
        !xls_same_file(merge->layer_path, merge->child_path)) {
        rc = xls_check_unused(op, XLS_NO_DOMID, disk->rec->vdev,
                              merge->child_path);
        if (!rc)
            rc = xls_file_check_id(&op->log, merge->child_path,
                                   &merge->child_id);
        if (!rc)
            rc = xls_file_thaw(&op->log, merge->child_path);
        if (!rc)
            rc = xls_file_take_path(&op->log, merge->layer_path,
                                    merge->child_path, merge->second_name,
                                    &merge->layer_id);
    }
    /* A raw image does not grow. */
    if (!rc && child_is_active(merge) && strcmp(layer->driver, "raw"))
        rc = xls_file_headroom(&op->log, merge->child_path, IN_FLIGHT_BYTES);
    if (!rc && strcmp(layer->path, merge->child_path))
        rc = xls_node_rename(op, layer, merge->child_path,
                             !child_is_active(merge), below ? below->node : NULL,
                             xls_disk_discards(disk));
    /* Until now QEMU may have had to open it by its former name. */
    if (!rc && xls_same_file(merge->layer_path, merge->child_path))
        rc = xls_file_drop_former(&op->log, merge->layer_path,
                                  merge->child_path);
    return rc;
}

/* Backward, after QEMU's part: names and libxl's records. */
static int settle(struct xls_op *op, const struct xls_disk *disk,
                  const struct xls_merge *merge)
{
    int layer = node_index(disk, merge->layer_node);
    const struct xls_layer *l = &disk->layers[layer < 0 ? 0 : layer];
    struct xls_record record = {
        .vdev = disk->rec->vdev,
        .devid = disk->devid,
        .path = merge->keep_child_path ? merge->child_path : merge->layer_path,
        .format = xls_driver_format(l->driver),
    };
    int rc = 0;

    if (layer < 0) {
        XLS_ERROR(&op->log, "disk %s: QEMU has not gone over to %s",
                  disk->rec->vdev, merge->layer_path);
        return ERROR_SNAPSHOT_QEMU;
    }
    if (merge->keep_child_path)
        rc = take_child_path(op, disk, merge, l,
                             layer + 1 < disk->num_layers ? l + 1 : NULL);
    /* Whoever still has the child on record, libxl until the next lines, the
     * toolstack until it is told, must fail to start on it rather than go on
     * with what its file holds. */
    else if (child_is_active(merge))
        xls_file_freeze_now(&op->log, merge->child_path);
    if (rc || !child_is_active(merge))
        return rc;
    xls_op_qmp_close(op);
    return xls_records_set(op, &record, 1);
}

/* Backward: the child is in nobody's chain any more. */
static int leave_child(struct xls_op *op, const struct xls_merge *merge)
{
    if (!child_is_active(merge))
        xls_file_freeze(&op->log, merge->keep_child_path ? merge->child_path
                                                        : merge->layer_path);
    if (merge->above_frozen)
        xls_file_freeze(&op->log, merge->above_path);
    leave_nodes(op, merge);
    if (op->in_doubt)
        return ERROR_SNAPSHOT_INCOMPLETE;
    if (child_is_active(merge) && !merge->keep_child_path)
        xls_file_freeze(&op->log, merge->child_path);
    return 0;
}

/*
 * Backward, after QEMU's part: all the rest. Unpauses a guest that was paused
 * for it. Whoever closes a removed file last spends the time that freeing its
 * blocks takes, a third of a second per GiB on ext4: not QEMU, all disks of
 * which would wait for that.
 */
static int go_over(struct xls_op *op, const struct xls_disk *disk,
                   const struct xls_merge *merge, bool paused)
{
    int replaced = -1, rc;

    if (merge->keep_child_path)
        replaced = open(merge->child_path, O_PATH | O_CLOEXEC);
    rc = sync_header(op, disk, merge);
    if (!rc)
        rc = settle(op, disk, merge);
    if (paused)
        xls_domain_unpause(op);
    if (!rc)
        rc = leave_child(op, merge);
    if (replaced >= 0) {
        xls_op_qmp_close(op);       /* others need not wait for it, either */
        close(replaced);
    }
    return rc;
}

int xls_merge_finalize(struct xls_op *op, const struct xls_disk *disk,
                       const struct xls_merge *merge, const char *job)
{
    char *what = xls_merge_what(merge);
    int rc;

    rc = xls_layer_flush(op, disk, xls_disk_discards(disk));
    if (!rc)
        rc = xls_job_finalize(op, job);
    if (!rc)
        rc = xls_job_wait(op, job, XLS_JOB_CONCLUDED, what, NULL, NULL);
    free(what);
    return rc;
}

/* Whether QEMU has done its part, by the chain as it is now. */
static bool is_done(const struct xls_disk *disk, const struct xls_merge *merge)
{
    bool layer = node_index(disk, merge->layer_node) >= 0;
    bool child = node_index(disk, merge->child_node) >= 0;

    return merge->backward ? layer && !child : !layer && child;
}

bool xls_merge_is_before(const struct xls_disk *disk,
                         const struct xls_merge *merge)
{
    return node_index(disk, merge->child_node) >= 0 && !is_done(disk, merge);
}

/*
 * A job that was started has not done what it was to do, by an error or
 * because QEMU did not answer. It ends here, whatever it has done; then the
 * chain shows which way it went.
 */
static int find_out(struct xls_op *op, const struct xls_disk *disk,
                    const struct xls_merge *merge, const char *job, int why,
                    bool *changed)
{
    struct xls_disk after = { .rec = disk->rec, .devid = disk->devid };
    int rc;

    /* A job that does not answer may end well all the same. */
    op->in_doubt = false;
    rc = xls_job_cancel(op, job);
    if (!rc) {
        rc = xls_disk_query(op, &after);
        if (rc)
            rc = xls_op_doubt(op, "asking for the backing chain");
    }
    if (!rc)
        rc = xls_merge_finish(op, &after, merge, changed);
    if (!rc && !*changed)
        rc = why == ERROR_SNAPSHOT_INCOMPLETE ? ERROR_SNAPSHOT_QMP : why;
    xls_disk_drop_layers(&after);
    return rc;
}

int xls_merge_pivot(struct xls_op *op, const struct xls_disk *disk,
                    const struct xls_merge *merge, const char *job,
                    bool *changed)
{
    struct xls_disk after = { .rec = disk->rec, .devid = disk->devid };
    char *what = xls_merge_what(merge);
    bool paused = false;
    int rc;

    *changed = false;
    rc = xls_check_unused(op, XLS_NO_DOMID, disk->rec->vdev, merge->child_path);
    if (!rc)
        rc = xls_check_unused(op, XLS_NO_DOMID, disk->rec->vdev,
                              merge->layer_path);
    if (!rc)
        rc = xls_domain_pause(op, &paused);
    /* Told twice, QEMU does it once. */
    if (!rc)
        rc = xls_op_change(op, what, "job-complete",
                           xls_json_set_str(xls_json_object(), "id", job),
                           NULL, NULL);
    if (!rc)
        rc = xls_job_wait(op, job, XLS_JOB_CONCLUDED, what, NULL, NULL);
    *changed = !rc;
    /* The guest does not go on before it is known which side it writes to. */
    if (rc ? xls_unanswered(rc) || op->in_doubt : merge->copy) {
        if (!xls_disk_query(op, &after)) {
            op->in_doubt = false;
            *changed = is_done(&after, merge);
            rc = *changed ? 0 : rc;
            disk = &after;
        } else {
            rc = xls_op_doubt(op, what);
        }
    }
    if (!rc)
        rc = go_over(op, disk, merge, paused);
    else if (paused)
        xls_domain_unpause(op);
    xls_disk_drop_layers(&after);
    free(what);
    return rc;
}

int xls_merge_run(struct xls_op *op, const struct xls_disk *disk,
                  const struct xls_merge *merge, const char *phase,
                  bool *changed)
{
    char *job = xls_unique_name(disk->rec->vdev);
    bool pivots = xls_merge_pivots(merge);
    char *what = xls_merge_what(merge);
    int rc;

    *changed = false;
    rc = xls_merge_start(op, disk, merge, job, 0);
    if (rc) {
        xls_merge_give_up(op, merge);
        goto out;
    }
    rc = xls_job_wait(op, job, pivots ? XLS_JOB_READY
                      : xls_merge_waits(merge) ? XLS_JOB_PENDING
                                             : XLS_JOB_CONCLUDED,
                      what, phase, xls_merge_written(merge));
    if (!rc && xls_merge_waits(merge))
        rc = xls_merge_finalize(op, disk, merge, job);
    if (!rc && pivots) {
        rc = xls_merge_pivot(op, disk, merge, job, changed);
    } else if (!rc) {
        *changed = true;
        rc = merge->backward ? go_over(op, disk, merge, false)
                            : leave_layer(op, disk, merge);
    }
    if (rc && !*changed)
        rc = find_out(op, disk, merge, job, rc, changed);

out:
    /* What follows is for xls_merge_finish, later. */
    if (op->in_doubt || (rc && *changed))
        rc = ERROR_SNAPSHOT_INCOMPLETE;
    free(job);
    free(what);
    return rc;
}

int xls_merge_finish(struct xls_op *op, const struct xls_disk *disk,
                     const struct xls_merge *merge, bool *changed)
{
    bool paused = false;
    int rc;

    *changed = is_done(disk, merge);
    /* A disk that is not shown is not one that has not changed. */
    if (!disk->num_layers) {
        XLS_ERROR(&op->log, "disk %s: QEMU does not show its backing chain, so "
                  "whether %s and %s were merged is not known; their files "
                  "stay as they are", disk->rec->vdev, merge->child_path,
                  merge->layer_path);
        return ERROR_SNAPSHOT_INCOMPLETE;
    }
    if (!*changed) {
        if (xls_merge_is_before(disk, merge))
            xls_merge_give_up(op, merge);
        else    /* another disk by now */
            xls_merge_protect(op, merge);
        return op->in_doubt ? ERROR_SNAPSHOT_INCOMPLETE : 0;
    }
    if (!merge->backward)
        return leave_layer(op, disk, merge);
    rc = merge->copy ? 0 : xls_file_thaw(&op->log, merge->layer_path);
    if (!rc && child_is_active(merge))
        rc = xls_domain_pause(op, &paused);
    if (!rc)
        return go_over(op, disk, merge, paused);
    if (paused)
        xls_domain_unpause(op);
    return rc;
}
