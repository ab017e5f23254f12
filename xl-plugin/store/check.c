/* SPDX-License-Identifier: LGPL-2.1-only */
/* What may be in the store's files: one rule for what is read and written. */
#include "store/check.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "store/names.h"

int store_damaged(struct store *st, const char *file, const char *what,
                  const char *value, struct error *e)
{
    return error_set(e, "%s/%s is damaged: %s: \"%.200s\"", st->path, file,
                     what, value ? value : "");
}

/* Paths go to qemu-img and unlink, names into file names: only what the
 * plugin itself would have written is taken. */
static int check_disk(struct store *st, const char *file,
                      const xl_snapshot_disk *d, struct error *e)
{
    if (str_none(d->vdev))
        return store_damaged(st, file, "disks: a vdev is missing", "", e);
    if (str_none(d->layer_path) || d->layer_path[0] != '/')
        return store_damaged(st, file, "disks: layer_path is not absolute",
                             d->layer_path, e);
    if (!str_none(d->internal_name) && !snapshot_name_ok(d->internal_name))
        return store_damaged(st, file, "disks: internal_name is no name",
                             d->internal_name, e);
    if (d->method == LIBXL_SNAPSHOT_METHOD_INTERNAL &&
        str_none(d->internal_name))
        return store_damaged(st, file, "disks: internal_name is missing",
                             d->vdev, e);
    return 0;
}

int store_check_record(struct store *st, const char *file,
                       const xl_snapshot_record *rec, struct error *e)
{
    char *own = xls_asprintf("%s" STORE_RECORD, rec->name ? rec->name : "");
    int i, ret = 0;

    if (strcmp(own, file) || !snapshot_name_ok(rec->name))
        ret = store_damaged(st, file, "name does not match the file's",
                            rec->name, e);
    else if (!str_none(rec->parent) && !snapshot_name_ok(rec->parent))
        ret = store_damaged(st, file, "parent is no name", rec->parent, e);
    else if (!str_none(rec->memory_path) && rec->memory_path[0] != '/')
        ret = store_damaged(st, file, "memory_path is not absolute",
                            rec->memory_path, e);
    for (i = 0; !ret && i < rec->num_disks; i++)
        ret = check_disk(st, file, &rec->disks[i], e);
    free(own);
    return ret;
}

static int check_unfinished(struct store *st, const xl_snapshot_domain *info,
                            struct error *e)
{
    const xl_snapshot_merged *m = &info->merged;

    if (!str_none(info->writing) && info->writing[0] != '/')
        return store_damaged(st, STORE_INFO, "writing is not absolute", info->writing, e);
    if (!str_none(info->writing_as) && info->writing_as[0] != '/')
        return store_damaged(st, STORE_INFO, "writing_as is not absolute",
                       info->writing_as, e);
    if (!str_none(info->writing_from) && info->writing_from[0] != '/')
        return store_damaged(st, STORE_INFO, "writing_from is not absolute",
                             info->writing_from, e);
    if (!str_none(info->writing_into) && info->writing_into[0] != '/')
        return store_damaged(st, STORE_INFO, "writing_into is not absolute",
                       info->writing_into, e);
    if (!str_none(m->from) && m->from[0] != '/')
        return store_damaged(st, STORE_INFO, "merged: from is not absolute", m->from, e);
    if (!str_none(m->from) && (str_none(m->to) || m->to[0] != '/'))
        return store_damaged(st, STORE_INFO, "merged: to is not absolute", m->to, e);
    return 0;
}

bool store_place_ok(const char *path)
{
    return !str_none(path) && (path[0] == '/' || is_nbd_uri(path));
}

static int check_job(struct store *st, const xl_snapshot_job *job,
                     struct error *e)
{
    int i;

    for (i = 0; i < job->num_layers; i++)
        if (!store_place_ok(job->layers[i].from) || !store_place_ok(job->layers[i].to))
            return store_damaged(st, STORE_INFO, "jobs: a layer is not absolute",
                           job->layers[i].to, e);
    return 0;
}

static bool disk_ok(const xl_snapshot_domain_disk *d)
{
    return !str_none(d->vdev) && store_place_ok(d->top_path);
}

static int bad_disk(struct store *st, const xl_snapshot_domain_disk *d,
                    struct error *e)
{
    char *what = xls_asprintf("disks: top_path of %s is not absolute",
                              d->vdev ? d->vdev : "a disk without vdev");
    int ret = store_damaged(st, STORE_INFO, what, d->top_path, e);

    free(what);
    return ret;
}

int store_check_info(struct store *st, struct error *e)
{
    const xl_snapshot_domain *info = &st->info;
    int i, ret = 0;

    for (i = 0; !ret && i < info->num_disks; i++)
        if (!disk_ok(&info->disks[i]))
            ret = bad_disk(st, &info->disks[i], e);
    for (i = 0; !ret && i < info->num_jobs; i++)
        ret = check_job(st, &info->jobs[i], e);
    for (i = 0; !ret && i < info->num_leftovers; i++)
        ret = check_disk(st, STORE_INFO, &info->leftovers[i], e);
    return ret ? ret : check_unfinished(st, info, e);
}

/* Earlier versions noted disks that no snapshot can be taken of, too, such as
 * a CD-ROM drive without a medium. */
void store_heal_info(struct store *st)
{
    xl_snapshot_domain *info = &st->info;
    int i = 0, j;

    while (i < info->num_disks) {
        xl_snapshot_domain_disk *d = &info->disks[i];
        bool needed = false;
        char *text;

        for (j = 0; j < st->num_records; j++)
            needed |= record_disk(st->records[j], d->vdev) != NULL;
        if (disk_ok(d) || needed) {
            i++;
            continue;
        }
        text = xls_asprintf("%s/" STORE_INFO ": the entry of disk %s (\"%.200s\") is "
                            "removed: no snapshot can refer to it", st->path,
                            d->vdev ? d->vdev : "",
                            d->top_path ? d->top_path : "");
        strings_add(&st->healed, text);
        free(text);
        xl_snapshot_domain_disk_dispose(d);
        info->num_disks--;
        memmove(d, d + 1, (info->num_disks - i) * sizeof(*d));
    }
}

/* What would be refused when it is read is not written. */
void store_unreadable(struct error *e)
{
    char *what = e->text;

    e->text = NULL;
    error_set(e, "this cannot be recorded and is not written (%s); leave the "
              "disk out with --disk VDEV,method=none", what);
    free(what);
}
