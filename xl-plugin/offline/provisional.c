/* SPDX-License-Identifier: LGPL-2.1-only */
/* Provisional records: what an interrupted create left of a snapshot. */
#include "layers/identity.h"

#include <dirent.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "common/names.h"
#include "diskimage/written.h"
#include "offline/merge_internal.h"
#include "store/outside.h"

/* How far the create came with one disk. */
enum progress {
    NOT_SWITCHED,
    SWITCHED,
    EMPTY,                      /* an overlay is there, and was not written */
    UNUSED,                     /* the domain runs, and not on its data */
};

struct disk_state {
    enum progress progress;
    char *overlay;              /* the file; NULL: not looked for, or none */
};

static bool is_on(const char *overlay, const char *layer)
{
    struct error ignored = { 0 };
    struct image image;
    bool yes;

    if (image_info(overlay, LIBXL_DISK_FORMAT_QCOW2, &image, &ignored)) {
        error_clear(&ignored);
        return false;
    }
    yes = image.backing && (str_same(image.backing, layer) ||
                            xls_same_file(image.backing, layer));
    image_dispose(&image);
    return yes;
}

/* The library prepares an overlay beside the disk under a temporary name with
 * "xls-" in it. */
static char *temporary_overlay(const xl_snapshot_disk *d)
{
    char *copy = xls_strdup(d->overlay_path), *found = NULL;
    const char *where = dirname(copy);
    struct dirent *entry;
    DIR *dir = opendir(where);

    while (dir && !found && (entry = readdir(dir))) {
        char *path = xls_asprintf("%s/%s", where, entry->d_name);
        struct stat st;

        if (strstr(entry->d_name, "xls-") && !lstat(path, &st) &&
            S_ISREG(st.st_mode) && !xls_same_file(path, d->overlay_path) &&
            is_on(path, d->layer_path))
            found = xls_strdup(path);
        free(path);
    }
    if (dir)
        closedir(dir);
    free(copy);
    return found;
}

static char *find_overlay(const xl_snapshot_disk *d)
{
    if (d->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL ||
        str_none(d->overlay_path) || d->overlay_path[0] != '/')
        return NULL;
    if (!access(d->overlay_path, F_OK) &&
        is_on(d->overlay_path, d->layer_path))
        return xls_strdup(d->overlay_path);
    return temporary_overlay(d);
}

bool identity_overlays_written(const xl_snapshot_record *rec)
{
    bool written = false;
    int i;

    for (i = 0; !written && i < rec->num_disks; i++) {
        char *overlay = find_overlay(&rec->disks[i]);

        written = overlay && xls_image_written(overlay);
        free(overlay);
    }
    return written;
}

/* Of a domain that does not run. */
static enum progress progress_off(const struct store *st,
                                  const xl_snapshot_disk *d,
                                  const char *overlay)
{
    const xl_snapshot_domain_disk *known = store_disk(st, d->vdev);

    if (!overlay)
        return NOT_SWITCHED;
    if (xls_image_written(overlay))
        return SWITCHED;
    /* Only after QEMU has gone over to it, the overlay gets the disk's own
     * path, and the layer is protected. */
    return (known && str_same(known->top_path, overlay)) ||
        image_frozen(d->layer_path) ? SWITCHED : EMPTY;
}

static struct disk_state examine(const struct store *st,
                                 const struct live *live, uint32_t domid,
                                 const xl_snapshot_disk *d)
{
    struct disk_state state = { NOT_SWITCHED, NULL };
    struct error ignored = { 0 };

    if (d->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL && !domain_runs(domid)) {
        state.overlay = find_overlay(d);
        state.progress = progress_off(st, d, state.overlay);
    } else if (identity_based_on(live, domid, d, &ignored)) {
        state.progress = SWITCHED;
    } else {
        state.overlay = find_overlay(d);
        if (state.overlay && xls_image_written(state.overlay))
            state.progress = UNUSED;
    }
    error_clear(&ignored);
    return state;
}

/* The layer was written after the overlay: a domain ran on it meanwhile. */
static bool layer_is_newer(const xl_snapshot_disk *d, const char *overlay)
{
    struct stat layer, top;

    return !image_frozen(d->layer_path) && !stat(d->layer_path, &layer) &&
        !stat(overlay, &top) &&
        (layer.st_mtim.tv_sec > top.st_mtim.tv_sec ||
         (layer.st_mtim.tv_sec == top.st_mtim.tv_sec &&
          layer.st_mtim.tv_nsec > top.st_mtim.tv_nsec));
}

static int refuse_unused(const struct store *st, const struct live *live,
                         uint32_t domid, const xl_snapshot_record *rec,
                         const xl_snapshot_disk *d, const char *overlay,
                         struct error *e)
{
    const struct live_disk *disk = live_find(live, domid, d->vdev);

    return error_set(e, "snapshot %s of %s was interrupted after disk %s had "
                     "gone over to %s, which holds what the domain wrote "
                     "since; but %s now uses %s. To continue with %s, shut "
                     "%s down and start it with 'xl create' of this package; "
                     "to give up what it holds, move it away and repeat the "
                     "command", rec->name, st->domain, d->vdev, overlay,
                     st->domain, disk ? disk->path : "no such disk", overlay,
                     st->domain);
}

/* The last steps of the library's create, for a domain that is off. */
static int put_in_place(const xl_snapshot_disk *d, const char *overlay,
                        struct error *e)
{
    if (access(d->layer_path, F_OK) && xls_link(d->overlay_path, d->layer_path, NULL))
        return error_errno(e, "cannot link %s to %s", d->overlay_path,
                           d->layer_path);
    if (!access(d->overlay_path, F_OK) &&
        !xls_same_file(d->overlay_path, d->layer_path))
        return error_set(e, "%s is neither the layer %s nor the overlay %s; "
                         "rename the overlay to it once it is in order",
                         d->overlay_path, d->layer_path, overlay);
    if (xls_rename(overlay, d->overlay_path, XLS_RENAME_OVER, true))
        return error_errno(e, "cannot rename %s to %s", overlay,
                           d->overlay_path);
    return 0;
}

static int complete_disk(struct store *st, uint32_t domid,
                         xl_snapshot_disk *d, const char *overlay,
                         struct error *e)
{
    xl_snapshot_domain_disk *known = store_disk(st, d->vdev);

    if (d->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL)
        return 0;
    if (overlay && !str_same(overlay, d->overlay_path) &&
        put_in_place(d, overlay, e))
        return -1;
    if (!domain_runs(domid) && image_freeze(d->layer_path, e))
        return -1;
    if (known && !str_none(d->overlay_path)) {
        if (str_same(d->overlay_path, known->top_path) &&
            store_move_layer(st, known->top_path, d->layer_path,
                             d->layer_format, e))
            return -1;
        str_replace(&known->top_path, d->overlay_path);
        known->top_format = LIBXL_DISK_FORMAT_QCOW2;
    }
    str_replace(&d->overlay_path, NULL);
    return 0;
}

static int complete(struct store *st, const struct live *live, uint32_t domid,
                    xl_snapshot_record *rec, const struct disk_state *states,
                    char **told, struct error *e)
{
    bool memory = rec->memory && !access(rec->memory_path, R_OK);
    int i;

    *told = xls_asprintf("snapshot %s was interrupted; it is complete%s",
                         rec->name, rec->memory && !memory
                         ? " for its disks, but has no memory" : "");
    rec->memory = memory;
    if (!memory)
        str_replace(&rec->memory_path, NULL);
    for (i = 0; i < rec->num_disks; i++)
        if (complete_disk(st, domid, &rec->disks[i], states[i].overlay, e))
            return -1;
    if (domain_runs(domid))
        identity_note_tops(st, live, domid);
    str_replace(&st->info.current, rec->name);
    if (store_write_info(st, e))
        return -1;
    rec->provisional = false;
    return store_write(st, rec, e);
}

static int forget(struct store *st, xl_snapshot_record *rec, char **told,
                  struct error *e)
{
    *told = xls_asprintf("snapshot %s was interrupted before anything was "
                         "changed; it is forgotten", rec->name);
    /* Elsewhere than in the store, what is there may not be of this command. */
    if (rec->memory && !memory_is_outside(st, rec->memory_path) &&
        store_remove_memory(st, rec, e))
        return -1;
    return store_remove(st, rec, e);
}

static int check_disk(const struct store *st, const struct live *live,
                      uint32_t domid, const xl_snapshot_record *rec,
                      const xl_snapshot_disk *d,
                      const struct disk_state *state, struct error *e)
{
    if (state->progress == UNUSED)
        return refuse_unused(st, live, domid, rec, d, state->overlay, e);
    if (state->progress == SWITCHED && state->overlay &&
        layer_is_newer(d, state->overlay))
        return error_set(e, "snapshot %s of %s was interrupted after disk %s "
                         "had gone over to %s, and %s was written since: they "
                         "no longer belong together. Move away the one whose "
                         "data is to be given up, and repeat the command",
                         rec->name, st->domain, d->vdev, state->overlay,
                         d->layer_path);
    return 0;
}

/* QEMU switches all disks in one transaction: where one disk has gone over to
 * its overlay, the others have, too. */
static int decide(struct store *st, const struct live *live, uint32_t domid,
                  xl_snapshot_record *rec, const struct disk_state *states,
                  char **told, struct error *e)
{
    int i, done = 0, empty = 0;

    for (i = 0; i < rec->num_disks; i++) {
        if (check_disk(st, live, domid, rec, &rec->disks[i], &states[i], e))
            return -1;
        done += states[i].progress == SWITCHED;
        empty += states[i].progress == EMPTY;
    }
    if (done && done + empty < rec->num_disks)
        return error_set(e, "snapshot %s was interrupted and only %d of its "
                         "%d disks were switched; %s/%s.snapshot.json says "
                         "which files belong to it: put the disks in order "
                         "and remove that file", rec->name, done,
                         rec->num_disks, st->path, rec->name);
    if (done || (!rec->num_disks && rec->memory &&
                 !access(rec->memory_path, R_OK)))
        return complete(st, live, domid, rec, states, told, e);
    return forget(st, rec, told, e);
}

static int recover(struct store *st, const struct live *live, uint32_t domid,
                   xl_snapshot_record *rec, char **told, struct error *e)
{
    struct disk_state *states = xls_calloc(rec->num_disks, sizeof(*states));
    int i, num = rec->num_disks, ret;

    for (i = 0; i < num; i++)
        states[i] = examine(st, live, domid, &rec->disks[i]);
    ret = decide(st, live, domid, rec, states, told, e);
    for (i = 0; i < num; i++)
        free(states[i].overlay);
    free(states);
    return ret;
}

int identity_recover_create(struct store *st, const struct live *live,
                            uint32_t domid, char **told, struct error *e)
{
    int i;

    *told = NULL;
    for (i = 0; i < st->num_records; i++)
        if (st->records[i]->provisional)
            return recover(st, live, domid, st->records[i], told, e);
    return 0;
}
