/* SPDX-License-Identifier: LGPL-2.1-only */
/* What every way of merging asks of files, and does to them. */
#include "offline/merge_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/files.h"
#include "common/names.h"
#include "layers/open_files.h"

void merge_say(struct merge *f, const char *fmt, ...)
{
    char *text;
    va_list al;
    int r;

    if (!f->say)
        return;
    va_start(al, fmt);
    r = vasprintf(&text, fmt, al);
    va_end(al);
    if (r < 0)
        abort();
    f->say(f->user, text);
    free(text);
}

bool merge_referred(const struct store *st, const char *path, int method,
                    const xl_snapshot_record *rec)
{
    int i, j;

    for (i = 0; i < st->num_records; i++)
        for (j = 0; st->records[i] != rec && j < st->records[i]->num_disks;
             j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];

            if ((method < 0 || (int)d->method == method) &&
                (str_same(d->layer_path, path) ||
                 xls_same_file(d->layer_path, path)))
                return true;
        }
    return false;
}

bool merge_active(const struct merge *f, const char *path)
{
    int i;

    for (i = 0; i < f->st->info.num_disks; i++)
        if (str_same(f->st->info.disks[i].top_path, path) ||
            xls_same_file(f->st->info.disks[i].top_path, path))
            return true;
    for (i = 0; i < f->live->num; i++)
        if (xls_same_file(f->live->v[i].path, path))
            return true;
    return false;
}

int merge_unused(const struct merge *f, const char *path, struct error *e)
{
    return f->unused ? f->unused(f->user, path, e) : 0;
}

int merge_protect(const struct merge *f, const char *path, struct error *e)
{
    return merge_active(f, path) ? image_thaw(path, e) : image_freeze(path, e);
}

bool merge_configured(const struct store *st, const char *path)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++)
        if (str_same(st->info.disks[i].config_path, path))
            return true;
    return false;
}

int merge_drop(struct merge *f, xl_snapshot_record *rec, xl_snapshot_disk *disk,
               struct error *e)
{
    record_disk_remove(rec, disk);
    return store_write(f->st, rec, e);
}

int merge_follow(struct store *st, const char *from, const char *to,
                 libxl_disk_format to_format, struct error *e)
{
    bool top = false;
    int i;

    if (store_move_layer(st, from, to, to_format, e))
        return -1;
    for (i = 0; i < st->info.num_disks; i++)
        if (str_same(st->info.disks[i].top_path, from)) {
            str_replace(&st->info.disks[i].top_path, to);
            st->info.disks[i].top_format = to_format;
            top = true;
        }
    return top ? store_write_info(st, e) : 0;
}

static int unlink_synced(const char *path, struct error *e)
{
    if (image_thaw(path, e))
        return -1;
    return xls_unlink(path, true)
        ? error_errno(e, "cannot remove %s", path) : 0;
}

int merge_discard(struct merge *f, const char *path,
                  const xl_snapshot_record *except, struct error *e)
{
    const struct layer *layer, *child;
    struct error why = { 0 };
    struct layers l;
    char *who;
    int ret = 0;

    if (access(path, F_OK) && errno == ENOENT)
        return 0;
    if (layers_load(&l, f->st, f->live, e))
        return -1;
    layer = layers_find(&l, path);
    child = layers_next_child(&l, path, NULL);
    who = open_file_user(path, true);
    if (child)
        merge_say(f, "%s stays: %s is based on it", path, child->image.path);
    else if (who)
        merge_say(f, "%s stays: it is open for writing in %s", path, who);
    else if ((layer && (layer->live || layer->top || layer->foreign)) ||
             merge_referred(f->st, path, -1, except))
        merge_say(f, "%s stays: it is in use", path);
    else if (merge_unused(f, path, &why))
        merge_say(f, "%s stays: %s", path, why.text);
    else if (!merge_configured(f->st, path))
        ret = unlink_synced(path, e);
    else {
        merge_say(f, "%s stays, though no snapshot needs it any more, since "
                  "the domain's configuration names it", path);
        /* A start on what it holds must fail. */
        ret = image_freeze(path, e);
    }
    error_clear(&why);
    free(who);
    layers_free(&l);
    return ret;
}
