/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The new layers take the paths of those that they replace.
 *
 * One file does that in one step. Of several, those that are replaced are first
 * all put aside, so that a domain which somebody starts after a kill or a power
 * cut finds a path without a file, never disks of two moments.
 */
#include "revert.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "block/disk.h"
#include "block/node.h"
#include "block/query.h"
#include "block/users.h"
#include "files/files.h"
#include "records/records.h"

static bool takes_path(const libxl_disk_snapshot *a)
{
    return a->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL && a->keep_path &&
           a->external_path && a->disk.pdev_path;
}

static void alloc_plan(struct xls_revert *r)
{
    r->second_names = xls_calloc(r->args->num_disks, sizeof(char *));
    r->replaced = xls_calloc(r->args->num_disks, sizeof(*r->replaced));
}

void xls_revert_plan_paths(struct xls_revert *r)
{
    int i;

    alloc_plan(r);
    for (i = 0; i < r->args->num_disks; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];

        if (!takes_path(a))
            continue;
        r->second_names[i] = xls_file_second_name(a->disk.pdev_path);
        xls_identify(a->disk.pdev_path, &r->replaced[i]);
    }
}

void xls_revert_paths_to_json(const struct xls_revert *r, struct xls_json *o)
{
    struct xls_json *names = xls_json_array(), *replaced = xls_json_array();
    int i;

    for (i = 0; i < r->args->num_disks; i++) {
        struct xls_json *id = xls_json_object();

        xls_file_id_to_json(id, "file", &r->replaced[i]);
        xls_json_append(replaced, id);
        xls_json_append(names, r->second_names[i]
                                   ? xls_json_string(r->second_names[i])
                                   : xls_json_null());
    }
    xls_json_set(o, "second_names", names);
    xls_json_set(o, "replaced", replaced);
}

void xls_revert_paths_from_json(struct xls_revert *r, const struct xls_json *o)
{
    const struct xls_json *names = xls_json_get(o, "second_names");
    const struct xls_json *replaced = xls_json_get(o, "replaced");
    int i;

    alloc_plan(r);
    for (i = 0; i < r->args->num_disks; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];
        const char *name = xls_json_str(xls_json_at(names, i));

        if (!takes_path(a))
            continue;
        /* Earlier versions recorded neither. */
        r->second_names[i] =
            name ? xls_strdup(name)
                 : xls_file_second_name_unrecorded(a->external_path,
                                                   a->disk.pdev_path);
        r->replaced[i] = xls_file_id_from_json(xls_json_at(replaced, i),
                                               "file");
    }
}

static void note_path(struct xls_revert *r, int i)
{
    free(r->disks[i].path);
    r->disks[i].path = xls_strdup(r->args->disks[i].disk.pdev_path);
}

/* A disk whose new layer takes over a path. */
struct taking {
    const libxl_disk_snapshot *args;
    const char *second_name;
    libxl_device_disk *disk;            /* NULL: there is no domain */
    bool failed;
};

static const char *from(const struct taking *t)
{
    return t->args->external_path;
}

static const char *to(const struct taking *t)
{
    return t->args->disk.pdev_path;
}

/*
 * Tells QEMU of the new name, for every node that has the file open. Those of
 * an HVM guest are two, until it unplugs the emulated disk. The emulated one's
 * nodes are of QEMU's own making and cannot be reopened (QEMU 10.0 answers with
 * an error and crashes later); they are only opened again by name for a
 * snapshot, which is refused as long as they are there.
 */
static int rename_nodes(struct xls_op *op,
                        const struct xls_block_query *query,
                        const struct taking *t)
{
    const bool discard = xls_disk_discards(&(struct xls_disk){
        .rec = t->disk });
    size_t i;
    int rc = 0;

    for (i = 0; i < xls_json_len(query->stats) && !rc; i++) {
        const struct xls_json *stats = xls_json_at(query->stats, i);
        struct xls_disk disk = { 0 };

        if (!xls_block_query_chain(query, stats, &disk) &&
            !strcmp(disk.layers[0].path, from(t)) &&
            !xls_layer_implicit(&disk.layers[0]))
            rc = xls_node_rename(op, &disk.layers[0], to(t),
                                 disk.layers[0].read_only,
                                 disk.num_layers > 1 ? disk.layers[1].node
                                                     : NULL,
                                 discard);
        xls_disk_drop_layers(&disk);
    }
    return rc;
}

static void tell_qemu(struct xls_op *op, const struct taking *takings, int num)
{
    struct xls_block_query query;
    int i, rc, rc_query;

    rc_query = xls_op_qmp(op);
    if (!rc_query)
        rc_query = xls_block_query(op->qmp, &query);
    for (i = 0; i < num; i++) {
        rc = rc_query ? rc_query : rename_nodes(op, &query, &takings[i]);
        if (rc)
            XLS_WARN(&op->log, "QEMU goes on calling the file of disk %s by "
                     "its former name %s until domain %s is restarted",
                     takings[i].disk->vdev, from(&takings[i]),
                     op->name);
    }
    if (!rc_query)
        xls_block_query_dispose(&query);
    /* libxl is next. */
    xls_op_qmp_close(op);
}

static void not_clean(struct xls_op *op, struct taking *t)
{
    t->failed = true;
    XLS_WARN(&op->log, "disk %s of domain %s could not take over the path %s "
             "cleanly", t->args->disk.vdev, op->name, to(t));
}

static bool is_taken(const struct taking *t)
{
    /* A process that was killed may have come so far. */
    return access(from(t), F_OK) || xls_same_file(from(t), to(t));
}

/* The files alone. What fails stays where it is. */
static void take_names(struct xls_op *op, struct taking *takings, int num)
{
    int i;

    for (i = 0; num > 1 && i < num; i++)
        if (!takings[i].failed && !is_taken(&takings[i]) &&
            xls_file_put_aside(&op->log, takings[i].second_name))
            not_clean(op, &takings[i]);
    for (i = 0; i < num; i++)
        if (!takings[i].failed && !access(from(&takings[i]), F_OK) &&
            xls_file_take_path(&op->log, from(&takings[i]), to(&takings[i]),
                               takings[i].second_name, NULL))
            not_clean(op, &takings[i]);
}

/* Former names, and the files that were replaced. */
static void drop_names(struct xls_op *op, struct taking *takings, int num)
{
    int i;

    for (i = 0; i < num; i++) {
        if (!takings[i].failed && xls_same_file(from(&takings[i]),
                                                to(&takings[i])) &&
            xls_file_unlink(&op->log, from(&takings[i])))
            not_clean(op, &takings[i]);
        xls_file_drop_aside(&op->log, takings[i].second_name);
    }
}

static int record_of(struct xls_op *op, const struct taking *t,
                     struct xls_record *record)
{
    libxl_diskinfo info;
    int rc;

    libxl_diskinfo_init(&info);
    rc = libxl_device_disk_getinfo(op->ctx, op->domid, t->disk, &info);
    *record = (struct xls_record){
        .vdev = t->disk->vdev,
        .devid = info.devid,
        .path = to(t),
        .format = t->disk->format,
    };
    libxl_diskinfo_dispose(&info);
    return rc;
}

/* The guest stands still: QEMU and libxl are told of all disks at once. */
static void take_paths(struct xls_revert *r, struct xls_op *op,
                       struct taking *takings, int num)
{
    struct xls_record *records = xls_calloc(num, sizeof(*records));
    struct taking *told = xls_calloc(num, sizeof(*told));
    int i, taken = 0, rc = 0;

    for (i = 0; i < num; i++)
        if (!is_taken(&takings[i]) &&
            xls_check_unused(op, r->op.domid, takings[i].args->disk.vdev,
                             to(&takings[i])))
            not_clean(op, &takings[i]);
    take_names(op, takings, num);
    for (i = 0; i < num; i++) {
        struct taking *t = &takings[i];

        if (!t->failed && record_of(op, t, &records[taken]))
            not_clean(op, t);
        if (t->failed)
            continue;
        note_path(r, t->args - r->args->disks);
        told[taken++] = *t;
    }
    if (taken) {
        tell_qemu(op, told, taken);
        rc = xls_records_set(op, records, taken);
    }
    for (i = 0; rc && i < num; i++)
        if (!takings[i].failed)
            not_clean(op, &takings[i]);
    drop_names(op, takings, num);
    free(records);
    free(told);
}

/* Those that are known of the revert; of the caller, that frees them. */
static struct taking *takings_of(struct xls_revert *r, int *num)
{
    struct taking *takings = xls_calloc(r->args->num_disks, sizeof(*takings));
    int i;

    *num = 0;
    for (i = 0; i < r->args->num_disks; i++)
        if (r->second_names[i])
            takings[(*num)++] = (struct taking){
                .args = &r->args->disks[i],
                .second_name = r->second_names[i],
            };
    return takings;
}

void xls_revert_take_paths(struct xls_revert *r)
{
    int i, num, known = 0;
    struct taking *takings = takings_of(r, &num);
    struct xls_op op;

    for (i = 0; i < num; i++) {
        takings[i].disk = xls_revert_disk(&r->config,
                                          takings[i].args->disk.vdev);
        if (takings[i].disk)
            takings[known++] = takings[i];
        else
            XLS_WARN(&r->op.log, "domain %s has no disk %s any more", r->name,
                     takings[i].args->disk.vdev);
    }
    if (known && !xls_op_begin(&op, r->op.log.prefix, r->op.ctx, r->domid,
                               r->op.how, false)) {
        take_paths(r, &op, takings, known);
        xls_op_end(&op);
    }
    free(takings);
}

/* --- after a kill, without a domain --- */

/* That nobody is on what is still to change its name. */
static int check_free(struct xls_revert *r, const struct taking *takings,
                      int num)
{
    struct xls_users users;
    int i, rc = 0;

    xls_users_load(&r->op, &users);
    for (i = 0; !rc && i < num; i++) {
        const struct xls_used *by;

        if (is_taken(&takings[i]))
            continue;
        by = xls_users_find(&users, from(&takings[i]), XLS_NO_DOMID,
                            XLS_NO_DOMID);
        if (!by)
            by = xls_users_find(&users, to(&takings[i]), XLS_NO_DOMID,
                                XLS_NO_DOMID);
        if (!by)
            continue;
        XLS_ERROR(&r->op.log, "reverting domain %s was interrupted while its "
                  "disks changed their names, and %s is in use by domain %u "
                  "(disk %s); shut that domain down and try again", r->name,
                  by->path, by->domid, by->vdev);
        rc = ERROR_SNAPSHOT_INCOMPLETE;
    }
    xls_users_dispose(&users);
    return rc;
}

/* Whether its names show that it took its path, or was about to. Without the
 * new layer's former name it is known by the file that it replaced. */
static bool shows_taking(const struct xls_revert *r, const struct taking *t)
{
    if (xls_file_is_aside(t->second_name) || xls_same_file(from(t), to(t)))
        return true;
    return access(from(t), F_OK) && !access(to(t), F_OK) &&
           !xls_is_file(to(t), &r->replaced[t->args - r->args->disks]);
}

bool xls_revert_took_paths(struct xls_revert *r)
{
    int i, num;
    struct taking *takings = takings_of(r, &num);
    bool took = false;

    for (i = 0; i < num; i++)
        took |= shows_taking(r, &takings[i]);
    free(takings);
    return took && (!r->aside.path || r->phase == XLS_REVERT_REPLACED);
}

int xls_revert_finish_paths(struct xls_revert *r)
{
    int i, num, rc = 0;
    struct taking *takings = takings_of(r, &num);
    bool left = false;

    for (i = 0; i < num; i++)
        left |= !is_taken(&takings[i]);
    if (left) {
        rc = check_free(r, takings, num);
        if (rc)
            goto out;
        XLS_NOTICE(&r->op.log, "reverting domain %s was interrupted while its "
                   "disks changed their names; completing that: they are as "
                   "in the snapshot, and the domain is off", r->name);
    }
    take_names(&r->op, takings, num);
    for (i = 0; i < num; i++)
        if (takings[i].failed)
            rc = ERROR_SNAPSHOT_INCOMPLETE;
    if (!rc)
        drop_names(&r->op, takings, num);

out:
    free(takings);
    return rc;
}
