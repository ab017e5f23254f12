/* SPDX-License-Identifier: LGPL-2.1-only */
/* A merge in a journal. */
#include "common/alloc.h"
#include "common/files.h"
#include "common/json/file_id.h"
#include "merge/merge.h"

struct xls_json *xls_merge_json(const struct xls_merge *merge)
{
    struct xls_json *o = xls_json_object(), *between = xls_json_array();
    int i;

    xls_json_set_bool(o, "backward", merge->backward);
    xls_json_set_bool(o, "copy", merge->copy);
    xls_json_set_bool(o, "shallow", merge->shallow);
    xls_json_set_bool(o, "keep_child_path", merge->keep_child_path);
    xls_json_set_bool(o, "release", merge->release);
    xls_json_set_str(o, "layer_node", merge->layer_node);
    xls_json_set_str(o, "layer_path", merge->layer_path);
    xls_json_set_str(o, "child_node", merge->child_node);
    xls_json_set_str(o, "child_path", merge->child_path);
    for (i = 0; i < merge->num_between; i++) {
        struct xls_json *b = xls_json_object();

        xls_json_set_str(b, "node", merge->between_nodes[i]);
        xls_json_set_str(b, "path", merge->between_paths[i]);
        xls_json_append(between, b);
    }
    xls_json_set(o, "between", between);
    xls_json_set_str(o, "second_name", merge->second_name);
    xls_file_id_to_json(o, "layer_id", &merge->layer_id);
    xls_file_id_to_json(o, "child_id", &merge->child_id);
    xls_json_set_str(o, "above_path", merge->above_path);
    xls_json_set_bool(o, "above_frozen", merge->above_frozen);
    return o;
}

static char *text(const struct xls_json *o, const char *key)
{
    return xls_strdup(xls_json_get_str(o, key));
}

int xls_merge_from_json(const struct xls_json *o, struct xls_merge *merge)
{
    const struct xls_json *between = xls_json_get(o, "between");
    size_t i, num = xls_json_len(between);
    bool whole;

    *merge = (struct xls_merge){
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
    whole = merge->layer_node && merge->layer_path && merge->child_node &&
            merge->child_path;
    for (i = 0; i < num; i++) {
        const struct xls_json *b = xls_json_at(between, i);

        merge->between_nodes[i] = text(b, "node");
        merge->between_paths[i] = text(b, "path");
        whole = whole && merge->between_nodes[i] && merge->between_paths[i];
    }
    if (whole && merge->keep_child_path && !merge->second_name)
        merge->second_name = xls_file_second_name_unrecorded(merge->layer_path,
                                                            merge->child_path);
    return whole ? 0 : ERROR_SNAPSHOT_INCOMPLETE;
}

void xls_merge_journal(struct xls_json *journal, const struct xls_disk *disk,
                      const struct xls_merge *merge)
{
    struct xls_json *o = xls_merge_json(merge);

    xls_json_set_str(o, "vdev", disk->rec->vdev);
    xls_json_set(journal, XLS_MERGE_KEY, o);
}
