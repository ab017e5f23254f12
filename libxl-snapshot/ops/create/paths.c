/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * No file that a create makes or renames may be one that the domain, or the
 * same call, needs otherwise.
 */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/files.h"
#include "ops/create/create.h"
#include "xen/users.h"

struct named {
    char *what;
    const char *path;
    bool made;                  /* by this call; else it is in use */
};

struct names {
    struct named *v;
    int num;
};

static void add(struct names *n, bool made, const char *path, char *what)
{
    if (!path || path[0] != '/') {
        free(what);
        return;
    }
    n->v = xls_realloc(n->v, n->num + 1, sizeof(*n->v));
    n->v[n->num++] = (struct named){ .what = what, .path = path,
                                     .made = made };
}

static void add_made(struct names *n, const struct xls_create *c)
{
    int i;

    for (i = 0; i < c->num_todo; i++) {
        const struct xls_create_disk *d = &c->todo[i];
        const char *vdev = d->disk->rec->vdev;

        if (d->args->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL)
            continue;
        add(n, true, d->args->external_path,
            xls_asprintf("external_path of disk %s", vdev));
        add(n, true, d->second_name,
            xls_asprintf("a temporary file of disk %s", vdev));
        if (strcmp(d->overlay_path, d->args->external_path))
            add(n, true, d->overlay_path,
                xls_asprintf("a temporary file of disk %s", vdev));
    }
    if (c->args->memory) {
        add(n, true, c->args->memory_path, xls_strdup("memory_path"));
        add(n, true, c->memory_tmp,
            xls_strdup("a temporary file of memory_path"));
    }
}

static void add_used(struct names *n, const struct xls_create *c)
{
    int i, k;

    for (i = 0; i < c->disks.num; i++) {
        const struct xls_disk *disk = &c->disks.disks[i];
        const char *vdev = disk->rec->vdev;

        add(n, false, disk->rec->pdev_path,
            xls_asprintf("the file of disk %s", vdev));
        for (k = 0; k < disk->num_layers; k++)
            add(n, false, disk->layers[k].path,
                xls_asprintf("a layer of disk %s", vdev));
    }
    if (c->args->memory)
        add(n, false, c->args->memory_parent, xls_strdup("memory_parent"));
}

/* Whether two names are in one directory and the same there. */
static bool same_name(const char *a, const char *b)
{
    char *dir_a = xls_strdup(a), *dir_b = xls_strdup(b);
    const char *name_a = strrchr(a, '/'), *name_b = strrchr(b, '/');
    bool same = !strcmp(name_a, name_b) &&
                xls_same_file(dirname(dir_a), dirname(dir_b));

    free(dir_a);
    free(dir_b);
    return same;
}

static int conflict(struct xls_create *c, const struct named *a,
                    const struct named *b)
{
    XLS_ERROR(&c->op.log, "%s, %s, is also %s%s%s; choose another name",
              a->what, a->path, b->what, strcmp(a->path, b->path) ? ", " : "",
              strcmp(a->path, b->path) ? b->path : "");
    return ERROR_INVAL;
}

static int check_names(struct xls_create *c, const struct names *n)
{
    int i, j;

    for (i = 0; i < n->num && n->v[i].made; i++)
        for (j = i + 1; j < n->num; j++)
            if (same_name(n->v[i].path, n->v[j].path) ||
                xls_same_file(n->v[i].path, n->v[j].path))
                return conflict(c, &n->v[i], &n->v[j]);
    return 0;
}

/* The file that is to be frozen, or to give up its path. */
static int check_base(struct xls_create *c, const struct xls_create_disk *d)
{
    int i, k;

    for (i = 0; i < c->disks.num; i++) {
        const struct xls_disk *disk = &c->disks.disks[i];

        if (disk == d->disk)
            continue;
        for (k = 0; k < disk->num_layers; k++)
            if (xls_same_file(disk->layers[k].path, d->base_path)) {
                XLS_ERROR(&c->op.log, "disk %s: its file %s is a layer of "
                          "disk %s, too; a snapshot would change that disk",
                          d->disk->rec->vdev, d->base_path, disk->rec->vdev);
                return ERROR_SNAPSHOT_CHAIN_SHARED;
            }
    }
    return 0;
}

/*
 * What another running domain has is not frozen under it: its writes would fail.
 * One whose images cannot be examined may have any file, which is no reason to
 * take no snapshots.
 */
static int check_shared(struct xls_create *c)
{
    struct xls_users users;
    int i, rc = 0;

    xls_users_load(&c->op, &users);
    for (i = 0; !rc && i < c->num_todo; i++) {
        const struct xls_create_disk *d = &c->todo[i];

        if (d->base_path &&
            xls_users_find(&users, d->base_path, c->op.domid, XLS_NO_DOMID))
            rc = xls_users_check(&c->op, &users, XLS_NO_DOMID,
                                 d->disk->rec->vdev, d->base_path);
    }
    xls_users_dispose(&users);
    return rc;
}

int xls_create_check_paths(struct xls_create *c)
{
    struct names n = { 0 };
    int i, rc;

    add_made(&n, c);
    add_used(&n, c);
    rc = check_names(c, &n);
    for (i = 0; !rc && i < c->num_todo; i++)
        if (c->todo[i].base_path)
            rc = check_base(c, &c->todo[i]);
    if (!rc)
        rc = check_shared(c);
    for (i = 0; i < n.num; i++)
        free(n.v[i].what);
    free(n.v);
    return rc;
}
