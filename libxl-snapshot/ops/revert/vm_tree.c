/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * /vm/<uuid> in xenstore: libxl empties it when a domain of that uuid is made,
 * and removes it when one is destroyed, although another one has it as well.
 */
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#include "common/alloc.h"
#include "ops/revert/revert.h"

/* A node, its permissions, and what is below it. */
static struct xls_json *read_node(struct xs_handle *xsh, const char *path)
{
    struct xls_json *o = xls_json_object(), *perms, *below;
    struct xs_permissions *list;
    unsigned num, len, i;
    char *value, **names;

    value = xs_read(xsh, XBT_NULL, path, &len);
    xls_json_set_str(o, "value", value);
    free(value);
    list = xs_get_permissions(xsh, XBT_NULL, path, &num);
    perms = xls_json_array();
    for (i = 0; list && i < num; i++) {
        xls_json_append(perms, xls_json_int(list[i].id));
        xls_json_append(perms, xls_json_int(list[i].perms));
    }
    free(list);
    xls_json_set(o, "perms", perms);
    names = xs_directory(xsh, XBT_NULL, path, &num);
    below = xls_json_object();
    for (i = 0; names && i < num; i++) {
        char *child = xls_asprintf("%s/%s", path, names[i]);

        xls_json_set(below, names[i], read_node(xsh, child));
        free(child);
    }
    free(names);
    xls_json_set(o, "below", below);
    return o;
}

static void write_perms(struct xs_handle *xsh, const char *path,
                        const struct xls_json *perms, uint32_t from,
                        uint32_t to)
{
    size_t num = xls_json_len(perms) / 2, i;
    struct xs_permissions *list = xls_calloc(num, sizeof(*list));

    for (i = 0; i < num; i++) {
        unsigned id = xls_json_at(perms, 2 * i)->u.i;

        list[i].id = id == from ? to : id;
        list[i].perms = xls_json_at(perms, 2 * i + 1)->u.i;
    }
    if (num)
        xs_set_permissions(xsh, XBT_NULL, path, list, num);
    free(list);
}

static void write_node(struct xs_handle *xsh, const char *path,
                       const struct xls_json *node, uint32_t from, uint32_t to)
{
    const char *value = xls_json_get_str(node, "value");
    const struct xls_json *below = xls_json_get(node, "below");
    size_t i;

    xs_write(xsh, XBT_NULL, path, value ? value : "", value ? strlen(value)
                                                            : 0);
    write_perms(xsh, path, xls_json_get(node, "perms"), from, to);
    for (i = 0; below && i < below->u.list.num; i++) {
        char *child = xls_asprintf("%s/%s", path, below->u.list.keys[i]);

        write_node(xsh, child, below->u.list.items[i], from, to);
        free(child);
    }
}

static char *vm_path(struct xls_revert *r)
{
    return xls_asprintf("/vm/%s", r->op.uuid);
}

void xls_revert_vm_read(struct xls_revert *r)
{
    struct xs_handle *xsh = xs_open(0);
    char *path = vm_path(r);

    if (xsh && !r->vm_tree)
        r->vm_tree = read_node(xsh, path);
    free(path);
    if (xsh)
        xs_close(xsh);
}

void xls_revert_vm_write(struct xls_revert *r, uint32_t domid)
{
    struct xs_handle *xsh = r->vm_tree ? xs_open(0) : NULL;
    char *path = vm_path(r);

    if (xsh) {
        write_node(xsh, path, r->vm_tree, r->op.domid, domid);
        xs_close(xsh);
    }
    free(path);
}

void xls_revert_vm_keep(uint32_t domid)
{
    struct xs_handle *xsh = xs_open(0);
    char *path = xls_asprintf("/local/domain/%u/vm", domid);

    if (xsh) {
        xs_rm(xsh, XBT_NULL, path);
        xs_close(xsh);
    }
    free(path);
}
