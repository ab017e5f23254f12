/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The window: the guest's memory is saved (or was not asked for), and all
 * disks change over at one instant. What is slow was done before.
 */
#include <string.h>

#include "block/inside.h"
#include "common/files.h"
#include "merge/merge.h"
#include "ops/create/create.h"
#include "session/change.h"
#include "xen/records.h"

static bool is_external(const struct xls_create_disk *d)
{
    return d->args->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL;
}

/*
 * With keep_path the path changes hands at once, while the guest stands still:
 * at no time is an acknowledged write missing under it. Not before the switch:
 * QEMU opens the layer's file again, by that path, as it makes it read-only, and
 * would read the overlay as its own backing file from then on.
 */
static int move_paths(struct xls_create *c)
{
    int i, rc;

    for (i = 0; i < c->num_todo; i++) {
        struct xls_create_disk *d = &c->todo[i];

        if (!is_external(d) || !d->args->keep_path)
            continue;
        rc = xls_file_check_id(&c->op.log, d->base_path, &d->base_id);
        if (!rc)
            rc = xls_file_check_id(&c->op.log, d->overlay_path,
                                   &d->overlay_id);
        if (!rc)
            rc = xls_file_rename_now(&c->op.log, d->overlay_path,
                                     d->base_path);
        if (rc)
            return rc;
        d->moved = true;
    }
    return 0;
}

/* Has QEMU read what it is to do, but for the last byte. */
static int stage_switch(struct xls_create *c, bool *staged)
{
    struct xls_qmp_transaction t = { 0 };
    struct xls_json *data;
    int i, num = 0, rc = 0;

    for (i = 0; i < c->num_todo; i++) {
        const struct xls_create_disk *d = &c->todo[i];

        data = xls_json_object();
        if (is_external(d)) {
            xls_json_set_str(data, "node", d->disk->layers[0].node);
            xls_json_set_str(data, "overlay", d->node);
            xls_qmp_transaction_add(&t, "blockdev-snapshot", data);
        } else if (d->args->method == LIBXL_SNAPSHOT_METHOD_INTERNAL) {
            xls_json_set_str(data, "device", d->disk->layers[0].node);
            xls_json_set_str(data, "name", d->args->name);
            xls_qmp_transaction_add(&t, "blockdev-snapshot-internal-sync",
                                    data);
        } else {
            xls_json_free(data);
            continue;
        }
        num++;
    }
    *staged = num > 0;
    if (num) {
        rc = xls_op_qmp(&c->op);
        if (!rc)
            rc = xls_qmp_transaction_stage(c->op.qmp, &t, XLS_QMP_SLOW);
    }
    xls_qmp_transaction_dispose(&t);
    return rc;
}

/* Whether the transaction has taken effect on a disk. */
static enum xls_done is_switched(struct xls_create *c,
                                 const struct xls_create_disk *d)
{
    struct xls_disk now = { .rec = d->disk->rec, .devid = d->disk->devid };
    enum xls_done done = XLS_CANNOT_TELL;

    if (!xls_disk_query(&c->op, &now) && now.num_layers) {
        bool is = is_external(d)
                      ? !strcmp(now.layers[0].node, d->node)
                      : xls_internal_named(&now, d->args->name) > 0;

        done = is ? XLS_DONE : XLS_NOT_DONE;
    }
    xls_disk_drop_layers(&now);
    return done;
}

/* QEMU has not answered: 0 when it did it, rc when it did not and will not. */
static int find_out(struct xls_create *c, int rc)
{
    enum xls_done all = XLS_CANNOT_TELL;
    int i, num = 0;

    for (i = 0; i < c->num_todo; i++) {
        const struct xls_create_disk *d = &c->todo[i];
        enum xls_done done;

        if (d->args->method == LIBXL_SNAPSHOT_METHOD_CALLER)
            continue;
        done = is_switched(c, d);
        /* It is one transaction. */
        if (done == XLS_CANNOT_TELL || (num++ && done != all))
            return xls_op_doubt(&c->op, "switching the disks to their "
                                "overlays");
        all = done;
    }
    return all == XLS_DONE ? 0 : rc;
}

static int switch_disks(struct xls_create *c)
{
    int i, rc;

    rc = xls_qmp_transaction_fire(c->op.qmp, XLS_QMP_SLOW);
    if (rc == ERROR_SNAPSHOT_QEMU)
        XLS_ERROR(&c->op.log, "QEMU refused to snapshot the disks of domain "
                  "%s: %s", c->op.name, xls_qmp_error_desc(c->op.qmp));
    else if (!rc)
        c->window_us = xls_qmp_last_us(c->op.qmp);
    if (xls_unanswered(rc))
        rc = find_out(c, rc);
    if (rc)
        return rc;
    for (i = 0; i < c->num_todo; i++) {
        c->todo[i].switched = is_external(&c->todo[i]);
        c->todo[i].snapshotted =
            c->todo[i].args->method == LIBXL_SNAPSHOT_METHOD_INTERNAL;
    }
    return 0;
}

static int call_storage(struct xls_create *c)
{
    int i, rc;

    for (i = 0; i < c->num_todo; i++) {
        struct xls_create_disk *d = &c->todo[i];

        if (d->args->method != LIBXL_SNAPSHOT_METHOD_CALLER)
            continue;
        /* It may call libxl. */
        xls_op_qmp_close(&c->op);
        rc = c->op.how->storage(c->op.how->user,
                                LIBXL_SNAPSHOT_STORAGE_SNAPSHOT, c->op.domid,
                                d->args);
        if (rc) {
            XLS_ERROR(&c->op.log, "disk %s: its storage's own snapshot failed",
                      d->disk->rec->vdev);
            return rc;
        }
        d->called = true;
    }
    return 0;
}

/* While the records still name a layer that keeps its path, a start from them
 * must fail rather than write it. */
static void freeze(struct xls_create *c)
{
    int i;

    for (i = 0; i < c->num_todo; i++)
        if (c->todo[i].switched)
            xls_file_freeze_now(&c->op.log, c->todo[i].frozen_path);
}

/*
 * QEMU's transaction is atomic by itself, and so are the disks that stay
 * under a new path. Storage that QEMU does not handle, and a path that changes
 * hands, need the guest to stand still around it.
 */
static bool needs_pause(const struct xls_create *c)
{
    int i;

    for (i = 0; i < c->num_todo; i++)
        if (c->todo[i].args->method == LIBXL_SNAPSHOT_METHOD_CALLER ||
            c->todo[i].args->keep_path)
            return true;
    return false;
}

int xls_create_window(struct xls_create *c)
{
    bool staged;
    int rc;

    rc = stage_switch(c, &staged);
    if (!rc && needs_pause(c))
        rc = xls_domain_pause(&c->op, &c->paused);
    if (!rc && staged)
        rc = switch_disks(c);
    if (!rc)
        rc = move_paths(c);
    /* Before the guest goes on, whatever has failed. */
    freeze(c);
    if (!rc)
        rc = call_storage(c);
    /* What QEMU was not told to do yet, it is not going to. */
    if (rc)
        xls_op_qmp_close(&c->op);
    if (c->paused)
        xls_domain_unpause(&c->op);
    c->paused = false;
    return rc;
}

int xls_create_protect(struct xls_create *c)
{
    int i;

    for (i = 0; i < c->num_todo; i++)
        if (c->todo[i].switched)
            xls_file_freeze(&c->op.log, c->todo[i].frozen_path);
    return 0;
}

static int merge_top(struct xls_create *c, const struct xls_disk *disk,
                     bool keep_path)
{
    struct xls_merge merge;
    int rc;

    xls_merge_plan(&merge, disk, 0, 1, true, keep_path);
    c->merge = &merge;
    c->merge_disk = disk;
    /* Only a second kill would need it: no reason not to go back. */
    if (xls_create_journal(c))
        XLS_WARN(&c->op.log, "going on without it");
    xls_merge_run(&c->op, disk, &merge, NULL, &rc);
    c->merge = NULL;
    xls_merge_dispose(&merge);
    return rc;
}

/* While the layer is written, a start by libxl's records, which name it yet,
 * must find the overlay: the layer alone is of no single moment. */
static int record_overlay(struct xls_create *c, const struct xls_create_disk *d)
{
    const struct xls_record record = {
        .vdev = d->disk->rec->vdev,
        .devid = d->disk->devid,
        .path = d->top_path,
        .format = LIBXL_DISK_FORMAT_QCOW2,
    };

    xls_op_qmp_close(&c->op);
    return xls_records_set(&c->op, &record, 1);
}

/*
 * Merges the overlay back. What files and nodes are called is decided first: a
 * path that has not changed hands yet does so now, so that there is only one
 * way back.
 */
static int merge_back(struct xls_create *c, struct xls_create_disk *d)
{
    struct xls_disk *disk = d->disk;
    int rc;

    rc = xls_disks_requery(&c->op, &c->disks);
    if (!rc && disk->num_layers < 2)
        rc = ERROR_SNAPSHOT_QMP;
    if (!rc && !d->args->keep_path)
        rc = record_overlay(c, d);
    if (rc || !d->args->keep_path)
        return rc ? rc : merge_top(c, disk, false);
    if (!d->moved) {
        rc = xls_file_thaw(&c->op.log, d->base_path);
        if (!rc)
            rc = xls_file_rename(&c->op.log, d->overlay_path, d->base_path);
        d->moved = !rc;
    }
    if (!rc && strcmp(disk->layers[1].path, d->frozen_path)) {
        rc = xls_create_name(c, d, &disk->layers[1],
                             disk->num_layers > 2 ? disk->layers[2].node
                                                  : NULL);
        if (!rc)
            rc = xls_disks_requery(&c->op, &c->disks);
    }
    return rc ? rc : merge_top(c, disk, true);
}

static void undo_external(struct xls_create *c, struct xls_create_disk *d)
{
    if (merge_back(c, d)) {
        XLS_ERROR(&c->op.log, "disk %s stays on its overlay %s, which is "
                  "right and in use", d->disk->rec->vdev, d->top_path);
        return;
    }
    d->switched = d->added = false;
    d->merged = true;
    /* The layer took its path back, and with it went the other two names. */
    if (d->args->keep_path)
        d->moved = d->linked = d->made = false;
}

void xls_create_undo_window(struct xls_create *c)
{
    int i;

    for (i = c->num_todo - 1; i >= 0 && !c->op.in_doubt; i--) {
        struct xls_create_disk *d = &c->todo[i];

        if (d->called)
            c->op.how->storage(c->op.how->user, LIBXL_SNAPSHOT_STORAGE_UNDO,
                               c->op.domid, d->args);
        d->called = false;
        if (d->snapshotted)
            d->snapshotted = xls_internal_delete(&c->op, d->disk,
                                                 d->args->name) != 0;
        if (d->switched)
            undo_external(c, d);
    }
}
