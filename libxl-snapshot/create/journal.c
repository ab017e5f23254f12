/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a create is about to do, and how a later operation takes back what was
 * done of it when the process was killed. How far it came is found out from
 * the files, from QEMU and from the domain, not from the journal: none of
 * these can be behind.
 */
#include "journal/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "create.h"
#include "files/files.h"

static struct xls_json *disk_json(const struct xls_create *c,
                                  const struct xls_create_disk *d)
{
    struct xls_json *o = xls_json_object();

    xls_json_set(o, "args",
                 xls_json_of_text(libxl_disk_snapshot_to_json(c->op.ctx,
                                                              d->args),
                                  &xls_json_limits_file));
    xls_json_set_str(o, "vdev", d->disk->rec->vdev);
    xls_json_set_str(o, "node", d->node);
    xls_json_set_str(o, "base_path", d->base_path);
    xls_file_id_to_json(o, "base_id", &d->base_id);
    xls_json_set_str(o, "overlay_path", d->overlay_path);
    xls_json_set_str(o, "second_name", d->second_name);
    xls_json_set_str(o, "frozen_path", d->frozen_path);
    xls_json_set_str(o, "top_path", d->top_path);
    return o;
}

int xls_create_journal(struct xls_create *c)
{
    struct xls_json *o = xls_journal_new(&c->op, "create");
    struct xls_json *disks = xls_json_array();
    int i, rc;

    xls_json_set_str(o, "memory_tmp", c->memory_tmp);
    xls_json_set_str(o, "memory_path", c->args->memory_path);
    xls_file_id_to_json(o, "memory_id", &c->memory_id);
    for (i = 0; i < c->num_todo; i++)
        xls_json_append(disks, disk_json(c, &c->todo[i]));
    xls_json_set(o, "disks", disks);
    if (c->fold)
        xls_fold_journal(o, c->fold_disk, c->fold);
    rc = xls_journal_write(&c->op, o);
    xls_json_free(o);
    return rc;
}

void xls_create_undo_journal(struct xls_create *c)
{
    int i;

    /* A disk that could not be put back is for the next operation. */
    for (i = 0; i < c->num_todo; i++)
        if (c->todo[i].switched)
            return;
    xls_journal_remove(&c->op);
}

int xls_create_close_journal(struct xls_create *c)
{
    return xls_journal_remove(&c->op);
}

static bool exists(const char *path)
{
    return path && !access(path, F_OK);
}

/* How far the killed process came with a disk. */
static void look(struct xls_create_disk *d)
{
    const struct xls_disk *disk = d->disk;

    d->switched = disk->num_layers > 1 &&
                  !strcmp(disk->layers[0].node, d->node);
    /* Dropping a node that is not there is fine. */
    d->added = true;
    if (d->args->keep_path) {
        d->linked = exists(d->frozen_path) &&
                    xls_is_file(d->frozen_path, &d->base_id);
        d->moved = d->linked && !xls_same_file(d->frozen_path, d->base_path);
        d->made = exists(d->overlay_path);
    } else {
        d->made = !d->args->reuse_external && exists(d->overlay_path);
    }
}

/* The name that a disk's file bears while it takes its path back, where the
 * disk was to keep its path; malloc'ed. */
static char *second_name(const struct xls_json *disk)
{
    const char *recorded = xls_json_get_str(disk, "second_name");
    const char *base = xls_json_get_str(disk, "base_path");
    const char *frozen = xls_json_get_str(disk, "frozen_path");

    if (recorded)
        return xls_strdup(recorded);
    return base && frozen &&
           xls_json_get_bool(xls_json_get(disk, "args"), "keep_path", false)
               ? xls_file_second_name_unrecorded(frozen, base) : NULL;
}

static int load_disk(struct xls_create *c, const struct xls_json *o,
                     struct xls_create_disk *d, libxl_disk_snapshot *args)
{
    char *text = xls_json_print(xls_json_get(o, "args"), false);
    char *error = NULL;
    int rc;

    rc = libxl_disk_snapshot_from_json(c->op.ctx, args, text, &error);
    free(text);
    d->args = args;
    d->node = xls_strdup(xls_json_get_str(o, "node"));
    d->base_path = xls_strdup(xls_json_get_str(o, "base_path"));
    d->base_id = xls_file_id_from_json(o, "base_id");
    d->overlay_path = xls_strdup(xls_json_get_str(o, "overlay_path"));
    d->second_name = second_name(o);
    d->frozen_path = xls_json_get_str(o, "frozen_path");
    d->top_path = xls_json_get_str(o, "top_path");
    d->disk = xls_disks_find(&c->disks, xls_json_get_str(o, "vdev"));
    if (rc || !d->disk) {
        XLS_ERROR(&c->op.log, "the journal of an interrupted snapshot of "
                  "domain %s: %s", c->op.name, error ? error : "a disk that "
                  "it names is gone");
        free(error);
        return ERROR_SNAPSHOT_INCOMPLETE;
    }
    d->discard = xls_disk_discards(d->disk);
    if (args->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL && d->node &&
        d->base_path && d->overlay_path && d->frozen_path && d->top_path)
        look(d);
    return 0;
}

static int undo_all(struct xls_create *c, const struct xls_json *journal)
{
    const struct xls_json *list = xls_json_get(journal, "disks");
    size_t i, num = xls_json_len(list);
    libxl_disk_snapshot *args = xls_calloc(num, sizeof(*args));
    int rc = 0;

    c->todo = xls_calloc(num, sizeof(*c->todo));
    for (i = 0; i < num && !rc; i++) {
        libxl_disk_snapshot_init(&args[i]);
        c->num_todo++;
        rc = load_disk(c, xls_json_at(list, i), &c->todo[i], &args[i]);
    }
    if (!rc) {
        xls_create_undo_records(c);
        xls_create_undo_window(c);
        xls_create_undo_save(c);
        c->memory_made = c->memory_tmp != NULL;
        xls_create_undo_memory_file(c);
        xls_create_undo_overlays(c);
        for (i = 0; i < num; i++)
            if (c->todo[i].switched)
                rc = ERROR_SNAPSHOT_INCOMPLETE;
    }
    for (i = 0; i < num; i++)
        libxl_disk_snapshot_dispose(&args[i]);
    free(args);
    return rc;
}

int xls_create_undo_killed(struct xls_op *op, const struct xls_json *journal)
{
    libxl_domain_snapshot_args args = {
        .memory_path = (char *)xls_json_get_str(journal, "memory_path"),
    };
    struct xls_create c = {.op = *op, .args = &args, .memory_fd = -1};
    const char *tmp = xls_json_get_str(journal, "memory_tmp");
    struct xls_file_id memory_id = xls_file_id_from_json(journal, "memory_id");
    bool finished;
    int rc;

    c.op.was_paused = xls_json_get_bool(journal, "paused", false);
    c.memory_tmp = tmp ? xls_strdup(tmp) : NULL;
    c.suspend.suspended =
        op->info.shutdown &&
        op->info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND;
    /* The memory file may bear its final name already. */
    finished = args.memory_path && memory_id.ino &&
               xls_is_file(args.memory_path, &memory_id);
    rc = xls_disks_load(&c.op, &c.disks);
    if (!rc)
        rc = undo_all(&c, journal);
    if (!rc && finished)
        rc = xls_file_unlink(&op->log, args.memory_path);
    xls_op_qmp_close(&c.op);
    *op = c.op;
    xls_create_dispose(&c);
    return rc;
}

int xls_create_tidy_killed(struct xls_op *op, const struct xls_json *journal)
{
    const struct xls_json *disks = xls_json_get(journal, "disks");
    const char *path = xls_json_get_str(journal, "memory_tmp");
    size_t i;
    int rc;

    rc = path ? xls_file_unlink(&op->log, path) : 0;
    for (i = 0; i < xls_json_len(disks) && !rc; i++) {
        const struct xls_json *d = xls_json_at(disks, i);
        const struct xls_json *args = xls_json_get(d, "args");
        char *second;

        if (!xls_json_get_bool(args, "keep_path", false))
            continue;
        /* Under this name nothing was written by a guest. */
        path = xls_json_get_str(d, "overlay_path");
        if (path)
            rc = xls_file_unlink(&op->log, path);
        second = second_name(d);
        path = xls_json_get_str(d, "frozen_path");
        if (second && path)
            xls_file_drop_second_name(&op->log, second, path);
        free(second);
    }
    return rc;
}
