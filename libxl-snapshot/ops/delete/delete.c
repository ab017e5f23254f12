/* SPDX-License-Identifier: LGPL-2.1-only */
#include "ops/delete/delete.h"

#include <stdlib.h>

#include "block/inside.h"
#include "block/node.h"
#include "common/alloc.h"
#include "intent/journal.h"
#include "merge/merge.h"
#include "merge/check.h"
#include "ops/args.h"
#include "xen/domain.h"

/* One disk of a delete. */
struct target {
    const libxl_disk_snapshot *args;
    struct xls_disk *disk;
    bool backward;
    bool keep_child_path;
};

/*
 * Which way to merge layer k of a disk. Where the formats differ, the layer
 * keeps its own path: images above that are not in this chain are then for
 * the caller to point to it, so that way is only taken when asked for or when
 * there are none. Forward out of a raw base leaves its users' configuration
 * naming a file that is gone, so the active layer goes back down into it.
 */
static void choose_way(struct xls_op *op, struct target *t, int k)
{
    const struct xls_layer *layer = &t->disk->layers[k];
    const struct xls_layer *child = &t->disk->layers[k - 1];

    t->keep_child_path = xls_merge_keeps_path(t->disk, k - 1, k);
    if (t->args->merge != LIBXL_SNAPSHOT_MERGE_AUTO)
        t->backward = t->args->merge == LIBXL_SNAPSHOT_MERGE_BACKWARD;
    else if (t->keep_child_path)
        t->backward = child->actual_size <= layer->actual_size &&
                      (!xls_layer_implicit(layer) || xls_can_insert_nodes(op));
    else
        t->backward = k == 1;
}

static int find_layer(struct xls_op *op, struct target *t, int *k)
{
    const char *path = t->args->external_path;

    if (!path || !path[0]) {
        XLS_ERROR(&op->log, "disk %s: external_path must name the layer to "
                  "delete", t->args->disk.vdev);
        return ERROR_INVAL;
    }
    *k = xls_disk_layer(t->disk, path);
    if (*k > 0)
        return 0;
    XLS_ERROR(&op->log, *k ? "disk %s: %s is not in its backing chain"
              : "disk %s: %s is the active layer, not a snapshot's",
              t->args->disk.vdev, path);
    return ERROR_SNAPSHOT_CHAIN_MISMATCH;
}

/* Everything that can be known before anything is written. */
static int check_target(struct xls_op *op, struct xls_disks *disks,
                        struct target *t)
{
    int k, rc;

    if (t->args->method == LIBXL_SNAPSHOT_METHOD_CALLER) {
        if (op->how->storage)
            return 0;
        XLS_ERROR(&op->log, "disk %s: method caller needs the storage "
                  "callback", t->args->disk.vdev);
        return ERROR_INVAL;
    }
    rc = xls_disks_named(op, disks, &t->args->disk, &t->disk);
    if (!rc)
        rc = xls_disk_check_data_files(op, t->disk);
    if (rc)
        return rc;
    if (t->args->method == LIBXL_SNAPSHOT_METHOD_INTERNAL) {
        if (t->args->name && t->args->name[0])
            return xls_internal_check(op, t->disk, t->args->name);
        XLS_ERROR(&op->log, "disk %s: method internal needs a name",
                  t->args->disk.vdev);
        return ERROR_INVAL;
    }
    rc = find_layer(op, t, &k);
    if (rc)
        return rc;
    choose_way(op, t, k);
    rc = xls_merge_check_internal(op, t->disk, k - 1, k);
    if (!rc)
        rc = xls_merge_check_running(op, disks, t->disk, k - 1, k);
    if (!rc && t->backward)
        rc = xls_merge_check_base(op, t->disk, k, t->args->force);
    if (!rc && t->backward)
        rc = xls_merge_check_backward(op, t->disk, k - 1, k);
    return rc;
}

static int write_journal(struct xls_op *op, const struct xls_disk *disk,
                         const struct xls_merge *merge)
{
    struct xls_json *o = xls_journal_new(op, "delete");
    int rc;

    xls_merge_journal(o, disk, merge);
    rc = xls_journal_write(op, o);
    xls_json_free(o);
    return rc;
}

/* What layer k was merged into, or the layer above it, is known without asking:
 * the disk's layers are told as they were before. */
static void report(const struct target *t, const struct xls_merge *merge, int k,
                   libxl_disk_snapshot_result *result)
{
    const struct xls_layer *layers = t->disk->layers;
    bool down = t->backward && k == 1;

    result->path = xls_strdup(down && !t->keep_child_path ? layers[1].path
                                                          : layers[0].path);
    result->format = xls_driver_format(layers[down ? 1 : 0].driver);
    if (!t->backward || !t->keep_child_path)
        result->unused_path = xls_strdup(t->backward ? merge->child_path
                                                     : merge->layer_path);
}

/* Merges the layer away, and has the records follow. */
static int delete_external(struct xls_op *op, struct xls_disks *disks,
                           struct target *t,
                           libxl_disk_snapshot_result *result)
{
    struct xls_merge merge = { 0 };
    int k, rc, done = 0;

    /* An earlier disk of this call may have changed nothing here, but the
     * layers' names are asked for afresh all the same. */
    rc = xls_disks_requery(op, disks);
    if (!rc)
        rc = xls_disk_verify(op, t->disk);
    if (!rc)
        rc = find_layer(op, t, &k);
    if (rc)
        return rc;
    rc = xls_merge_insert_nodes(op, disks, t->disk, k - 1, k, t->backward);
    if (rc)
        return rc;
    xls_merge_plan(&merge, t->disk, k - 1, k, t->backward, t->keep_child_path);
    merge.release = true;
    rc = write_journal(op, t->disk, &merge);
    if (!rc && xls_merge_run(op, t->disk, &merge, "merge", &rc) != XLS_UNKNOWN)
        done = xls_journal_remove(op);
    if (!rc)
        report(t, &merge, k, result);
    /* Its journal is there, and the next command finds that all is done. */
    if (!rc && done)
        rc = ERROR_SNAPSHOT_INCOMPLETE;
    xls_op_qmp_close(op);
    xls_merge_dispose(&merge);
    return rc;
}

static int run_target(struct xls_op *op, struct xls_disks *disks,
                      struct target *t, libxl_disk_snapshot_result *result)
{
    switch (t->args->method) {
    case LIBXL_SNAPSHOT_METHOD_EXTERNAL:
        return delete_external(op, disks, t, result);
    case LIBXL_SNAPSHOT_METHOD_INTERNAL:
        return xls_internal_delete(op, t->disk, t->args->name);
    default:
        return op->how->storage(op->how->user, LIBXL_SNAPSHOT_STORAGE_DELETE,
                                op->domid, t->args);
    }
}

static int run_targets(struct xls_op *op, struct xls_disks *disks,
                       struct target *targets, int num,
                       libxl_domain_snapshot_result *result)
{
    int i, rc = 0;

    result->disks = xls_calloc(num, sizeof(*result->disks));
    for (i = 0; i < num && !rc; i++) {
        libxl_disk_snapshot_result *r = &result->disks[i];

        libxl_disk_snapshot_result_init(r);
        r->vdev = xls_strdup(targets[i].args->disk.vdev);
        r->method = targets[i].args->method;
        rc = run_target(op, disks, &targets[i], r);
        /* A disk counts as done once its chain has changed. */
        if (!rc || r->path)
            result->num_disks = i + 1;
        else
            libxl_disk_snapshot_result_dispose(r);
    }
    return rc;
}

int xls_delete_run(struct xls_op *op, const libxl_domain_snapshot_args *args,
                   libxl_domain_snapshot_result *result)
{
    struct target *targets = NULL;
    struct xls_disks disks = { 0 };
    int i, num = 0, rc;

    rc = xls_args_check(op, args);
    if (!rc)
        rc = xls_domain_check(op, false, false);
    if (!rc)
        rc = xls_disks_load(op, &disks);
    if (rc)
        goto out;
    targets = xls_calloc(args->num_disks, sizeof(*targets));
    for (i = 0; i < args->num_disks && !rc; i++) {
        if (args->disks[i].method == LIBXL_SNAPSHOT_METHOD_NONE)
            continue;
        targets[num].args = &args->disks[i];
        rc = check_target(op, &disks, &targets[num++]);
    }
    if (rc)
        goto out;
    result->domid = op->domid;
    rc = run_targets(op, &disks, targets, num, result);

out:
    free(targets);
    xls_disks_dispose(&disks);
    return rc;
}
