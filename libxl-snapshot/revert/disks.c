/* SPDX-License-Identifier: LGPL-2.1-only */
#include "revert.h"

#include <errno.h>
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

static libxl_device_disk *config_disk(libxl_domain_config *config,
                                      const char *vdev)
{
    int i;

    for (i = 0; i < config->num_disks; i++)
        if (vdev && config->disks[i].vdev &&
            !strcmp(config->disks[i].vdev, vdev))
            return &config->disks[i];
    return NULL;
}

static int prepare_external(struct xls_revert *r, const libxl_disk_snapshot *a,
                            libxl_device_disk *disk)
{
    const char *path = a->external_path;
    int rc;

    if (!path || path[0] != '/') {
        XLS_ERROR(&r->op.log, "disk %s: external_path must be the absolute "
                  "path of the layer to start on", disk->vdev);
        return ERROR_INVAL;
    }
    if (access(path, R_OK | W_OK)) {
        XLS_ERRORE(&r->op.log, "disk %s: %s cannot be used", disk->vdev, path);
        return ERROR_SNAPSHOT_STORAGE;
    }
    if (a->keep_path && (!a->disk.pdev_path || a->disk.pdev_path[0] != '/')) {
        XLS_ERROR(&r->op.log, "disk %s: keep_path needs disk.pdev_path, the "
                  "path to take over", disk->vdev);
        return ERROR_INVAL;
    }
    rc = xls_check_unused(&r->op, XLS_NO_DOMID, disk->vdev, path);
    if (!rc && a->keep_path)
        rc = xls_check_unused(&r->op, XLS_NO_DOMID, disk->vdev,
                              a->disk.pdev_path);
    if (rc)
        return rc;
    free(disk->pdev_path);
    disk->pdev_path = xls_strdup(path);
    disk->format = a->external_format == LIBXL_DISK_FORMAT_UNKNOWN
                       ? LIBXL_DISK_FORMAT_QCOW2 : a->external_format;
    return 0;
}

/* What the toolstack is about to put back. */
static int check_storage(struct xls_revert *r, const libxl_disk_snapshot *a)
{
    return a->disk.pdev_path
        ? xls_check_unused(&r->op, XLS_NO_DOMID, a->disk.vdev,
                           a->disk.pdev_path)
        : 0;
}

int xls_revert_prepare_disks(struct xls_revert *r)
{
    int i, rc;

    r->disks = xls_calloc(r->args->num_disks, sizeof(*r->disks));
    for (i = 0; i < r->args->num_disks; i++)
        libxl_disk_snapshot_result_init(&r->disks[i]);
    xls_revert_set_second_names(r, NULL);
    for (i = 0; i < r->args->num_disks; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];
        libxl_device_disk *disk = config_disk(&r->config, a->disk.vdev);

        if (!disk) {
            XLS_ERROR(&r->op.log, "the configuration of domain %s has no disk "
                      "\"%s\"", r->name, a->disk.vdev ? a->disk.vdev : "");
            return ERROR_INVAL;
        }
        if (a->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL) {
            rc = prepare_external(r, a, disk);
            if (rc)
                return rc;
        } else if (a->method != LIBXL_SNAPSHOT_METHOD_NONE) {
            if (!r->op.how->storage) {
                XLS_ERROR(&r->op.log, "disk %s: method %s needs the storage "
                          "callback", disk->vdev,
                          libxl_snapshot_method_to_string(a->method));
                return ERROR_INVAL;
            }
            if (!r->args->destroy_first && r->op.domid != XLS_NO_DOMID) {
                XLS_ERROR(&r->op.log, "disk %s: a disk of method %s can only "
                          "be put back while no domain uses it; use "
                          "destroy_first", disk->vdev,
                          libxl_snapshot_method_to_string(a->method));
                return ERROR_INVAL;
            }
            rc = check_storage(r, a);
            if (rc)
                return rc;
        }
        r->disks[i].vdev = xls_strdup(disk->vdev);
        r->disks[i].method = a->method;
        r->disks[i].path = xls_strdup(disk->pdev_path);
        r->disks[i].format = disk->format;
    }
    return 0;
}

static bool by_storage(const libxl_disk_snapshot *a)
{
    return a->method == LIBXL_SNAPSHOT_METHOD_INTERNAL ||
           a->method == LIBXL_SNAPSHOT_METHOD_CALLER;
}

/* What was done before stays done: the next revert does it again. */
static void storage_failed(struct xls_revert *r, int failed)
{
    char *done = NULL, *more;
    int i;

    for (i = 0; i < failed; i++) {
        if (!by_storage(&r->args->disks[i]))
            continue;
        more = xls_asprintf("%s%s%s", done ? done : "; in that state already: ",
                            done ? ", " : "", r->args->disks[i].disk.vdev);
        free(done);
        done = more;
    }
    XLS_ERROR(&r->op.log, "disk %s: its storage could not be put back into the "
              "snapshot's state%s; revert again to put all of them back",
              r->args->disks[failed].disk.vdev, done ? done : "");
    free(done);
}

int xls_revert_storage(struct xls_revert *r)
{
    int i, rc;

    for (i = 0; i < r->args->num_disks; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];

        if (!by_storage(a))
            continue;
        rc = check_storage(r, a);
        if (rc)
            return rc;
        rc = r->op.how->storage(r->op.how->user,
                                LIBXL_SNAPSHOT_STORAGE_REVERT, XLS_NO_DOMID,
                                a);
        if (rc) {
            storage_failed(r, i);
            return rc;
        }
    }
    return 0;
}

void xls_revert_set_second_names(struct xls_revert *r,
                                 const struct xls_json *recorded)
{
    int i;

    r->second_names = xls_calloc(r->args->num_disks, sizeof(char *));
    for (i = 0; i < r->args->num_disks; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];
        const char *name = xls_json_str(xls_json_at(recorded, i));

        if (a->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL || !a->keep_path ||
            !a->external_path || !a->disk.pdev_path)
            continue;
        r->second_names[i] =
            name ? xls_strdup(name)
            : recorded ? xls_file_second_name_unrecorded(a->external_path,
                                                         a->disk.pdev_path)
                       : xls_file_second_name(a->disk.pdev_path);
    }
}

int xls_revert_check_paths(struct xls_revert *r)
{
    int i, rc = 0;

    for (i = 0; i < r->args->num_disks && !rc; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];

        if (a->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL)
            continue;
        rc = xls_check_unused(&r->op, r->domid, a->disk.vdev,
                              a->external_path);
        if (!rc && a->keep_path)
            rc = xls_check_unused(&r->op, r->domid, a->disk.vdev,
                                  a->disk.pdev_path);
    }
    return rc;
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
    libxl_device_disk *disk;
};

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
            !strcmp(disk.layers[0].path, t->args->external_path) &&
            !xls_layer_implicit(&disk.layers[0]))
            rc = xls_node_rename(op, &disk.layers[0], t->args->disk.pdev_path,
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
                     takings[i].disk->vdev, takings[i].args->external_path,
                     op->name);
    }
    if (!rc_query)
        xls_block_query_dispose(&query);
    /* libxl is next. */
    xls_op_qmp_close(op);
}

/* old: the domain that is replaced. */
static int take_path(struct xls_op *op, const struct taking *t, uint32_t old,
                     struct xls_record *record)
{
    const char *from = t->args->external_path, *to = t->args->disk.pdev_path;
    libxl_diskinfo info;
    int rc;

    libxl_diskinfo_init(&info);
    rc = libxl_device_disk_getinfo(op->ctx, op->domid, t->disk, &info);
    *record = (struct xls_record){
        .vdev = t->disk->vdev,
        .devid = info.devid,
        .path = to,
        .format = t->disk->format,
    };
    libxl_diskinfo_dispose(&info);
    /* A process that was killed may have come so far. */
    if (rc || access(from, F_OK))
        return rc;
    rc = xls_check_unused(op, old, t->disk->vdev, to);
    return rc ? rc : xls_file_take_path(&op->log, from, to, t->second_name,
                                        NULL);
}

static void not_clean(struct xls_op *op, const struct taking *t)
{
    XLS_WARN(&op->log, "disk %s of domain %s could not take over the path %s "
             "cleanly", t->disk->vdev, op->name, t->args->disk.pdev_path);
}

/* The guest stands still: QEMU and libxl are told of all disks at once. */
static void take_paths(struct xls_revert *r, struct xls_op *op,
                       struct taking *takings, int num)
{
    struct xls_record *records = xls_calloc(num, sizeof(*records));
    int i, rc = 0, taken = 0;

    for (i = 0; i < num; i++) {
        if (take_path(op, &takings[i], r->op.domid, &records[taken]))
            not_clean(op, &takings[i]);
        else
            takings[taken++] = takings[i];
    }
    if (taken) {
        tell_qemu(op, takings, taken);
        rc = xls_records_set(op, records, taken);
    }
    for (i = 0; i < taken; i++) {
        const struct taking *t = &takings[i];

        if (rc || xls_file_unlink(&op->log, t->args->external_path))
            not_clean(op, t);
        note_path(r, t->args - r->args->disks);
    }
    free(records);
}

void xls_revert_take_paths(struct xls_revert *r)
{
    struct taking *takings = xls_calloc(r->args->num_disks, sizeof(*takings));
    struct xls_op op;
    int i, num = 0;

    for (i = 0; i < r->args->num_disks; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];
        struct taking t = { .args = a, .second_name = r->second_names[i] };

        if (!t.second_name)
            continue;
        t.disk = config_disk(&r->config, a->disk.vdev);
        if (t.disk)
            takings[num++] = t;
        else
            XLS_WARN(&r->op.log, "domain %s has no disk %s any more", r->name,
                     a->disk.vdev);
    }
    if (num && !xls_op_begin(&op, r->op.log.prefix, r->op.ctx, r->domid,
                             r->op.how, false)) {
        take_paths(r, &op, takings, num);
        xls_op_end(&op);
    }
    free(takings);
}
