/* SPDX-License-Identifier: LGPL-2.1-only */

#include "common/alloc.h"
#include "common/files.h"
#include "session/disk_job.h"

/* A snapshot in a store that needs the layer; malloc'ed text or NULL. A deleted
 * one, whose layers are only kept, does not. */
static char *snapshot_of(const struct store *st, const char *path)
{
    int i, j;

    for (i = 0; i < st->num_records; i++) {
        const xl_snapshot_record *rec = st->records[i];

        for (j = 0; !rec->hidden && j < rec->num_disks; j++)
            if (str_same(rec->disks[j].layer_path, path) ||
                xls_same_file(rec->disks[j].layer_path, path))
                return xls_asprintf("snapshot %s of %s", rec->name,
                                    st->domain);
    }
    return NULL;
}

static int snapshot_of_others(const struct store *mine, const char *path,
                              char **users, struct error *e)
{
    struct strings domains = { 0 };
    int i, ret;

    ret = store_domains(mine->root, &domains, e);
    for (i = 0; !ret && !*users && i < domains.num; i++) {
        struct store *other;

        if (str_same(domains.v[i], mine->domain))
            continue;
        ret = store_open(mine->root, domains.v[i], false, 0, &other, e);
        if (!ret)
            *users = snapshot_of(other, path);
        store_close(other);
    }
    strings_free(&domains);
    return ret;
}

/* An image other than the disk's own layers that is based on the layer. */
static char *other_child(const struct layers *l, const char *path,
                         uint32_t domid, const char *vdev)
{
    int i;

    for (i = 0; i < l->num; i++) {
        const struct layer *child = &l->v[i];

        if (child->image.backing &&
            (str_same(child->image.backing, path) ||
             xls_same_file(child->image.backing, path)) &&
            !(child->live && child->live->domid == domid &&
              str_same(child->live->vdev, vdev)))
            return xls_asprintf("%s, which is based on it",
                                child->image.path);
    }
    return NULL;
}

static int find(struct disk_job *d, uint32_t domid, const char *vdev,
                const char *path, char **users, struct error *e)
{
    struct store *st = d->s.store;
    const struct layer *layer;
    struct layers l;

    *users = snapshot_of(st, path);
    if (*users)
        return 0;
    if (snapshot_of_others(st, path, users, e))
        return -1;
    if (*users)
        return 0;
    if (layers_load(&l, st, &d->s.live, e))
        return -1;
    layer = layers_find(&l, path);
    if (layer && (layer->shared || (layer->live &&
                                    layer->live->domid != domid)))
        *users = layer->live->domid == domid &&
                         str_same(layer->live->vdev, vdev)
            ? xls_strdup("another disk of a running domain")
            : xls_asprintf("disk %s of domain %s", layer->live->vdev,
                           layer->live->domain);
    else if (layer && layer->foreign)
        *users = xls_asprintf("domain %s, which has snapshots",
                              layer->owner);
    else
        *users = other_child(&l, path, domid, vdev);
    layers_free(&l);
    return 0;
}

int job_layer_users(void *user, uint32_t domid, const char *vdev,
                    const char *path, char **users)
{
    struct disk_job *d = user;
    struct error e = { 0 };

    *users = NULL;
    if (!find(d, domid, vdev, path, users, &e))
        return 0;
    cli_say(d->cli, "%s", e.text);
    error_clear(&e);
    return ERROR_FAIL;
}
