/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The fold that a delete is about to do, and its completion when the process
 * was killed. How far it came, QEMU and the files tell.
 */
#include "journal/journal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "delete.h"

int xls_delete_journal(struct xls_op *op, const struct xls_disk *disk,
                       const struct xls_fold *fold)
{
    struct xls_json *o = xls_journal_new(op, "delete");
    int rc;

    xls_json_set_str(o, "vdev", disk->rec->vdev);
    xls_json_set_bool(o, "backward", fold->backward);
    xls_json_set_bool(o, "keep_child_path", fold->keep_child_path);
    xls_json_set_str(o, "layer_node", fold->layer_node);
    xls_json_set_str(o, "layer_path", fold->layer_path);
    xls_json_set_str(o, "child_node", fold->child_node);
    xls_json_set_str(o, "child_path", fold->child_path);
    if (fold->above_path)
        xls_json_set_str(o, "above_path", fold->above_path);
    xls_json_set_bool(o, "above_frozen", fold->above_frozen);
    rc = xls_journal_write(op, o);
    xls_json_free(o);
    return rc;
}

static char *text(const struct xls_json *o, const char *key)
{
    const char *s = xls_json_get_str(o, key);

    return s ? xls_strdup(s) : NULL;
}

int xls_delete_finish_killed(struct xls_op *op, const struct xls_json *journal)
{
    struct xls_fold fold = {
        .backward = xls_json_get_bool(journal, "backward", false),
        .keep_child_path = xls_json_get_bool(journal, "keep_child_path", false),
        .layer_node = text(journal, "layer_node"),
        .layer_path = text(journal, "layer_path"),
        .child_node = text(journal, "child_node"),
        .child_path = text(journal, "child_path"),
        .above_path = text(journal, "above_path"),
        .above_frozen = xls_json_get_bool(journal, "above_frozen", false),
    };
    struct xls_disks disks = {0};
    struct xls_disk *disk;
    int rc;

    rc = xls_disks_load(op, &disks);
    if (rc)
        goto out;
    disk = xls_disks_find(&disks, xls_json_get_str(journal, "vdev"));
    if (!disk || !fold.layer_node || !fold.layer_path || !fold.child_node ||
        !fold.child_path) {
        XLS_ERROR(&op->log,
                  "the journal of an interrupted deletion does not "
                  "fit domain %s",
                  op->name);
        rc = ERROR_SNAPSHOT_INCOMPLETE;
        goto out;
    }
    rc = xls_fold_finish(op, disk, &fold);

out:
    xls_op_qmp_close(op);
    xls_fold_dispose(&fold);
    xls_disks_dispose(&disks);
    return rc;
}
