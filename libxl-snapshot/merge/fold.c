/* SPDX-License-Identifier: LGPL-2.1-only */
#include "merge/fold.h"

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

static bool child_is_active(const struct xls_fold *fold)
{
    return !fold->above_path;
}

static int node_index(const struct xls_disk *disk, const char *node)
{
    int i;

    for (i = 0; i < disk->num_layers; i++)
        if (!strcmp(disk->layers[i].node, node))
            return i;
    return -1;
}

static void leave_nodes(struct xls_op *op, const struct xls_fold *fold)
{
    int i;

    if (fold->backward)
        xls_node_del(op, fold->child_node);
    for (i = 0; i < fold->num_between; i++)
        xls_node_del(op, fold->between_nodes[i]);
    if (!fold->backward)
        xls_node_del(op, fold->layer_node);
    sweep_file_nodes(op);
}

void xls_fold_give_up(struct xls_op *op, const struct xls_fold *fold)
{
    if (op->in_doubt)
        return;
    if (fold->keep_child_path)
        xls_file_drop_second_name(&op->log, fold->second_name,
                                  fold->layer_path);
    if (fold->copy) {
        xls_node_del(op, fold->layer_node);
        sweep_file_nodes(op);
        return;
    }
    /* What is below the active layer is protected. */
    xls_file_freeze(&op->log, fold->layer_path);
    if (!child_is_active(fold))
        xls_file_freeze(&op->log, fold->child_path);
    if (fold->above_frozen)
        xls_file_freeze(&op->log, fold->above_path);
}

/*
 * QEMU ends a stream, and a commit below the active layer, by writing another
 * backing file name into the header of the image above what leaves the chain, and
 * flushes that only where the image becomes read-only after. Until it is on the
 * disk, a power cut leaves a header that names an image which may be gone.
 */
static int sync_header(struct xls_op *op, const struct xls_disk *disk,
                       const struct xls_fold *fold)
{
    const char *path = fold->backward ? fold->above_path : fold->child_path;
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
                       const struct xls_fold *fold)
{
    int rc;

    rc = sync_header(op, disk, fold);
    if (rc)
        return rc;
    if (!child_is_active(fold))
        xls_file_freeze(&op->log, fold->child_path);
    leave_nodes(op, fold);
    if (op->in_doubt)
        return ERROR_SNAPSHOT_INCOMPLETE;
    if (fold->release)
        xls_file_thaw(&op->log, fold->layer_path);
    return 0;
}

/*
 * Gives the layer's file the child's path, on disk and in QEMU, as far as that
 * has not been done. When it is written already, the guest must be paused.
 * layer, below: as QEMU has them; below is NULL for the last.
 */
static int take_child_path(struct xls_op *op, const struct xls_disk *disk,
                           const struct xls_fold *fold,
                           const struct xls_layer *layer,
                           const struct xls_layer *below)
{
    int rc = 0;

    if (!access(fold->layer_path, F_OK) &&
        !xls_same_file(fold->layer_path, fold->child_path)) {
        rc = xls_check_unused(op, XLS_NO_DOMID, disk->rec->vdev,
                              fold->child_path);
        if (!rc)
            rc = xls_file_check_id(&op->log, fold->child_path,
                                   &fold->child_id);
        if (!rc)
            rc = xls_file_thaw(&op->log, fold->child_path);
        if (!rc)
            rc = xls_file_take_path(&op->log, fold->layer_path,
                                    fold->child_path, fold->second_name,
                                    &fold->layer_id);
    }
    /* A raw image does not grow. */
    if (!rc && child_is_active(fold) && strcmp(layer->driver, "raw"))
        rc = xls_file_headroom(&op->log, fold->child_path, IN_FLIGHT_BYTES);
    if (!rc && strcmp(layer->path, fold->child_path))
        rc = xls_node_rename(op, layer, fold->child_path,
                             !child_is_active(fold), below ? below->node : NULL,
                             xls_disk_discards(disk));
    /* Until now QEMU may have had to open it by its former name. */
    if (!rc && xls_same_file(fold->layer_path, fold->child_path))
        rc = xls_file_drop_former(&op->log, fold->layer_path,
                                  fold->child_path);
    return rc;
}

/* Backward, after QEMU's part: names and libxl's records. */
static int settle(struct xls_op *op, const struct xls_disk *disk,
                  const struct xls_fold *fold)
{
    int layer = node_index(disk, fold->layer_node);
    const struct xls_layer *l = &disk->layers[layer < 0 ? 0 : layer];
    struct xls_record record = {
        .vdev = disk->rec->vdev,
        .devid = disk->devid,
        .path = fold->keep_child_path ? fold->child_path : fold->layer_path,
        .format = xls_driver_format(l->driver),
    };
    int rc = 0;

    if (layer < 0) {
        XLS_ERROR(&op->log, "disk %s: QEMU has not gone over to %s",
                  disk->rec->vdev, fold->layer_path);
        return ERROR_SNAPSHOT_QEMU;
    }
    if (fold->keep_child_path)
        rc = take_child_path(op, disk, fold, l,
                             layer + 1 < disk->num_layers ? l + 1 : NULL);
    /* Whoever still has the child on record, libxl until the next lines, the
     * toolstack until it is told, must fail to start on it rather than go on
     * with what its file holds. */
    else if (child_is_active(fold))
        xls_file_freeze_now(&op->log, fold->child_path);
    if (rc || !child_is_active(fold))
        return rc;
    xls_op_qmp_close(op);
    return xls_records_set(op, &record, 1);
}

/* Backward: the child is in nobody's chain any more. */
static int leave_child(struct xls_op *op, const struct xls_fold *fold)
{
    if (!child_is_active(fold))
        xls_file_freeze(&op->log, fold->keep_child_path ? fold->child_path
                                                        : fold->layer_path);
    if (fold->above_frozen)
        xls_file_freeze(&op->log, fold->above_path);
    leave_nodes(op, fold);
    if (op->in_doubt)
        return ERROR_SNAPSHOT_INCOMPLETE;
    if (child_is_active(fold) && !fold->keep_child_path)
        xls_file_freeze(&op->log, fold->child_path);
    return 0;
}

/*
 * Backward, after QEMU's part: all the rest. Unpauses a guest that was paused
 * for it. Whoever closes a removed file last spends the time that freeing its
 * blocks takes, a third of a second per GiB on ext4: not QEMU, all disks of
 * which would wait for that.
 */
static int go_over(struct xls_op *op, const struct xls_disk *disk,
                   const struct xls_fold *fold, bool paused)
{
    int replaced = -1, rc;

    if (fold->keep_child_path)
        replaced = open(fold->child_path, O_PATH | O_CLOEXEC);
    rc = sync_header(op, disk, fold);
    if (!rc)
        rc = settle(op, disk, fold);
    if (paused)
        xls_domain_unpause(op);
    if (!rc)
        rc = leave_child(op, fold);
    if (replaced >= 0) {
        xls_op_qmp_close(op);       /* others need not wait for it, either */
        close(replaced);
    }
    return rc;
}

int xls_fold_finalize(struct xls_op *op, const struct xls_disk *disk,
                      const struct xls_fold *fold, const char *job)
{
    char *what = xls_fold_what(fold);
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
static bool is_done(const struct xls_disk *disk, const struct xls_fold *fold)
{
    bool layer = node_index(disk, fold->layer_node) >= 0;
    bool child = node_index(disk, fold->child_node) >= 0;

    return fold->backward ? layer && !child : !layer && child;
}

bool xls_fold_is_before(const struct xls_disk *disk,
                        const struct xls_fold *fold)
{
    return node_index(disk, fold->child_node) >= 0 && !is_done(disk, fold);
}

/*
 * A job that was started has not done what it was to do, by an error or
 * because QEMU did not answer. It ends here, whatever it has done; then the
 * chain shows which way it went.
 */
static int find_out(struct xls_op *op, const struct xls_disk *disk,
                    const struct xls_fold *fold, const char *job, int why,
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
        rc = xls_fold_finish(op, &after, fold, changed);
    if (!rc && !*changed)
        rc = why == ERROR_SNAPSHOT_INCOMPLETE ? ERROR_SNAPSHOT_QMP : why;
    xls_disk_drop_layers(&after);
    return rc;
}

int xls_fold_pivot(struct xls_op *op, const struct xls_disk *disk,
                   const struct xls_fold *fold, const char *job, bool *changed)
{
    struct xls_disk after = { .rec = disk->rec, .devid = disk->devid };
    char *what = xls_fold_what(fold);
    bool paused = false;
    int rc;

    *changed = false;
    rc = xls_check_unused(op, XLS_NO_DOMID, disk->rec->vdev, fold->child_path);
    if (!rc)
        rc = xls_check_unused(op, XLS_NO_DOMID, disk->rec->vdev,
                              fold->layer_path);
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
    if (rc ? xls_unanswered(rc) || op->in_doubt : fold->copy) {
        if (!xls_disk_query(op, &after)) {
            op->in_doubt = false;
            *changed = is_done(&after, fold);
            rc = *changed ? 0 : rc;
            disk = &after;
        } else {
            rc = xls_op_doubt(op, what);
        }
    }
    if (!rc)
        rc = go_over(op, disk, fold, paused);
    else if (paused)
        xls_domain_unpause(op);
    xls_disk_drop_layers(&after);
    free(what);
    return rc;
}

int xls_fold_run(struct xls_op *op, const struct xls_disk *disk,
                 const struct xls_fold *fold, const char *phase, bool *changed)
{
    char *job = xls_unique_name(disk->rec->vdev);
    bool pivots = xls_fold_pivots(fold);
    char *what = xls_fold_what(fold);
    int rc;

    *changed = false;
    rc = xls_fold_start(op, disk, fold, job, 0);
    if (rc) {
        xls_fold_give_up(op, fold);
        goto out;
    }
    rc = xls_job_wait(op, job, pivots ? XLS_JOB_READY
                      : xls_fold_waits(fold) ? XLS_JOB_PENDING
                                             : XLS_JOB_CONCLUDED,
                      what, phase, xls_fold_written(fold));
    if (!rc && xls_fold_waits(fold))
        rc = xls_fold_finalize(op, disk, fold, job);
    if (!rc && pivots) {
        rc = xls_fold_pivot(op, disk, fold, job, changed);
    } else if (!rc) {
        *changed = true;
        rc = fold->backward ? go_over(op, disk, fold, false)
                            : leave_layer(op, disk, fold);
    }
    if (rc && !*changed)
        rc = find_out(op, disk, fold, job, rc, changed);

out:
    /* What follows is for xls_fold_finish, later. */
    if (op->in_doubt || (rc && *changed))
        rc = ERROR_SNAPSHOT_INCOMPLETE;
    free(job);
    free(what);
    return rc;
}

int xls_fold_finish(struct xls_op *op, const struct xls_disk *disk,
                    const struct xls_fold *fold, bool *changed)
{
    bool paused = false;
    int rc;

    *changed = is_done(disk, fold);
    /* A disk that is not shown is not one that has not changed. */
    if (!disk->num_layers) {
        XLS_ERROR(&op->log, "disk %s: QEMU does not show its backing chain, so "
                  "whether %s and %s were merged is not known; their files "
                  "stay as they are", disk->rec->vdev, fold->child_path,
                  fold->layer_path);
        return ERROR_SNAPSHOT_INCOMPLETE;
    }
    if (!*changed) {
        if (xls_fold_is_before(disk, fold))
            xls_fold_give_up(op, fold);
        else    /* another disk by now */
            xls_fold_protect(op, fold);
        return op->in_doubt ? ERROR_SNAPSHOT_INCOMPLETE : 0;
    }
    if (!fold->backward)
        return leave_layer(op, disk, fold);
    rc = fold->copy ? 0 : xls_file_thaw(&op->log, fold->layer_path);
    if (!rc && child_is_active(fold))
        rc = xls_domain_pause(op, &paused);
    if (!rc)
        return go_over(op, disk, fold, paused);
    if (paused)
        xls_domain_unpause(op);
    return rc;
}
