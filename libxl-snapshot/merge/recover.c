/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The completion of a merge when its process was killed. How far it came, QEMU
 * and the files tell.
 */
#include "merge/merge.h"

int xls_merge_recover(struct xls_op *op, const struct xls_json *journal)
{
    const struct xls_json *o = xls_json_get(journal, XLS_MERGE_KEY);
    struct xls_merge merge = { 0 };
    struct xls_disks disks = { 0 };
    struct xls_disk *disk = NULL;
    int rc;

    if (!o)
        return 0;
    rc = xls_merge_from_json(o, &merge);
    if (!rc) {
        rc = xls_disks_load(op, &disks);
        if (rc)
            goto out;
        disk = xls_disks_find(&disks, xls_json_get_str(o, "vdev"));
    }
    /* Detached: nothing that is still to be done concerns it. */
    if (!rc && !disk) {
        XLS_WARN(&op->log, "disk %s was detached while %s was merged with %s; "
                 "which of the two holds the newer data is not known, keep "
                 "both", xls_json_get_str(o, "vdev"), merge.layer_path,
                 merge.child_path);
        xls_merge_protect(op, &merge);
        goto out;
    }
    if (rc) {
        XLS_ERROR(&op->log, "the journal of an interrupted merge of layers "
                  "does not fit domain %s", op->name);
        rc = ERROR_SNAPSHOT_INCOMPLETE;
        goto out;
    }
    if (xls_merge_finish(op, disk, &merge) == XLS_UNKNOWN)
        rc = ERROR_SNAPSHOT_INCOMPLETE;

out:
    xls_op_qmp_close(op);
    xls_merge_dispose(&merge);
    xls_disks_dispose(&disks);
    return rc;
}

int xls_merge_tidy(struct xls_op *op, const struct xls_json *journal)
{
    const struct xls_json *o = xls_json_get(journal, XLS_MERGE_KEY);
    struct xls_merge merge = { 0 };

    if (!o)
        return 0;
    if (!xls_merge_from_json(o, &merge))
        xls_merge_protect(op, &merge);
    xls_merge_dispose(&merge);
    return 0;
}
