/* SPDX-License-Identifier: LGPL-2.1-only */
#include "offline/relocate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "diskimage/format.h"
#include "layers/identity.h"
#include "store/device.h"

/* More layers than QEMU can open. */
#define MAX_IMAGES 4096

static bool is_under(const char *path, const char *place)
{
    size_t len = strlen(place);

    return !strncmp(path, place, len) && (!path[len] || path[len] == '/');
}

/* Where images went into a directory below the old one, those in there are at
 * their places. */
char *relocate_path(const struct relocate *r, const char *path)
{
    if (str_none(path) || !is_under(path, r->from) ||
        (is_under(r->to, r->from) && is_under(path, r->to)))
        return NULL;
    return xls_asprintf("%s%s", r->to, path + strlen(r->from));
}

static char *place_of(const struct relocate *r, const char *path)
{
    char *moved = relocate_path(r, path);

    return moved ? moved : xls_strdup(path);
}

static struct relocated *find(const struct relocate *r, const char *path)
{
    int i;

    for (i = 0; i < r->num; i++)
        if (str_same(r->v[i].path, path))
            return &r->v[i];
    return NULL;
}

static void missing(struct relocate *r, const char *path, const char *old,
                    const char *who)
{
    char *text = str_same(path, old)
        ? xls_asprintf("%s, which %s needs", path, who)
        : xls_asprintf("%s, as %s is to be called, which %s needs", path, old,
                       who);

    if (!strings_has(&r->missing, text))
        strings_add(&r->missing, text);
    free(text);
}

/* Where the header's backing file is now. A relative name that leads to it from
 * there is right; one that does not meant a file beside the old place. */
static void find_backing(const struct relocate *r, struct relocated *f,
                         const struct image *image)
{
    const char *slash = strrchr(f->path, '/');
    size_t dir = slash - f->path;
    char *old = NULL;

    f->backing_format = image->backing_format;
    if (image->relative && access(image->backing, F_OK) &&
        !strncmp(image->backing, f->path, dir + 1)) {
        slash = strrchr(f->old, '/');
        old = xls_asprintf("%.*s%s", (int)(slash - f->old), f->old,
                           image->backing + dir);
    }
    f->backing = place_of(r, old ? old : image->backing);
    f->rewrite = !str_same(f->backing, image->backing);
    free(old);
}

/* A file that was copied, and is there twice. */
static int check_twin(const struct relocated *f, const struct image *image,
                      struct error *e)
{
    struct error ignored = { 0 };
    struct image twin;
    int ret = 0;

    if (str_same(f->old, f->path) || access(f->old, F_OK) ||
        xls_same_file(f->old, f->path))
        return 0;
    if (image_info(f->old, f->format, &twin, &ignored)) {
        error_clear(&ignored);
        return 0;
    }
    if (twin.virtual_size != image->virtual_size)
        ret = error_set(e, "%s is not the image that %s is: it is of another "
                        "size", f->path, f->old);
    image_dispose(&twin);
    return ret;
}

static int visit(struct relocate *r, const char *old,
                 libxl_disk_format format, const char *who, struct error *e);

static int look_at(struct relocate *r, int at, struct error *e)
{
    struct relocated *f = &r->v[at];
    struct image image;
    char *backing;
    int ret;

    if (image_info(f->path, f->format, &image, e))
        return -1;
    ret = check_twin(f, &image, e);
    if (!ret && !str_none(image.backing) && image.backing[0] == '/') {
        find_backing(r, f, &image);
        if (f->backing_format == LIBXL_DISK_FORMAT_UNKNOWN)
            ret = error_set(e, "the header of %s does not tell the format of "
                            "its backing file %s; add it with 'qemu-img "
                            "rebase -u -F'", f->path, image.backing);
    }
    image_dispose(&image);
    if (ret || !f->backing)
        return ret;
    backing = xls_strdup(f->backing);
    ret = visit(r, backing, f->backing_format, r->v[at].path, e);
    free(backing);
    return ret;
}

/* old: as the store names it, or, below, where it is. */
static int visit(struct relocate *r, const char *old,
                 libxl_disk_format format, const char *who, struct error *e)
{
    char *path;
    int ret = 0;

    if (str_none(old) || old[0] != '/')
        return 0;
    path = place_of(r, old);
    if (find(r, path)) {
        free(path);
        return 0;
    }
    if (!xls_format_driver(format) || r->num == MAX_IMAGES) {
        ret = error_set(e, "%s is of an unknown format, or there are too many "
                        "images", path);
    } else if (access(path, F_OK)) {
        missing(r, path, old, who);
    } else {
        r->v = xls_realloc(r->v, r->num + 1, sizeof(*r->v));
        r->v[r->num++] = (struct relocated){ .old = xls_strdup(old),
                                             .path = xls_strdup(path),
                                             .format = format };
        ret = look_at(r, r->num - 1, e);
    }
    free(path);
    return ret;
}

static int visit_store(struct relocate *r, struct error *e)
{
    const xl_snapshot_domain *info = &r->st->info;
    int i, j, ret = 0;

    for (i = 0; !ret && i < info->num_disks; i++)
        ret = visit(r, info->disks[i].top_path, info->disks[i].top_format,
                    "the domain", e);
    for (i = 0; !ret && i < info->num_leftovers; i++)
        ret = visit(r, info->leftovers[i].layer_path,
                    info->leftovers[i].layer_format, "the store", e);
    for (i = 0; !ret && i < r->st->num_records; i++) {
        const xl_snapshot_record *rec = r->st->records[i];
        char *who = xls_asprintf("snapshot %s", rec->name);

        for (j = 0; !ret && j < rec->num_disks; j++)
            ret = visit(r, rec->disks[j].layer_path,
                        rec->disks[j].layer_format, who, e);
        if (rec->memory && !str_none(rec->memory_path)) {
            char *path = place_of(r, rec->memory_path);

            if (access(path, F_OK))
                missing(r, path, rec->memory_path, who);
            free(path);
        }
        free(who);
    }
    return ret;
}

/* The active layer of each disk is based on a layer of its snapshots, or alone,
 * as before. */
static int check_chains(const struct relocate *r, struct error *e)
{
    int i, j, steps;

    for (i = 0; i < r->st->info.num_disks; i++) {
        const xl_snapshot_domain_disk *d = &r->st->info.disks[i];
        char *path = place_of(r, d->top_path);
        const struct relocated *f = find(r, path);
        bool has_layers = false, found = false;

        free(path);
        for (steps = 0; f && steps <= r->num; steps++) {
            for (j = 0; j < r->st->num_records; j++) {
                const xl_snapshot_disk *layer =
                    record_disk(r->st->records[j], d->vdev);

                path = layer ? place_of(r, layer->layer_path) : NULL;
                has_layers |= layer != NULL;
                found |= path && str_same(path, f->path);
                free(path);
            }
            f = f->backing ? find(r, f->backing) : NULL;
        }
        if (has_layers && !found && !d->alone_inode)
            return error_set(e, "disk %s: the headers of the images do not "
                             "lead from %s to a layer of the snapshots: these "
                             "are not the images of %s", d->vdev, d->top_path,
                             r->st->domain);
    }
    return 0;
}

static int check_unused(const struct relocate *r, struct error *e)
{
    int i;

    if (!r->unused)
        return 0;
    for (i = 0; i < r->num; i++) {
        const struct relocated *f = &r->v[i];

        /* What stays, and is only read, may be in use. */
        if (!f->rewrite && str_same(f->old, f->path))
            continue;
        if (r->unused(r->user, f->old, e) || r->unused(r->user, f->path, e))
            return -1;
    }
    return 0;
}

int relocate_check(struct relocate *r, struct error *e)
{
    char *list;

    if (!str_none(r->st->info.writing) ||
        !str_none(r->st->info.merged.from) ||
        !str_none(r->st->info.reverting) || r->st->info.num_jobs)
        return error_set(e, "an interrupted command or a job on %s has to be "
                         "completed first, where the images were: any "
                         "snapshot command does it there", r->st->domain);
    if (visit_store(r, e))
        return -1;
    if (r->missing.num) {
        list = strings_join(&r->missing, "; ");
        error_set(e, "missing: %s. Nothing was changed", list);
        free(list);
        return -1;
    }
    return check_chains(r, e) || check_unused(r, e) ? -1 : 0;
}

static int rewrite(const struct relocate *r, const struct relocated *f,
                   struct error *e)
{
    bool frozen = image_frozen(f->path);
    int ret;

    if (f->format != LIBXL_DISK_FORMAT_QCOW2)
        return error_set(e, "%s is of a format whose header cannot be "
                         "rewritten; 'qemu-img convert' it to qcow2",
                         f->path);
    if (r->unused && r->unused(r->user, f->path, e))
        return -1;
    ret = image_thaw(f->path, e) ||
        image_rebase(f->path, f->backing, f->backing_format, true, e);
    if (frozen && image_freeze(f->path, e))
        ret = -1;
    return ret ? -1 : 0;
}

static bool move(const struct relocate *r, char **path)
{
    char *to = relocate_path(r, *path);

    if (!to)
        return false;
    free(*path);
    *path = to;
    return true;
}

static int move_records(struct relocate *r, struct error *e)
{
    int i, j;

    for (i = 0; i < r->st->num_records; i++) {
        xl_snapshot_record *rec = r->st->records[i];
        bool moved = move(r, &rec->memory_path);

        for (j = 0; j < rec->num_disks; j++) {
            if (move(r, &rec->disks[j].layer_path)) {
                moved = true;
                str_replace(&rec->disks[j].device, NULL);
                device_note_disk(&rec->disks[j]);
            }
            moved |= move(r, &rec->disks[j].overlay_path);
        }
        if (moved && store_write(r->st, rec, e))
            return -1;
    }
    return 0;
}

static int move_info(struct relocate *r, struct error *e)
{
    xl_snapshot_domain *info = &r->st->info;
    int i;

    for (i = 0; i < info->num_disks; i++) {
        xl_snapshot_domain_disk *d = &info->disks[i];

        move(r, &d->config_path);
        /* A copy has another inode. */
        if (move(r, &d->top_path) && d->alone_inode)
            d->alone_inode = identity_inode(d->top_path, &d->alone_birth);
    }
    for (i = 0; i < info->num_leftovers; i++)
        move(r, &info->leftovers[i].layer_path);
    return store_write_info(r->st, e);
}

/* A copy has lost the protection. */
static int protect(struct relocate *r, struct error *e)
{
    int i, j;

    for (i = 0; i < r->st->num_records; i++)
        for (j = 0; j < r->st->records[i]->num_disks; j++) {
            const xl_snapshot_disk *d = &r->st->records[i]->disks[j];

            if (d->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL &&
                image_freeze_again(d->layer_path, e))
                return -1;
        }
    return 0;
}

int relocate_apply(struct relocate *r, struct error *e)
{
    int i;

    for (i = 0; i < r->num; i++)
        if (r->v[i].rewrite && rewrite(r, &r->v[i], e))
            return -1;
    return move_records(r, e) || move_info(r, e) || protect(r, e) ? -1 : 0;
}

void relocate_dispose(struct relocate *r)
{
    int i;

    for (i = 0; i < r->num; i++) {
        free(r->v[i].old);
        free(r->v[i].path);
        free(r->v[i].backing);
    }
    free(r->v);
    strings_free(&r->missing);
}
