/* SPDX-License-Identifier: LGPL-2.1-only */
#include "merge/steps.h"

#include "block/node.h"
#include "common/files.h"
#include "xen/users.h"

/* Those files of it that are layers below an active one. */
static void freeze_layers(struct xls_op *op, const struct xls_merge *merge,
                          void (*freeze)(struct xls_op *op, const char *path))
{
    if (merge->keep_child_path)
        xls_file_drop_second_name(&op->log, merge->second_name,
                                  merge->layer_path);
    /* Or it is the disk's own file by now, with its former name left. */
    if (!merge->copy && !(merge->keep_child_path &&
                          xls_same_file(merge->layer_path, merge->child_path)))
        freeze(op, merge->layer_path);
    if (!xls_merge_child_is_active(merge))
        freeze(op, merge->child_path);
    if (merge->above_frozen)
        freeze(op, merge->above_path);
}

static void freeze_inactive(struct xls_op *op, const char *path)
{
    if (!xls_is_active(op, path))
        xls_file_freeze(&op->log, path);
}

void xls_merge_protect(struct xls_op *op, const struct xls_merge *merge)
{
    freeze_layers(op, merge, freeze_inactive);
}

static void freeze(struct xls_op *op, const char *path)
{
    xls_file_freeze(&op->log, path);
}

void xls_merge_give_up(struct xls_op *op, const struct xls_merge *merge)
{
    if (op->in_doubt)
        return;
    freeze_layers(op, merge, freeze);
    if (merge->copy) {
        xls_node_del(op, merge->layer_node);
        xls_merge_sweep_nodes(op);
    }
}
