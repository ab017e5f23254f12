/* SPDX-License-Identifier: LGPL-2.1-only */
/* A fold in a journal. */
#include "common/alloc.h"
#include "common/files.h"
#include "common/json/file_id.h"
#include "merge/fold.h"

struct xls_json *xls_fold_json(const struct xls_fold *fold)
{
    struct xls_json *o = xls_json_object(), *between = xls_json_array();
    int i;

    xls_json_set_bool(o, "backward", fold->backward);
    xls_json_set_bool(o, "copy", fold->copy);
    xls_json_set_bool(o, "shallow", fold->shallow);
    xls_json_set_bool(o, "keep_child_path", fold->keep_child_path);
    xls_json_set_bool(o, "release", fold->release);
    xls_json_set_str(o, "layer_node", fold->layer_node);
    xls_json_set_str(o, "layer_path", fold->layer_path);
    xls_json_set_str(o, "child_node", fold->child_node);
    xls_json_set_str(o, "child_path", fold->child_path);
    for (i = 0; i < fold->num_between; i++) {
        struct xls_json *b = xls_json_object();

        xls_json_set_str(b, "node", fold->between_nodes[i]);
        xls_json_set_str(b, "path", fold->between_paths[i]);
        xls_json_append(between, b);
    }
    xls_json_set(o, "between", between);
    xls_json_set_str(o, "second_name", fold->second_name);
    xls_file_id_to_json(o, "layer_id", &fold->layer_id);
    xls_file_id_to_json(o, "child_id", &fold->child_id);
    xls_json_set_str(o, "above_path", fold->above_path);
    xls_json_set_bool(o, "above_frozen", fold->above_frozen);
    return o;
}

static char *text(const struct xls_json *o, const char *key)
{
    return xls_strdup(xls_json_get_str(o, key));
}

int xls_fold_from_json(const struct xls_json *o, struct xls_fold *fold)
{
    const struct xls_json *between = xls_json_get(o, "between");
    size_t i, num = xls_json_len(between);
    bool whole;

    *fold = (struct xls_fold){
        .backward = xls_json_get_bool(o, "backward", false),
        .copy = xls_json_get_bool(o, "copy", false),
        .shallow = xls_json_get_bool(o, "shallow", false),
        .keep_child_path = xls_json_get_bool(o, "keep_child_path", false),
        .release = xls_json_get_bool(o, "release", false),
        .layer_node = text(o, "layer_node"),
        .layer_path = text(o, "layer_path"),
        .child_node = text(o, "child_node"),
        .child_path = text(o, "child_path"),
        .second_name = text(o, "second_name"),
        .layer_id = xls_file_id_from_json(o, "layer_id"),
        .child_id = xls_file_id_from_json(o, "child_id"),
        .above_path = text(o, "above_path"),
        .above_frozen = xls_json_get_bool(o, "above_frozen", false),
        .between_nodes = xls_calloc(num, sizeof(char *)),
        .between_paths = xls_calloc(num, sizeof(char *)),
        .num_between = (int)num,
    };
    whole = fold->layer_node && fold->layer_path && fold->child_node &&
            fold->child_path;
    for (i = 0; i < num; i++) {
        const struct xls_json *b = xls_json_at(between, i);

        fold->between_nodes[i] = text(b, "node");
        fold->between_paths[i] = text(b, "path");
        whole = whole && fold->between_nodes[i] && fold->between_paths[i];
    }
    if (whole && fold->keep_child_path && !fold->second_name)
        fold->second_name = xls_file_second_name_unrecorded(fold->layer_path,
                                                            fold->child_path);
    return whole ? 0 : ERROR_SNAPSHOT_INCOMPLETE;
}

void xls_fold_journal(struct xls_json *journal, const struct xls_disk *disk,
                      const struct xls_fold *fold)
{
    struct xls_json *o = xls_fold_json(fold);

    xls_json_set_str(o, "vdev", disk->rec->vdev);
    xls_json_set(journal, "fold", o);
}
