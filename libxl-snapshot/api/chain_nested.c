/* SPDX-License-Identifier: LGPL-2.1-only */
#include <libxl_snapshot.h>

#include <string.h>

#include "block/chain.h"
#include "common/json/json.h"

/* Deeper JSON is neither printed nor read by everyone. A layer has two levels
 * of its own, its mismatches. */
#define MAX_DEPTH 115

int libxl_disk_chain_child(const libxl_disk_chain *chain, int parent,
                           int after)
{
    return xls_chain_child(chain, parent, after);
}

/* The members of a generated type, but some; NULL when it cannot be JSON. */
static struct xls_json *members(char *text, const char *const *but)
{
    struct xls_json *all, *some = xls_json_object();
    size_t i, k;

    all = xls_json_of_text(text, &xls_json_limits_qmp);
    for (i = 0; all && i < all->u.list.num; i++) {
        for (k = 0; but[k]; k++)
            if (!strcmp(all->u.list.keys[i], but[k]))
                break;
        if (!but[k])
            xls_json_set(some, all->u.list.keys[i],
                         xls_json_copy(all->u.list.items[i]));
    }
    if (all) {
        xls_json_free(all);
        return some;
    }
    xls_json_free(some);
    return NULL;
}

/* The layer and all below it, or NULL. */
static struct xls_json *nest(libxl_ctx *ctx, const libxl_disk_chain *chain,
                             int i, int depth)
{
    static const char *const left_out[] = { "parent", "child", NULL };
    struct xls_json *o, *below, *others = NULL;
    const char *name;
    bool backing;
    int child;

    if (depth > MAX_DEPTH)
        return NULL;
    o = members(libxl_disk_layer_to_json(ctx, &chain->layers[i]), left_out);
    for (child = libxl_disk_chain_child(chain, i, -1); o && child >= 0;
         child = libxl_disk_chain_child(chain, i, child)) {
        name = chain->layers[child].child;
        backing = name && !strcmp(name, "backing") &&
                  !xls_json_get(o, "backing");
        below = nest(ctx, chain, child, depth + (backing ? 1 : 2));
        if (!below) {
            xls_json_free(o);
            o = NULL;
        } else if (backing) {
            xls_json_set(o, "backing", below);
        } else {
            if (!others)
                others = xls_json_array();
            xls_json_set_str(below, "child", name);
            xls_json_append(others, below);
        }
    }
    if (o && others)
        xls_json_set(o, "children", others);
    else
        xls_json_free(others);
    return o;
}

char *libxl_disk_chain_to_nested_json(libxl_ctx *ctx,
                                      const libxl_disk_chain *chain)
{
    static const char *const left_out[] = { "layers", NULL };
    struct xls_json *o, *top;
    char *text = NULL;

    top = chain->num_layers ? nest(ctx, chain, 0, 1) : NULL;
    o = top ? members(libxl_disk_chain_to_json(ctx, chain), left_out) : NULL;
    if (o) {
        xls_json_set(o, "top", top);
        text = xls_json_print(o, true);
    } else {
        xls_json_free(top);
    }
    xls_json_free(o);
    return text;
}
