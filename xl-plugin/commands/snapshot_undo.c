/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include "commands/deletion.h"

/* The active layer can go down into the snapshot's: they are next to each
 * other, and nothing else is based on that. */
static int check_disk(const struct merge *f, const struct layers *l,
                      const xl_snapshot_record *rec,
                      const xl_snapshot_disk *disk, struct error *e)
{
    const struct layer *base = layers_find(l, disk->layer_path), *child;
    const struct live_disk *now = live_find(f->live, f->domid, disk->vdev);
    const char *why;

    if (disk->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL)
        return error_set(e, "snapshot %s of disk %s is one inside the image "
                         "%s: there is no layer to take back. "
                         "'xl snapshot-delete %s %s' deletes it", rec->name,
                         disk->vdev, disk->layer_path, f->st->domain,
                         rec->name);
    if (!base)
        return error_set(e, "%s, the layer of snapshot %s for disk %s, is "
                         "missing", disk->layer_path, rec->name, disk->vdev);
    if (layers_num_children(l, disk->layer_path) > 1)
        return error_set(e, "disk %s: other layers than the active one are "
                         "based on %s. 'xl snapshot-delete %s %s' keeps their "
                         "content and the domain's", disk->vdev,
                         disk->layer_path, f->st->domain, rec->name);
    child = layers_next_child(l, disk->layer_path, NULL);
    if (!child || !child->top ||
        /* The former disk of that vdev is on no domain. */
        (!(now && now->replaced) &&
         (!child->live || child->live->domid != f->domid)))
        return error_set(e, "disk %s: its active layer is not based on %s, "
                         "the layer of snapshot %s, itself; "
                         "'xl snapshot-delete %s %s' deletes that",
                         disk->vdev, disk->layer_path, rec->name,
                         f->st->domain, rec->name);
    why = merge_obstacle(f, l, base);
    return why ? error_set(e, "disk %s: %s must stay as it is: %s",
                           disk->vdev, disk->layer_path, why) : 0;
}

static int check(const struct merge *f, const xl_snapshot_record **current,
                 struct error *e)
{
    const char *name = f->st->info.current;
    const xl_snapshot_record *rec = str_none(name) ? NULL
                                                   : store_find(f->st, name);
    struct layers l;
    int i, ret;

    if (!rec)
        return error_set(e, "%s has no current snapshot; 'xl snapshot-list "
                         "%s' shows those that there are", f->st->domain,
                         f->st->domain);
    if (rec->hidden)
        return error_set(e, "there are still layers of snapshot %s, which is "
                         "deleted, below the active ones: 'xl snapshot-delete "
                         "%s %s' merges them, or says why they stay",
                         rec->name, f->st->domain, rec->name);
    ret = layers_load(&l, f->st, f->live, e);
    if (ret)
        return ret;
    for (i = 0; !ret && i < rec->num_disks; i++)
        ret = check_disk(f, &l, rec, &rec->disks[i], e);
    layers_free(&l);
    *current = rec;
    return ret;
}

int command_undo(struct cli *cli, int argc, char **argv)
{
    const xl_snapshot_record *current = NULL;
    struct strings names = { 0 };
    struct merge_library library;
    struct error e = { 0 };
    struct session s;
    int code;

    if (!cli_plain(cli, argc, argv, 1, 1, &code))
        return code;

    if (session_open(cli, argv[optind], true, &s, &e)) {
        code = cli_fail(cli, &e);
        goto out;
    }
    merge_library_init(&library, cli, &s);
    if (check(&library.merge, &current, &e)) {
        code = cli_fail(cli, &e);
        goto out;
    }
    strings_add(&names, current->name);
    code = deletion_run(cli, &s, &names, LIBXL_SNAPSHOT_MERGE_BACKWARD,
                        "taken back");

out:
    strings_free(&names);
    session_close(&s);
    return code;
}
