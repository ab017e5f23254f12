/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The new layers take the paths of those that they replace.
 *
 * One file does that in one step. Of several, those that are replaced are first
 * all put aside, so that a domain which somebody starts after a kill or a power
 * cut finds a path without a file, never disks of two moments.
 */
#include "ops/revert/revert.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block/disk.h"
#include "block/node.h"
#include "block/query.h"
#include "common/alloc.h"
#include "common/files.h"
#include "diskimage/written.h"
#include "xen/records.h"
#include "xen/users.h"

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

static void stays(struct xls_op *op, const struct taking *t)
{
    XLS_WARN(&op->log, "disk %s of domain %s could not take over the path %s "
             "and goes on as %s; the next operation on the domain tries again, "
             "and until then the domain is not to be started from that path",
             t->args->disk.vdev, op->name, to(t), from(t));
}

static bool is_taken(const struct taking *t)
{
    /* A process that was killed may have come so far. */
    return access(from(t), F_OK) || xls_same_file(from(t), to(t));
}

/* Whether somebody has put another file at the path since, than that which is
 * to be replaced. Device numbers may change with a start of the host. */
static bool is_other(const struct xls_revert *r, const struct taking *t)
{
    const struct xls_file_id *id = &r->replaced[t->args - r->args->disks];

    return !is_taken(t) && !access(to(t), F_OK) && !xls_was_file(to(t), id);
}

/* The files alone: all of them, or as far as nothing fails. */
static int take_names(struct xls_op *op, struct taking *takings, int num)
{
    int i, rc = 0;

    for (i = 0; num > 1 && !rc && i < num; i++)
        if (!is_taken(&takings[i]))
            rc = xls_file_put_aside(&op->log, takings[i].second_name);
    for (i = 0; !rc && i < num; i++)
        if (!access(from(&takings[i]), F_OK))
            rc = xls_file_take_path(&op->log, from(&takings[i]),
                                    to(&takings[i]), takings[i].second_name,
                                    NULL);
    return rc;
}

/* Former names, and the files that were replaced. */
static void drop_names(struct xls_op *op, struct taking *takings, int num)
{
    int i;

    for (i = 0; i < num; i++) {
        if (xls_is_second_name(from(&takings[i]), to(&takings[i])))
            xls_file_unlink(&op->log, from(&takings[i]));
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

/* Whether all that is still to be done can be. */
static int check_paths(struct xls_revert *r, struct xls_op *op,
                       const struct taking *takings, int num)
{
    int i, rc = 0;

    for (i = 0; !rc && i < num; i++) {
        const struct taking *t = &takings[i];

        if (is_taken(t))
            continue;
        if (is_other(r, t)) {
            XLS_ERROR(&op->log, "%s is another file by now than the one that "
                      "was to be replaced", to(t));
            rc = ERROR_SNAPSHOT_STORAGE;
        }
        if (!rc)
            rc = xls_check_unused(op, r->op.domid, t->args->disk.vdev, to(t));
        if (!rc)
            rc = xls_file_take_path_prepare(&op->log, from(t), t->second_name,
                                            NULL);
    }
    return rc;
}

/* QEMU and libxl are told of all disks at once. */
static int tell(struct xls_op *op, struct taking *takings, int num)
{
    struct xls_record *records = xls_calloc(num, sizeof(*records));
    int i, rc = 0;

    for (i = 0; !rc && i < num; i++)
        rc = record_of(op, &takings[i], &records[i]);
    if (!rc) {
        tell_qemu(op, takings, num);
        rc = xls_records_set(op, records, num);
    }
    free(records);
    return rc;
}

/* The guest stands still. */
static void take_paths(struct xls_revert *r, struct xls_op *op,
                       struct taking *takings, int num)
{
    int i, rc;

    rc = check_paths(r, op, takings, num);
    if (!rc)
        rc = take_names(op, takings, num);
    for (i = 0; !rc && i < num; i++)
        note_path(r, takings[i].args - r->args->disks);
    if (!rc)
        rc = tell(op, takings, num);
    for (i = 0; rc && i < num; i++)
        stays(op, &takings[i]);
    r->paths_left = rc != 0;
    if (!rc)
        drop_names(op, takings, num);
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
    if (known && !xls_op_open(&op, r->op.log.prefix, r->op.ctx, r->domid,
                              r->op.how)) {
        take_paths(r, &op, takings, known);
        xls_op_end(&op);
    }
    free(takings);
}

/* --- after a kill, without a domain --- */

/* Why what is still to change its name has another use by now; malloc'ed, NULL:
 * it has none. */
static char *other_use(struct xls_revert *r, const struct taking *takings,
                       int num)
{
    const struct xls_used *by;
    struct xls_users users;
    char *why = NULL;
    int i;

    xls_users_load(&r->op, &users);
    for (i = 0; !why && i < num; i++) {
        if (is_taken(&takings[i]))
            continue;
        by = xls_users_find(&users, from(&takings[i]), XLS_NO_DOMID,
                            XLS_NO_DOMID);
        if (!by)
            by = xls_users_find(&users, to(&takings[i]), XLS_NO_DOMID,
                                XLS_NO_DOMID);
        if (by)
            why = xls_asprintf("%s is in use by domain %u (disk %s)", by->path,
                               by->domid, by->vdev ? by->vdev : "?");
        else if (is_other(r, &takings[i]))
            why = xls_asprintf("%s is another file by now",
                               to(&takings[i]));
    }
    xls_users_dispose(&users);
    return why;
}

/* Somebody has helped himself: it would be what he wrote that is lost. */
static void leave(struct xls_revert *r, const struct taking *takings, int num,
                  const char *why)
{
    int i;

    XLS_WARN(&r->op.log, "reverting domain %s was interrupted while its disks "
             "changed their names, and %s: they are left as they are", r->name,
             why);
    for (i = 0; i < num; i++) {
        char *aside = xls_file_aside(takings[i].second_name);

        XLS_WARN(&r->op.log, "disk %s: its state in the snapshot is in %s, the "
                 "one before the revert in %s; remove what you do not need",
                 takings[i].args->disk.vdev,
                 is_taken(&takings[i]) ? to(&takings[i]) : from(&takings[i]),
                 access(aside, F_OK) ? to(&takings[i]) : aside);
        free(aside);
    }
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

bool xls_revert_is_written(const struct xls_revert *r)
{
    bool written = false;
    int i;

    for (i = 0; i < r->args->num_disks; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];

        written |= a->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL &&
                   !access(a->external_path, F_OK) &&
                   xls_image_written(a->external_path);
    }
    return written;
}

int xls_revert_finish_paths(struct xls_revert *r)
{
    int i, num, rc = 0;
    struct taking *takings = takings_of(r, &num);
    char *why = other_use(r, takings, num);
    bool left = false;

    if (why) {
        leave(r, takings, num, why);
        goto out;
    }
    for (i = 0; i < num; i++)
        left |= !is_taken(&takings[i]);
    if (left)
        XLS_NOTICE(&r->op.log, "reverting domain %s was interrupted while its "
                   "disks changed their names; completing that: they are as "
                   "in the snapshot, and the domain is off", r->name);
    rc = take_names(&r->op, takings, num);
    if (rc)
        rc = ERROR_SNAPSHOT_INCOMPLETE;
    else
        drop_names(&r->op, takings, num);

out:
    free(why);
    free(takings);
    return rc;
}

int xls_revert_make_names(struct xls_revert *r)
{
    int i, num, rc = 0;
    struct taking *takings = takings_of(r, &num);

    for (i = 0; !rc && i < num; i++)
        rc = xls_file_take_path_prepare(&r->op.log, from(&takings[i]),
                                        takings[i].second_name, NULL);
    free(takings);
    return rc;
}

void xls_revert_drop_names(struct xls_revert *r)
{
    int i, num;
    struct taking *takings = takings_of(r, &num);

    for (i = 0; i < num; i++)
        xls_file_drop_second_name(&r->op.log, takings[i].second_name,
                                  from(&takings[i]));
    free(takings);
}
