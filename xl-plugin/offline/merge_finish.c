/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The steps of a merge that a killed process may leave half done, noted in
 * domain.json before they are begun.
 */
#include "offline/merge_internal.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/names.h"

static void clear_writing(struct merge *f)
{
    xl_snapshot_domain *info = &f->st->info;

    str_replace(&info->writing, NULL);
    str_replace(&info->writing_as, NULL);
    str_replace(&info->writing_into, NULL);
    str_replace(&info->writing_from, NULL);
    info->writing_from_format = LIBXL_DISK_FORMAT_UNKNOWN;
    info->writing_format = LIBXL_DISK_FORMAT_UNKNOWN;
    info->writing_inode = 0;
}

static int forget_writing(struct merge *f, struct error *e)
{
    clear_writing(f);
    return store_write_info(f->st, e);
}

static int protect_again(const struct merge *f, const char *path,
                         struct error *e)
{
    return access(path, F_OK) ? 0 : merge_protect(f, path, e);
}

/* A merge has lifted the protection of the layers that it changes, and set
 * that of an active layer that is to go. */
static int protect_all(const struct merge *f, struct error *e)
{
    const struct store *st = f->st;
    int i, j, ret = 0;

    for (i = 0; i < st->num_records; i++)
        for (j = 0; !ret && j < st->records[i]->num_disks; j++)
            if (st->records[i]->disks[j].method ==
                LIBXL_SNAPSHOT_METHOD_EXTERNAL)
                ret = protect_again(f, st->records[i]->disks[j].layer_path,
                                    e);
    for (i = 0; !ret && i < st->info.num_disks; i++)
        ret = protect_again(f, st->info.disks[i].top_path, e);
    return ret;
}

/* Nothing was written yet. */
static void put_all_back(struct merge *f)
{
    struct error ignored = { 0 };

    if (!merge_put_back(f, &ignored) && !protect_all(f, &ignored))
        forget_writing(f, &ignored);
    error_clear(&ignored);
}

/* from, into: NULL where there is none. */
static int begin(struct merge *f, const char *path, const struct image *from,
                 const char *into, libxl_disk_format format, struct error *e)
{
    xl_snapshot_domain *info = &f->st->info;
    struct stat st;

    if (merge_unused(f, path, e))
        return -1;
    clear_writing(f);
    str_replace(&info->writing, path);
    str_replace(&info->writing_into, into);
    str_replace(&info->writing_from, from ? from->path : NULL);
    info->writing_from_format = from ? from->format : LIBXL_DISK_FORMAT_UNKNOWN;
    info->writing_format = format;
    if (into && stat(into, &st)) {
        clear_writing(f);
        return error_errno(e, "cannot look at %s", into);
    }
    info->writing_inode = into ? st.st_ino : 0;
    if (merge_put_aside(f, e) ||
        merge_check_unused(f, path, merge_file(f, path), e) ||
        (into && merge_check_unused(f, into, into, e))) {
        put_all_back(f);
        return -1;
    }
    return 0;
}

int merge_begin_into(struct merge *f, const char *path, const char *into,
                     libxl_disk_format format, struct error *e)
{
    return begin(f, path, NULL, into, format, e);
}

int merge_begin_from(struct merge *f, const char *path, const struct image *from,
                     libxl_disk_format format, struct error *e)
{
    return begin(f, path, from, NULL, format, e);
}

int merge_begin(struct merge *f, const char *path, libxl_disk_format format,
                struct error *e)
{
    return begin(f, path, NULL, NULL, format, e);
}

const char *merge_file(const struct merge *f, const char *path)
{
    const xl_snapshot_domain *info = &f->st->info;

    return str_same(info->writing, path) && !str_none(info->writing_as)
        ? info->writing_as : path;
}

int merge_end(struct merge *f, struct error *e)
{
    return merge_put_back(f, e) || merge_protect(f, f->st->info.writing, e) ||
        forget_writing(f, e) ? -1 : 0;
}

/* The layer below has the name of the one that was merged into it, which is
 * not needed any more. */
static int remove_hidden(struct merge *f, struct error *e)
{
    const xl_snapshot_domain *info = &f->st->info;

    if (merge_protect(f, info->writing, e) || image_thaw(info->writing_as, e))
        return -1;
    if (xls_unlink(info->writing_as, true))
        return error_errno(e, "cannot remove %s", info->writing_as);
    return forget_writing(f, e);
}

int merge_end_into(struct merge *f, struct error *e)
{
    const xl_snapshot_domain *info = &f->st->info;

    if (merge_check_unused(f, info->writing_into, info->writing_into, e) ||
        merge_rename(info->writing_into, info->writing, e)) {
        merge_abandon(f);
        return -1;
    }
    return remove_hidden(f, e);
}

/* Whether an interrupted merge_end_into had come that far. */
static bool took_name(const xl_snapshot_domain *info)
{
    struct stat st;

    return !str_none(info->writing_into) &&
        access(info->writing_into, F_OK) && !stat(info->writing, &st) &&
        st.st_ino == info->writing_inode;
}

/* Nobody had them open when qemu-img began: a layer that is open now is a
 * domain's. */
static bool may_repair(struct merge *f)
{
    const xl_snapshot_domain *info = &f->st->info;
    const char *file = merge_file(f, info->writing);
    struct error why = { 0 };
    bool may;

    may = !merge_check_unused(f, info->writing, file, &why) &&
        (str_none(info->writing_into) ||
         !merge_check_unused(f, info->writing_into, info->writing_into, &why));
    error_clear(&why);
    return may;
}

/* What cannot be freed is only space. */
static int free_leaks(struct merge *f, const char *path, const char *file,
                      struct error *e)
{
    struct error why = { 0 };

    if (access(file, F_OK) || !may_repair(f))
        return 0;
    if (image_thaw(file, e))
        return -1;
    if (image_repair_leaks(file, &why))
        merge_say(f, "%s, which was being written, may be larger than it need "
                  "be: %s", path, why.text);
    error_clear(&why);
    return 0;
}

/*
 * qemu-img names another backing file in the header before the data that it has
 * copied is on the disk: after a power cut the layer would lack what is in the
 * one that it was based on. It is based on that again; all is copied anew.
 */
static int base_again(struct merge *f, struct error *e)
{
    const xl_snapshot_domain *info = &f->st->info;
    const char *file = merge_file(f, info->writing);

    if (str_none(info->writing_from) || access(info->writing_from, F_OK) ||
        access(file, F_OK) || !may_repair(f))
        return 0;
    return image_thaw(file, e) ||
           image_rebase(file, info->writing_from, info->writing_from_format,
                        true, e) ? -1 : 0;
}

static int finish_writing(struct merge *f, struct error *e)
{
    const xl_snapshot_domain *info = &f->st->info;

    if (str_none(info->writing))
        return 0;
    if (took_name(info) && !str_none(info->writing_as) &&
        !access(info->writing_as, F_OK))
        return remove_hidden(f, e) || protect_all(f, e) ? -1 : 0;
    if (info->writing_format == LIBXL_DISK_FORMAT_QCOW2) {
        const char *written = str_none(info->writing_into)
            ? info->writing : info->writing_into;

        /* Where it has its own name, nothing was begun, or it was complete. */
        if (str_none(info->writing_as) || !access(info->writing_as, F_OK))
            if (free_leaks(f, written, merge_file(f, written), e))
                return -1;
    }
    return base_again(f, e) || merge_put_back(f, e) || protect_all(f, e) ||
        forget_writing(f, e) ? -1 : 0;
}

void merge_abandon(struct merge *f)
{
    struct error ignored = { 0 };

    finish_writing(f, &ignored);
    error_clear(&ignored);
}

static int clear_merged(struct merge *f, struct error *e)
{
    xl_snapshot_merged_dispose(&f->st->info.merged);
    xl_snapshot_merged_init(&f->st->info.merged);
    return store_write_info(f->st, e);
}

static int point_child(struct merge *f, const struct image *child,
                       const char *to, libxl_disk_format format,
                       struct error *e)
{
    if (merge_begin(f, child->path, child->format, e))
        return -1;
    if (image_rebase(merge_file(f, child->path), to, format, true, e)) {
        merge_abandon(f);
        return -1;
    }
    return merge_end(f, e);
}

/* Layers based on from show the same on to. */
static int point_children(struct merge *f, const char *from, const char *to,
                          libxl_disk_format format, struct error *e)
{
    const struct layer *child = NULL;
    struct layers l;
    int ret = 0;

    if (layers_load(&l, f->st, f->live, e))
        return -1;
    while (!ret && (child = layers_next_child(&l, from, child)))
        /* QEMU has done it for those that it has open. */
        if (!child->live)
            ret = point_child(f, &child->image, to, format, e);
    layers_free(&l);
    return ret ? -1 : 0;
}

int merge_moved(struct merge *f, const char *from, const char *to,
                libxl_disk_format to_format, struct error *e)
{
    return point_children(f, from, to, to_format, e) ||
        merge_follow(f->st, from, to, to_format, e) ? -1 : 0;
}

static int finish_merged(struct merge *f, struct error *e)
{
    const xl_snapshot_merged *m = &f->st->info.merged;
    xl_snapshot_record *rec = store_find(f->st, m->snapshot);
    xl_snapshot_disk *disk = rec ? record_disk(rec, m->vdev) : NULL;

    if (point_children(f, m->from, m->to, m->to_format, e))
        return -1;
    /* First: a record of from's will name the same file from then on. */
    if (disk && str_same(disk->layer_path, m->to) &&
        merge_drop(f, rec, disk, e))
        return -1;
    if (merge_follow(f->st, m->from, m->to, m->to_format, e) ||
        merge_protect(f, m->to, e) || merge_discard(f, m->from, NULL, e))
        return -1;
    return clear_merged(f, e);
}

int merge_is_done(struct merge *f, const xl_snapshot_record *rec,
                  const char *vdev, const struct image *base, const char *child,
                  struct error *e)
{
    xl_snapshot_merged *m = &f->st->info.merged;

    /* A domain that is started on it now would write what is then lost. */
    if (image_freeze(child, e))
        return -1;
    str_replace(&m->snapshot, rec->name);
    str_replace(&m->vdev, vdev);
    str_replace(&m->to, base->path);
    m->to_format = base->format;
    str_replace(&m->from, child);
    if (store_write_info(f->st, e) || merge_put_back(f, e))
        return -1;
    clear_writing(f);
    return finish_merged(f, e);
}

static int recover_merged(struct merge *f, struct error *e)
{
    const char *from = f->st->info.merged.from;
    struct error used = { 0 };

    if (str_none(from))
        return 0;
    /* Its protection was lifted, and a domain started on it since: what it
     * shows is right in any case. */
    if (!access(from, F_OK) && merge_check_unused(f, from, from, &used)) {
        error_clear(&used);
        return clear_merged(f, e);
    }
    return protect_all(f, e) || finish_merged(f, e) ? -1 : 0;
}

int merge_recover(struct merge *f, struct error *e)
{
    return finish_writing(f, e) || recover_merged(f, e) ? -1 : 0;
}
