/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/interrupted.h"

#include <stdlib.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "common/alloc.h"
#include "common/files.h"
#include "diskimage/written.h"
#include "layers/identity.h"
#include "session/merge_library.h"
#include "session/users.h"
#include "supervise/supervise.h"

static int recover(struct cli *cli, uint32_t domid, struct error *e)
{
    libxl_snapshot_how how = { .logger = cli->logger };
    int rc = libxl_domain_snapshot_recover(cli->ctx, domid, &how);

    /* The domain that was recovered may be the one that had to go. */
    return rc && rc != ERROR_DOMAIN_NOTFOUND
        ? cli_error_rc(e, rc, "what an earlier command left of the domain "
                       "cannot be put in order")
        : 0;
}

/* A domain under one of the names that a revert gives meanwhile. */
static uint32_t find_swapping(struct cli *cli, const char *name)
{
    static const char *const ends[] = { "--outgoing", "--incoming" };
    uint32_t domid = INVALID_DOMID;
    size_t i;

    for (i = 0; i < 2 && !domain_runs(domid); i++) {
        char *other = xls_asprintf("%s%s", name, ends[i]);

        if (libxl_name_to_domid(cli->ctx, other, &domid))
            domid = INVALID_DOMID;
        free(other);
    }
    return domid;
}

int interrupted_domain(struct cli *cli, const char *text, bool running,
                       struct domain *domain, struct error *e)
{
    struct error ignored = { 0 };
    uint32_t swapping = INVALID_DOMID;
    int ret;

    if (!cli_domain(cli, text, false, domain, &ignored) &&
        !domain_runs(domain->domid))
        swapping = find_swapping(cli, text);
    error_clear(&ignored);
    ret = domain_runs(swapping) ? recover(cli, swapping, e) : 0;
    free(domain->name);
    domain->name = NULL;
    return ret ? ret : cli_domain(cli, text, running, domain, e);
}

/* A domain that a revert put aside is known by its uuid only. */
static int recover_gone(struct session *s, struct cli *cli, struct error *e)
{
    const xl_snapshot_domain *info = &s->store->info;
    libxl_snapshot_how how = { .logger = cli->logger };
    libxl_uuid uuid;
    int i, rc = 0;

    if (str_none(info->reverting))
        return 0;
    for (i = info->num_uuids - 1; i >= 0 && !rc; i--)
        if (!libxl_uuid_from_string(&uuid, info->uuids[i]))
            rc = libxl_domain_snapshot_recover_uuid(cli->ctx, &uuid, &how);
    return rc ? cli_error_rc(e, rc, "what an interrupted revert left of the "
                             "domain cannot be put in order")
              : 0;
}

int interrupted_recover(struct session *s, struct cli *cli, bool running,
                        struct error *e)
{
    char *name = s->domain.name;
    int ret;

    ret = domain_runs(s->domain.domid) ? recover(cli, s->domain.domid, e)
                                       : recover_gone(s, cli, e);
    if (ret)
        return ret;
    /* It may be another one now. */
    ret = cli_domain(cli, name, running, &s->domain, e);
    free(name);
    return ret;
}

int interrupted_note_revert(struct session *s, const char *snapshot,
                            const struct strings *made, struct error *e)
{
    xl_snapshot_domain *info = &s->store->info;
    int i;

    interrupted_clear_revert(s);
    info->reverting = xls_strdup(snapshot);
    info->reverting_domid = s->domain.domid;
    info->reverting_files = xls_calloc(made->num,
                                       sizeof(*info->reverting_files));
    for (i = 0; i < made->num; i++)
        info->reverting_files[info->num_reverting_files++] =
            xls_strdup(made->v[i]);
    return store_write_info(s->store, e);
}

int interrupted_note_layers(struct session *s, struct error *e)
{
    s->store->info.reverting_ready = true;
    return store_write_info(s->store, e);
}

int interrupted_note_discard(struct session *s, struct error *e)
{
    if (!s->store->info.reverting_ready)
        return 0;
    s->store->info.reverting_ready = false;
    return store_write_info(s->store, e);
}

int interrupted_note_applied(struct session *s, struct error *e)
{
    if (s->store->info.reverting_applied)
        return 0;
    s->store->info.reverting_applied = true;
    return store_write_info(s->store, e);
}

void interrupted_clear_revert(struct session *s)
{
    xl_snapshot_domain *info = &s->store->info;
    int i;

    for (i = 0; i < info->num_reverting_files; i++)
        free(info->reverting_files[i]);
    free(info->reverting_files);
    info->reverting_files = NULL;
    info->num_reverting_files = 0;
    info->reverting_domid = 0;
    info->reverting_ready = false;
    info->reverting_applied = false;
    str_replace(&info->reverting, NULL);
}

/* Whether a layer that was made for the revert did not come into use: it has
 * the name that it was made under, and no domain has it open. */
static bool any_unused(struct session *s)
{
    const xl_snapshot_domain *info = &s->store->info;
    int i, j;

    for (i = 0; i < info->num_reverting_files; i++) {
        bool used = access(info->reverting_files[i], F_OK) != 0;

        for (j = 0; j < s->live.num; j++)
            used |= str_same(s->live.v[j].path, info->reverting_files[i]);
        if (!used)
            return true;
    }
    return false;
}

/*
 * Whether the domain is another one than before, on the snapshot's layers. One
 * that was put aside and brought back is another one too, and may be on them as
 * well, if the snapshot was the current one.
 */
static bool reverted(struct session *s, const xl_snapshot_record *rec)
{
    uint32_t domid = s->domain.domid;
    struct error ignored = { 0 };
    bool yes = domain_runs(domid) &&
               domid != s->store->info.reverting_domid && !any_unused(s) &&
               (s->store->info.num_reverting_files ||
                s->store->info.reverting_applied);
    int i;

    for (i = 0; yes && i < rec->num_disks; i++)
        yes = identity_based_on(&s->live, domid, &rec->disks[i], &ignored);
    error_clear(&ignored);
    return yes;
}

static void watch(struct session *s, struct cli *cli)
{
    struct watchers watchers;
    struct error e = { 0 };

    watchers_find(s->domain.name, &watchers);
    if (!watchers.num && supervise_start(s->domain.name, s->domain.domid, NULL,
                                         &e))
        cli_say(cli, "%s; nothing restarts the domain when it reboots",
                e.text);
    watchers_close(&watchers);
    error_clear(&e);
}

/* The layer made for this disk of the snapshot; NULL if it is not there, since
 * it has another name by now. */
static const char *made_layer(const xl_snapshot_domain *info,
                              const xl_snapshot_disk *disk)
{
    struct error ignored = { 0 };
    const char *found = NULL;
    int i;

    for (i = 0; !found && i < info->num_reverting_files; i++) {
        const char *path = info->reverting_files[i];
        struct image image;

        if (access(path, F_OK))
            continue;
        if (image_info(path, LIBXL_DISK_FORMAT_QCOW2, &image, &ignored)) {
            error_clear(&ignored);
            continue;
        }
        if (str_same(image.backing, disk->layer_path) ||
            (image.backing && xls_same_file(image.backing, disk->layer_path)))
            found = path;
        image_dispose(&image);
    }
    return found;
}

/* Whether a layer that was made has been written, or has taken the path that
 * it was made for: the new domain was there then, on all of them. */
static bool came_into_use(const xl_snapshot_domain *info)
{
    bool used = false;
    int i;

    for (i = 0; !used && i < info->num_reverting_files; i++)
        used = access(info->reverting_files[i], F_OK)
                   ? info->reverting_ready
                   : xls_image_written(info->reverting_files[i]);
    return used;
}

/* Puts the states inside images back, once more for those that were. */
static int apply_internal(struct cli *cli, const xl_snapshot_record *rec,
                          struct error *e)
{
    int i;

    for (i = 0; i < rec->num_disks; i++) {
        const xl_snapshot_disk *d = &rec->disks[i];

        if (d->method == LIBXL_SNAPSHOT_METHOD_INTERNAL &&
            (users_unused(cli, d->layer_path, e) ||
             image_internal_apply(d->layer_path, d->internal_name, e)))
            return error_set(e, "disk %s: %s", d->vdev, e->text);
    }
    return 0;
}

/* Of a domain that does not run: its disks are put into the snapshot's state,
 * all of them. */
static int go_over(struct session *s, struct cli *cli,
                   const xl_snapshot_record *rec, struct error *e)
{
    int i;

    if (s->store->info.reverting_applied && apply_internal(cli, rec, e))
        return -1;
    for (i = 0; i < rec->num_disks; i++) {
        const char *top = made_layer(&s->store->info, &rec->disks[i]);
        xl_snapshot_domain_disk *known =
            store_disk(s->store, rec->disks[i].vdev);

        if (top && known) {
            str_replace(&known->top_path, top);
            known->top_format = LIBXL_DISK_FORMAT_QCOW2;
        }
    }
    return 0;
}

/* Layers that were made for the revert and that no domain is on. */
static int discard_made(struct session *s, struct cli *cli, struct error *e)
{
    xl_snapshot_domain *info = &s->store->info;
    struct merge_library library;
    int i, j, ret = interrupted_note_discard(s, e);

    merge_library_init(&library, cli, s);
    for (i = 0; !ret && i < info->num_reverting_files; i++) {
        bool used = false;

        for (j = 0; j < s->live.num; j++)
            used |= str_same(s->live.v[j].path, info->reverting_files[i]);
        for (j = 0; j < info->num_disks; j++)
            used |= str_same(info->disks[j].top_path,
                             info->reverting_files[i]);
        if (used || access(info->reverting_files[i], F_OK))
            continue;
        if (xls_image_written(info->reverting_files[i]))
            cli_say(cli, "%s stays: a domain has written it; remove it when "
                    "nobody needs what it holds", info->reverting_files[i]);
        else
            ret = merge_discard(&library.merge, info->reverting_files[i], NULL, e);
    }
    return ret;
}

int interrupted_recover_revert(struct session *s, struct cli *cli,
                               struct error *e)
{
    struct store *st = s->store;
    xl_snapshot_record *rec;

    if (str_none(st->info.reverting))
        return 0;
    rec = store_find(st, st->info.reverting);
    if (rec && !domain_runs(s->domain.domid) &&
        (st->info.reverting_applied || came_into_use(&st->info))) {
        if (go_over(s, cli, rec, e)) {
            cli_say(cli, "reverting %s to %s was interrupted, and its disks "
                    "are of different moments: %s; revert it again",
                    s->domain.name, rec->name, e->text);
            error_clear(e);
            return 0;
        }
        cli_say(cli, "reverting %s to %s was interrupted after its disks had "
                "been put back into that state; the domain is off, and goes on "
                "from there when it is started with 'xl create'",
                s->domain.name, rec->name);
        str_replace(&st->info.current, rec->name);
    } else if (rec && reverted(s, rec)) {
        cli_say(cli, "reverting %s to %s was interrupted; it is complete now",
                s->domain.name, rec->name);
        str_replace(&st->info.current, rec->name);
        identity_note_tops(st, &s->live, s->domain.domid);
        watch(s, cli);
    } else {
        /* It may have been put aside and brought back, or suspended. */
        if (domain_runs(s->domain.domid))
            watch(s, cli);
        cli_say(cli, "reverting %s to %s was interrupted; %s", s->domain.name,
                st->info.reverting,
                !domain_runs(s->domain.domid)
                    ? "it does not run now: revert it again, or start it with "
                      "'xl create'"
                : st->info.reverting_applied
                    ? "it was started since, and its disks may be of different "
                      "moments: revert it again"
                : st->info.reverting_domid != s->domain.domid &&
                          !st->info.num_reverting_files
                    ? "what it runs on was not changed by that; if its memory "
                      "is not the snapshot's, revert it again"
                    : "it runs on as it was");
    }
    if (discard_made(s, cli, e))
        return -1;
    interrupted_clear_revert(s);
    return store_write_info(st, e);
}

int interrupted_recover_merge(struct session *s, struct cli *cli,
                              struct error *e)
{
    struct merge_library library;

    merge_library_init(&library, cli, s);
    return merge_recover(&library.merge, e);
}
