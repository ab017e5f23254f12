/* SPDX-License-Identifier: LGPL-2.1-only */
/* What a fold is to do, and what follows from that. */
#include "merge/fold.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/files.h"

static void add_between(struct xls_fold *fold, const struct xls_layer *layer)
{
    int n = fold->num_between++;

    fold->between_nodes = xls_realloc(fold->between_nodes, n + 1,
                                      sizeof(*fold->between_nodes));
    fold->between_paths = xls_realloc(fold->between_paths, n + 1,
                                      sizeof(*fold->between_paths));
    fold->between_nodes[n] = xls_strdup(layer->node);
    fold->between_paths[n] = xls_strdup(layer->path);
}

/* What the two files are, and the name of what will take the other's path. */
static void plan_files(struct xls_fold *fold)
{
    if (fold->keep_child_path)
        fold->second_name = xls_file_second_name(fold->child_path);
    xls_identify(fold->layer_path, &fold->layer_id);
    xls_identify(fold->child_path, &fold->child_id);
}

void xls_fold_plan(struct xls_fold *fold, const struct xls_disk *disk,
                   int child, int layer, bool backward, bool keep_child_path)
{
    const struct xls_layer *l = disk->layers;
    int i;

    *fold = (struct xls_fold){
        .backward = backward,
        .keep_child_path = backward && keep_child_path,
        .layer_node = xls_strdup(l[layer].node),
        .layer_path = xls_strdup(l[layer].path),
        .child_node = xls_strdup(l[child].node),
        .child_path = xls_strdup(l[child].path),
        .above_path = child ? xls_strdup(l[child - 1].path) : NULL,
        .above_frozen = child > 1,
    };
    for (i = child + 1; i < layer; i++)
        add_between(fold, &l[i]);
    plan_files(fold);
}

void xls_fold_plan_copy(struct xls_fold *fold, const struct xls_disk *disk,
                        const char *node, const char *path, bool shallow,
                        bool whole_chain, bool keep_child_path)
{
    const struct xls_layer *l = disk->layers;
    int i;

    *fold = (struct xls_fold){
        .backward = true,
        .copy = true,
        .shallow = shallow,
        .keep_child_path = keep_child_path,
        .layer_node = xls_strdup(node),
        .layer_path = xls_strdup(path),
        .child_node = xls_strdup(l[0].node),
        .child_path = xls_strdup(l[0].path),
    };
    for (i = 1; whole_chain && i < disk->num_layers; i++)
        add_between(fold, &l[i]);
    plan_files(fold);
}

void xls_fold_dispose(struct xls_fold *fold)
{
    int i;

    for (i = 0; i < fold->num_between; i++) {
        free(fold->between_nodes[i]);
        free(fold->between_paths[i]);
    }
    free(fold->between_nodes);
    free(fold->between_paths);
    free(fold->layer_node);
    free(fold->layer_path);
    free(fold->child_node);
    free(fold->child_path);
    free(fold->second_name);
    free(fold->above_path);
}

bool xls_fold_pivots(const struct xls_fold *fold)
{
    return fold->backward && !fold->above_path;
}

bool xls_fold_waits(const struct xls_fold *fold)
{
    return !fold->backward && !fold->above_path;
}

char *xls_fold_what(const struct xls_fold *fold)
{
    return xls_asprintf(fold->copy ? "copying %s to %s" : "merging %s into %s",
                        fold->backward ? fold->child_path : fold->layer_path,
                        fold->backward ? fold->layer_path : fold->child_path);
}

void xls_fold_unused(const struct xls_fold *fold,
                     void (*f)(void *user, const char *path), void *user)
{
    int i;

    /* Where the path was taken over, its former file is gone. */
    if (fold->backward && !fold->keep_child_path)
        f(user, fold->child_path);
    for (i = 0; i < fold->num_between; i++)
        f(user, fold->between_paths[i]);
    if (!fold->backward)
        f(user, fold->layer_path);
}

const char *xls_fold_written(const struct xls_fold *fold)
{
    return fold->backward ? fold->layer_path : fold->child_path;
}
