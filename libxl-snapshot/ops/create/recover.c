/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How a later operation takes back what was done of a create when the process
 * was killed. How far it came is found out from the files, from QEMU and from
 * the domain, not from the journal: none of these can be behind.
 */
#include "ops/create/create.h"

#include <stdlib.h>
#include <string.h>

#include "block/inside.h"
#include "block/node.h"
#include "common/alloc.h"
#include "common/files.h"
#include "common/json/file_id.h"

/* Whether the disk is still the one of the journal: on the layer that it was
 * on, or on the overlay. */
static bool is_recorded(const struct xls_create_disk *d)
{
    const struct xls_layer *top = &d->disk->layers[0];

    return (d->node && !strcmp(top->node, d->node)) ||
           xls_create_is_layer(top, d->base_path) ||
           xls_create_is_layer(top, d->frozen_path);
}

/* Whether the overlay was merged into the layer that the disk is on. */
static bool is_merged(const struct xls_create_disk *d,
                      const struct xls_json *journal)
{
    const struct xls_json *merge = xls_json_get(journal, XLS_MERGE_KEY);
    const char *child = xls_json_get_str(merge, "child_node");
    const char *layer = xls_json_get_str(merge, "layer_node");

    return child && layer && !strcmp(child, d->node) &&
           !strcmp(layer, d->disk->layers[0].node);
}

/* How far the killed process came with a disk. */
static void examine(struct xls_create_disk *d, const struct xls_json *journal)
{
    d->switched = !strcmp(d->disk->layers[0].node, d->node);
    d->merged = is_merged(d, journal);
    /* Dropping a node that is not there is fine. */
    d->added = true;
    if (d->args->keep_path) {
        d->linked = xls_create_exists(d->frozen_path) &&
                    xls_is_file(d->frozen_path, &d->base_id);
        d->moved = d->linked && !xls_same_file(d->frozen_path, d->base_path);
        d->made = xls_create_exists(d->overlay_path);
    } else {
        d->made = !d->args->reuse_external &&
                  xls_create_exists(d->overlay_path);
    }
}

/* A disk that is not there any more, or is another one by now. */
static int leave_disk(struct xls_create *c, const struct xls_json *o,
                      const struct xls_create_disk *d)
{
    XLS_NOTICE(&c->op.log, "disk %s of domain %s is no longer the one of which "
               "a snapshot was interrupted; it is left as it is",
               xls_json_get_str(o, "vdev"), c->op.name);
    if (d->node && xls_node_del(&c->op, d->node))
        return c->op.in_doubt ? ERROR_SNAPSHOT_INCOMPLETE : 0;
    return xls_create_tidy_disk(&c->op, o);
}

/* *todo: it is one to take back. */
static int load_disk(struct xls_create *c, const struct xls_json *journal,
                     const struct xls_json *o, struct xls_create_disk *d,
                     libxl_disk_snapshot *args, bool *todo)
{
    char *text = xls_json_print(xls_json_get(o, "args"), false);
    char *error = NULL;
    int rc;

    rc = libxl_disk_snapshot_from_json(c->op.ctx, args, text, &error);
    free(text);
    *todo = false;
    d->args = args;
    d->node = xls_strdup(xls_json_get_str(o, "node"));
    d->base_path = xls_strdup(xls_json_get_str(o, "base_path"));
    d->base_id = xls_file_id_from_json(o, "base_id");
    d->overlay_path = xls_strdup(xls_json_get_str(o, "overlay_path"));
    d->second_name = xls_create_second_name(o);
    d->frozen_path = xls_json_get_str(o, "frozen_path");
    d->top_path = xls_json_get_str(o, "top_path");
    d->disk = xls_disks_find(&c->disks, xls_json_get_str(o, "vdev"));
    if (rc) {
        XLS_ERROR(&c->op.log, "the journal of an interrupted snapshot of "
                  "domain %s: %s", c->op.name, error ? error : "damaged");
        free(error);
        return ERROR_SNAPSHOT_INCOMPLETE;
    }
    if (args->method == LIBXL_SNAPSHOT_METHOD_CALLER)
        return 0;
    if (!d->disk)
        return leave_disk(c, o, d);
    /* A disk that is not shown is not one that has not been switched. */
    if (!d->disk->num_layers) {
        XLS_ERROR(&c->op.log, "disk %s: an interrupted snapshot of it cannot be "
                  "taken back, since QEMU does not show its backing chain: %s",
                  d->disk->rec->vdev,
                  d->disk->why_not ? d->disk->why_not : "it has none");
        return ERROR_SNAPSHOT_INCOMPLETE;
    }
    if (!is_recorded(d))
        return leave_disk(c, o, d);
    *todo = true;
    d->discard = xls_disk_discards(d->disk);
    if (args->method == LIBXL_SNAPSHOT_METHOD_INTERNAL)
        /* create refuses a name that is there before it writes the journal. */
        d->snapshotted = xls_internal_named(d->disk, args->name) == 1;
    else if (d->node && d->base_path && d->overlay_path && d->frozen_path &&
             d->top_path)
        examine(d, journal);
    return 0;
}

static void drop_disk(struct xls_create_disk *d)
{
    xls_create_disk_dispose(d);
    memset(d, 0, sizeof(*d));
}

static int undo_all(struct xls_create *c, const struct xls_json *journal)
{
    const struct xls_json *list = xls_json_get(journal, "disks");
    size_t i, num = xls_json_len(list);
    libxl_disk_snapshot *args = xls_calloc(num, sizeof(*args));
    bool todo;
    int rc = 0;

    c->todo = xls_calloc(num, sizeof(*c->todo));
    for (i = 0; i < num; i++)
        libxl_disk_snapshot_init(&args[i]);
    for (i = 0; i < num && !rc; i++) {
        struct xls_create_disk *d = &c->todo[c->num_todo];

        rc = load_disk(c, journal, xls_json_at(list, i), d, &args[i], &todo);
        if (!rc && todo)
            c->num_todo++;
        else
            drop_disk(d);
    }
    c->memory_made = c->memory_tmp != NULL;
    if (rc)
        xls_create_undo_save(c);
    else
        rc = xls_create_roll_back(c);
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
    else
        xls_create_undo_save(&c);
    if (!rc && finished)
        rc = xls_file_unlink(&op->log, args.memory_path);
    xls_op_qmp_close(&c.op);
    *op = c.op;
    xls_create_dispose(&c);
    return rc;
}
