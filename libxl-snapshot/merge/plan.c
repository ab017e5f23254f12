/* SPDX-License-Identifier: LGPL-2.1-only */
/* What a merge is to do, and what follows from that. */
#include "merge/merge.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/files.h"

static void add_between(struct xls_merge *merge, const struct xls_layer *layer)
{
    int n = merge->num_between++;

    merge->between_nodes = xls_realloc(merge->between_nodes, n + 1,
                                      sizeof(*merge->between_nodes));
    merge->between_paths = xls_realloc(merge->between_paths, n + 1,
                                      sizeof(*merge->between_paths));
    merge->between_nodes[n] = xls_strdup(layer->node);
    merge->between_paths[n] = xls_strdup(layer->path);
}

/* What the two files are, and the name of what will take the other's path. */
static void plan_files(struct xls_merge *merge)
{
    if (merge->keep_child_path)
        merge->second_name = xls_file_second_name(merge->child_path);
    xls_identify(merge->layer_path, &merge->layer_id);
    xls_identify(merge->child_path, &merge->child_id);
}

void xls_merge_plan(struct xls_merge *merge, const struct xls_disk *disk,
                   int child, int layer, bool backward, bool keep_child_path)
{
    const struct xls_layer *l = disk->layers;
    int i;

    *merge = (struct xls_merge){
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
        add_between(merge, &l[i]);
    plan_files(merge);
}

void xls_merge_plan_copy(struct xls_merge *merge, const struct xls_disk *disk,
                        const char *node, const char *path, bool shallow,
                        bool whole_chain, bool keep_child_path)
{
    const struct xls_layer *l = disk->layers;
    int i;

    *merge = (struct xls_merge){
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
        add_between(merge, &l[i]);
    plan_files(merge);
}

void xls_merge_dispose(struct xls_merge *merge)
{
    int i;

    for (i = 0; i < merge->num_between; i++) {
        free(merge->between_nodes[i]);
        free(merge->between_paths[i]);
    }
    free(merge->between_nodes);
    free(merge->between_paths);
    free(merge->layer_node);
    free(merge->layer_path);
    free(merge->child_node);
    free(merge->child_path);
    free(merge->second_name);
    free(merge->above_path);
}

bool xls_merge_pivots(const struct xls_merge *merge)
{
    return merge->backward && !merge->above_path;
}

bool xls_merge_waits(const struct xls_merge *merge)
{
    return !merge->backward && !merge->above_path;
}

char *xls_merge_what(const struct xls_merge *merge)
{
    return xls_asprintf(merge->copy ? "copying %s to %s" : "merging %s into %s",
                        merge->backward ? merge->child_path : merge->layer_path,
                        merge->backward ? merge->layer_path : merge->child_path);
}

void xls_merge_unused(const struct xls_merge *merge,
                     void (*f)(void *user, const char *path), void *user)
{
    int i;

    /* Where the path was taken over, its former file is gone. */
    if (merge->backward && !merge->keep_child_path)
        f(user, merge->child_path);
    for (i = 0; i < merge->num_between; i++)
        f(user, merge->between_paths[i]);
    if (!merge->backward)
        f(user, merge->layer_path);
}

const char *xls_merge_written(const struct xls_merge *merge)
{
    return merge->backward ? merge->layer_path : merge->child_path;
}
