/* SPDX-License-Identifier: LGPL-2.1-only */
#include "merge/fold.h"

#include "common/files.h"
#include "xen/users.h"

static void freeze_again(struct xls_op *op, const char *path)
{
    if (path && !xls_is_active(op, path))
        xls_file_freeze(&op->log, path);
}

void xls_fold_protect(struct xls_op *op, const struct xls_fold *fold)
{
    if (fold->keep_child_path)
        xls_file_drop_second_name(&op->log, fold->second_name,
                                  fold->layer_path);
    /* Or it is the disk's own file by now, with its former name left. */
    if (!fold->copy && !(fold->keep_child_path &&
                         xls_same_file(fold->layer_path, fold->child_path)))
        freeze_again(op, fold->layer_path);
    if (fold->above_path)
        freeze_again(op, fold->child_path);
    if (fold->above_frozen)
        freeze_again(op, fold->above_path);
}
