/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/disk.h"

#include <stdlib.h>
#include <string.h>

#include "block/query.h"
#include "common/alloc.h"
#include "common/files.h"
#include "session/change.h"

void xls_disk_drop_layers(struct xls_disk *disk)
{
    int i, j;

    for (i = 0; i < disk->num_layers; i++) {
        for (j = 0; j < disk->layers[i].num_internals; j++) {
            free(disk->layers[i].internals[j].id);
            free(disk->layers[i].internals[j].name);
        }
        free(disk->layers[i].internals);
        free(disk->layers[i].node);
        free(disk->layers[i].file_node);
        free(disk->layers[i].driver);
        free(disk->layers[i].path);
        free(disk->layers[i].recorded);
        free(disk->layers[i].data_file);
        free(disk->layers[i].detect_zeroes);
    }
    free(disk->layers);
    disk->layers = NULL;
    disk->num_layers = 0;
}

void xls_disks_dispose(struct xls_disks *disks)
{
    int i;

    for (i = 0; i < disks->num; i++) {
        xls_disk_drop_layers(&disks->disks[i]);
        free(disks->disks[i].no_node);
        free(disks->disks[i].why_not);
        free(disks->disks[i].job);
    }
    free(disks->disks);
    free(disks->foreign_job);
    libxl_domain_config_dispose(&disks->config);
    memset(disks, 0, sizeof(*disks));
}

static void cannot(struct xls_disk *disk, bool left_out, char *why)
{
    free(disk->why_not);
    disk->why_not = why;
    disk->left_out = left_out;
}

static bool is_empty(const libxl_device_disk *rec)
{
    return !rec->pdev_path || !rec->pdev_path[0] ||
           rec->format == LIBXL_DISK_FORMAT_EMPTY;
}

/* Why QEMU has no node of a disk, by the records; malloc'ed, NULL: it should
 * have one. */
static char *unserved(struct xls_op *op, struct xls_disk *disk)
{
    const libxl_device_disk *rec = disk->rec;
    libxl_diskinfo info;
    libxl_device_disk key = *rec;
    char *why = NULL;

    disk->devid = -1;
    if (is_empty(rec))
        why = xls_strdup("the drive is empty");
    else if (rec->backend_domid || (rec->backend_domname &&
                                    rec->backend_domname[0]))
        why = xls_asprintf(
            "its backend is in another domain (%s), out of this QEMU's reach",
            rec->backend_domname ? rec->backend_domname : "a driver domain");

    libxl_diskinfo_init(&info);
    if (!libxl_device_disk_getinfo(op->ctx, op->domid, &key, &info)) {
        disk->devid = info.devid;
        if (!why && info.backend && !strstr(info.backend, "/backend/qdisk/"))
            why = xls_strdup(
                "it is served by a backend in the kernel (phy) or elsewhere, "
                "not by QEMU; its storage must snapshot it itself");
    } else if (!why) {
        why = xls_strdup("libxl does not find its device");
    }
    libxl_diskinfo_dispose(&info);
    return why;
}

/* What the records alone say against a disk. */
static void judge_record(struct xls_op *op, struct xls_disk *disk)
{
    const libxl_device_disk *rec = disk->rec;

    disk->no_node = unserved(op, disk);
    if (rec->is_cdrom)
        cannot(disk, true, xls_strdup("it is a CD-ROM"));
    else if (is_empty(rec))
        cannot(disk, true, xls_strdup(disk->no_node));
    else if (!rec->readwrite)
        cannot(disk, true, xls_strdup("it is read-only"));
    else if (disk->no_node)
        cannot(disk, false, xls_strdup(disk->no_node));
    else if (xls_is_relative(rec->pdev_path))
        cannot(disk, false, xls_strdup(XLS_RELATIVE_WHY));
    else if (!xls_format_driver(rec->format))
        cannot(disk, false, xls_asprintf("its format is %s",
                                     libxl_disk_format_to_string(rec->format)));
}

/* Where no reply comes, on a new connection once more. */
static int query_qemu(struct xls_op *op, struct xls_block_query *query)
{
    int tries, rc;

    for (tries = 0; ; tries++) {
        rc = xls_op_qmp(op);
        if (!rc)
            rc = xls_block_query(op->qmp, query);
        if (!xls_unanswered(rc) || tries)
            return rc;
    }
}

int xls_disk_query(struct xls_op *op, struct xls_disk *disk)
{
    struct xls_block_query query;
    char *why = NULL;
    int rc;

    rc = query_qemu(op, &query);
    if (rc)
        return rc;
    xls_disk_drop_layers(disk);
    rc = xls_block_query_disk(op, &query, disk, &why);
    if (why) {
        XLS_ERROR(&op->log, "disk %s of domain %s: %s", disk->rec->vdev,
                  op->name, why);
        rc = ERROR_SNAPSHOT_DISK_UNSUPPORTED;
    }
    free(why);
    xls_block_query_dispose(&query);
    return rc;
}

/* The disk that a job of this id is on, by its name; NULL: it is not ours. */
static struct xls_disk *disk_of_job(struct xls_disks *disks, const char *id)
{
    int i;

    for (i = 0; i < disks->num; i++)
        if (disks->disks[i].rec->vdev &&
            xls_unique_name_is_of(id, disks->disks[i].rec->vdev))
            return &disks->disks[i];
    return NULL;
}

/* Which of QEMU's block jobs is on which disk. */
static void assign_jobs(struct xls_disks *disks, const struct xls_json *jobs)
{
    size_t j;
    int i;

    free(disks->foreign_job);
    disks->foreign_job = NULL;
    for (i = 0; i < disks->num; i++) {
        free(disks->disks[i].job);
        disks->disks[i].job = NULL;
    }
    for (j = 0; j < xls_json_len(jobs); j++) {
        const char *id = xls_json_get_str(xls_json_at(jobs, j), "device");
        struct xls_disk *disk = disk_of_job(disks, id ? id : "");
        char **job = disk ? &disk->job : &disks->foreign_job;

        if (!*job)
            *job = xls_strdup(id ? id : "");
    }
}

int xls_disks_requery(struct xls_op *op, struct xls_disks *disks)
{
    struct xls_block_query query;
    int i, rc;

    rc = query_qemu(op, &query);
    if (rc)
        return rc;

    assign_jobs(disks, query.jobs);
    for (i = 0; i < disks->num; i++) {
        struct xls_disk *disk = &disks->disks[i];
        char *why = NULL;

        if (disk->why_not)
            continue;
        xls_disk_drop_layers(disk);
        rc = xls_block_query_disk(op, &query, disk, &why);
        if (rc)
            break;
        if (why)
            cannot(disk, false, why);
    }
    xls_block_query_dispose(&query);
    return rc;
}

int xls_disks_records(struct xls_op *op, struct xls_disks *disks)
{
    int i, rc;

    memset(disks, 0, sizeof(*disks));
    libxl_domain_config_init(&disks->config);
    xls_op_qmp_close(op);
    rc = libxl_retrieve_domain_configuration(op->ctx, op->domid,
                                             &disks->config, NULL);
    if (rc) {
        XLS_ERROR(&op->log, "libxl cannot tell the configuration of domain "
                  "%s", op->name);
        xls_disks_dispose(disks);
        return rc;
    }
    disks->num = disks->config.num_disks;
    disks->disks = xls_calloc(disks->num, sizeof(*disks->disks));
    for (i = 0; i < disks->num; i++) {
        disks->disks[i].rec = &disks->config.disks[i];
        judge_record(op, &disks->disks[i]);
    }
    return 0;
}

int xls_disks_load(struct xls_op *op, struct xls_disks *disks)
{
    bool need_qemu = false;
    int i, rc;

    rc = xls_disks_records(op, disks);
    if (rc)
        return rc;
    for (i = 0; i < disks->num; i++)
        need_qemu |= !disks->disks[i].why_not;
    rc = need_qemu ? xls_disks_requery(op, disks) : 0;
    if (rc == ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE && op->lock_fd >= 0)
        XLS_ERROR(&op->log, "a block job in the QEMU of domain %s has ended "
                  "and its outcome was not looked at; try again, or dismiss "
                  "it if another program began it", op->name);
    if (rc)
        xls_disks_dispose(disks);
    return rc;
}

struct xls_disk *xls_disks_find(struct xls_disks *disks, const char *vdev)
{
    int i;

    for (i = 0; i < disks->num; i++)
        if (vdev && disks->disks[i].rec->vdev &&
            !strcmp(disks->disks[i].rec->vdev, vdev))
            return &disks->disks[i];
    return NULL;
}

bool xls_disk_discards(const struct xls_disk *disk)
{
    return libxl_defbool_is_default(disk->rec->discard_enable) ||
           libxl_defbool_val(disk->rec->discard_enable);
}

int xls_disk_layer(const struct xls_disk *disk, const char *path)
{
    int i;

    for (i = 0; i < disk->num_layers; i++)
        if (!strcmp(disk->layers[i].path, path))
            return i;
    /* QEMU may bear another spelling of the path, through a symlink, say. */
    for (i = 0; i < disk->num_layers; i++)
        if (xls_same_file(disk->layers[i].path, path))
            return i;
    return -1;
}
