/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/layers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/files.h"
#include "diskimage/format.h"

void live_add(struct live *live, const char *domain, uint32_t domid,
              const char *vdev, const char *path, libxl_disk_format format)
{
    struct live_disk *d;

    live->v = xls_realloc(live->v, live->num + 1, sizeof(*live->v));
    d = &live->v[live->num++];
    d->domain = xls_strdup(domain);
    d->domid = domid;
    d->vdev = xls_strdup(vdev);
    d->path = xls_strdup(path);
    d->format = format;
    d->removable = d->replaced = false;
}

void live_add_disk(struct live *live, const char *domain, uint32_t domid,
                   const libxl_device_disk *disk, libxl_disk_format format)
{
    if (str_none(disk->vdev) || str_none(disk->pdev_path) ||
        disk->format == LIBXL_DISK_FORMAT_EMPTY ||
        !str_none(disk->backend_domname) || disk->backend_domid)
        return;
    live_add(live, domain, domid, disk->vdev, disk->pdev_path, format);
    live->v[live->num - 1].removable = disk->is_cdrom || disk->removable;
}

struct live_disk *live_find(const struct live *live, uint32_t domid,
                            const char *vdev)
{
    int i;

    for (i = 0; i < live->num; i++)
        if (live->v[i].domid == domid && str_same(live->v[i].vdev, vdev))
            return &live->v[i];
    return NULL;
}

void live_free(struct live *live)
{
    int i;

    for (i = 0; i < live->num; i++) {
        free(live->v[i].domain);
        free(live->v[i].vdev);
        free(live->v[i].path);
    }
    free(live->v);
    memset(live, 0, sizeof(*live));
}

void layers_free(struct layers *l)
{
    int i;

    for (i = 0; i < l->num; i++) {
        image_dispose(&l->v[i].image);
        free(l->v[i].owner);
    }
    free(l->v);
    memset(l, 0, sizeof(*l));
}

struct layer *layers_find(const struct layers *l, const char *path)
{
    int i;

    for (i = 0; i < l->num; i++)
        if (str_same(l->v[i].image.path, path))
            return &l->v[i];
    for (i = 0; i < l->num; i++)
        if (path && xls_same_file(l->v[i].image.path, path))
            return &l->v[i];
    return NULL;
}

struct layer *layers_next_child(const struct layers *l, const char *path,
                                const struct layer *last)
{
    int i;

    for (i = last ? last - l->v + 1 : 0; i < l->num; i++) {
        const char *backing = l->v[i].image.backing;

        if (backing && (str_same(backing, path) || xls_same_file(backing, path)))
            return &l->v[i];
    }
    return NULL;
}

int layers_num_children(const struct layers *l, const char *path)
{
    const struct layer *child = NULL;
    int num = 0;

    while ((child = layers_next_child(l, path, child)))
        num++;
    return num;
}

/* What a chain with a missing file in it still tells: its first layer. */
static int read_chain(const char *path, libxl_disk_format format,
                      struct image **images, int *num, struct error *e)
{
    struct image one;

    if (!image_chain(path, format, images, num, e))
        return 0;
    if (image_info(path, format, &one, e))
        return -1;
    error_clear(e);
    *images = xls_calloc(1, sizeof(**images));
    **images = one;
    *num = 1;
    return 0;
}

static void note_foreign(struct layer *layer, const char *owner)
{
    if (!owner)
        return;
    layer->foreign = true;
    str_replace(&layer->owner, owner);
}

/* Adds path and what is below it. foreign: the domain whose store needs it,
 * when that is another one. */
static int add(struct layers *l, const char *path, libxl_disk_format format,
               struct live_disk *live, bool top, const char *foreign,
               struct error *e)
{
    struct layer *known = layers_find(l, path);
    struct image *images;
    struct stat st;
    int i, num;

    if (str_none(path) || path[0] != '/' || !xls_format_driver(format))
        return 0;
    if (known && !live) {
        known->top |= top;
        note_foreign(known, foreign);
        return 0;
    }
    if (stat(path, &st))
        return errno == ENOENT ? 0 : error_errno(e, "cannot look at %s", path);
    if (read_chain(path, format, &images, &num, e))
        return -1;
    for (i = 0; i < num; i++) {
        known = layers_find(l, images[i].path);
        if (!known) {
            l->v = xls_realloc(l->v, l->num + 1, sizeof(*l->v));
            known = &l->v[l->num++];
            memset(known, 0, sizeof(*known));
            known->image = images[i];
            memset(&images[i], 0, sizeof(images[i]));
            note_foreign(known, foreign);
        }
        if (known->live && live && known->live != live)
            known->shared = true;
        if (live)
            known->live = live;
        if (i == 0) {
            known->top |= top;
            note_foreign(known, foreign);
        }
    }
    image_list_free(images, num);
    return 0;
}

static int add_store(struct layers *l, const struct store *st,
                     const char *foreign, struct error *e)
{
    const xl_snapshot_domain *info = &st->info;
    int i, j;

    /* A layer that is being merged has another name meanwhile. */
    if (add(l, info->writing_as, info->writing_format, NULL, false, foreign,
            e))
        return -1;
    for (i = 0; i < st->info.num_disks; i++) {
        const xl_snapshot_domain_disk *d = &st->info.disks[i];

        if (add(l, d->top_path, d->top_format, NULL, true, foreign, e))
            return -1;
    }
    for (i = 0; i < st->info.num_leftovers; i++) {
        const xl_snapshot_disk *d = &st->info.leftovers[i];

        if (add(l, d->layer_path, d->layer_format, NULL, false, foreign, e))
            return -1;
    }
    /* The youngest first: what they are based on is seen with them. */
    for (i = st->num_records - 1; i >= 0; i--)
        for (j = 0; j < st->records[i]->num_disks; j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];

            if (add(l, d->layer_path, d->layer_format, NULL, false, foreign,
                    e))
                return -1;
        }
    return 0;
}

int layers_load(struct layers *l, const struct store *st, struct live *live,
                struct error *e)
{
    struct strings domains = { 0 };
    int i, ret;

    memset(l, 0, sizeof(*l));
    ret = store_domains(st->root, &domains, e);
    for (i = 0; !ret && i < live->num; i++)
        ret = add(l, live->v[i].path, live->v[i].format, &live->v[i], true,
                  NULL, e);
    if (!ret)
        ret = add_store(l, st, NULL, e);
    for (i = 0; !ret && i < domains.num; i++) {
        struct store *other;

        if (str_same(domains.v[i], st->domain))
            continue;
        ret = store_open(st->root, domains.v[i], false, 0, &other, e);
        if (!ret)
            ret = add_store(l, other, domains.v[i], e);
        store_close(other);
    }
    strings_free(&domains);
    if (ret)
        layers_free(l);
    return ret;
}
