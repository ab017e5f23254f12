/* SPDX-License-Identifier: LGPL-2.1-only */
/* Everything that can be known before a create changes anything. */
#include "ops/create/create.h"

#include <stdlib.h>
#include <string.h>

#include "block/inside.h"
#include "block/prepared.h"
#include "common/alloc.h"
#include "common/files.h"
#include "common/place.h"
#include "common/text.h"
#include "ops/args.h"
#include "xen/users.h"

/* The default of max_layers, for arguments that were not initialised. */
#define MAX_LAYERS 64

static int check_depth(struct xls_create *c, const struct xls_disk *disk)
{
    unsigned max = c->args->max_layers ? c->args->max_layers : MAX_LAYERS;

    if ((unsigned)disk->num_layers < max)
        return 0;
    XLS_ERROR(&c->op.log, "disk %s has %d layers already, and max_layers is "
              "%u; delete snapshots or merge layers first (%s), or set "
              "max_layers higher", disk->rec->vdev, disk->num_layers, max,
              "libxl_domain_snapshot_delete, libxl_disk_pull, "
              "libxl_disk_commit");
    return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
}

/*
 * The file that the disk's path leads to. That of a block device stays as it
 * is: what a link such as /dev/VG/LV leads to has another number when the
 * volumes are activated in another order.
 */
static int find_base(struct xls_create *c, struct xls_create_disk *d)
{
    const char *path = d->disk->rec->pdev_path;
    const char *vdev = d->disk->rec->vdev;

    if (xls_is_block_device(path)) {
        if (d->args->keep_path) {
            XLS_ERROR(&c->op.log, "disk %s is the block device %s, the path "
                      "of which no overlay can keep: name a file for it in "
                      "external_path, without keep_path", vdev, path);
            return ERROR_INVAL;
        }
        d->base_path = xls_strdup(path);
        return 0;
    }
    d->base_path = xls_real_path(path);
    if (d->base_path && !xls_identify(d->base_path, &d->base_id))
        return xls_text_check(&c->op.log, "the disk's file", d->base_path);
    XLS_ERRORE(&c->op.log, "disk %s: cannot resolve %s", vdev, path);
    return ERROR_SNAPSHOT_STORAGE;
}

/* The frozen layer is a second name of the disk's file. */
static int check_beside(struct xls_create *c, const struct xls_create_disk *d)
{
    const char *path = d->args->external_path;
    char *dir = xls_memdup0(path, strrchr(path, '/') + 1 - path);
    struct stat st;
    bool beside = !stat(dir, &st) && st.st_dev == d->base_id.dev;

    free(dir);
    if (beside)
        return 0;
    XLS_ERROR(&c->op.log, "disk %s: its file is %s, and external_path, %s, is "
              "on another file system: with keep_path the frozen layer has to "
              "be beside the file", d->disk->rec->vdev, d->base_path, path);
    return ERROR_INVAL;
}

/* Of the overlay that is there already. */
static int check_prepared(struct xls_create *c,
                          const struct xls_create_disk *d)
{
    const struct xls_layer *top = &d->disk->layers[0];
    const struct xls_prepared wanted = {
        .path = d->args->external_path, .size = top->virtual_size,
        .backing = d->base_path, .backing_driver = top->driver,
        .empty = true };
    const char *vdev = d->disk->rec->vdev;
    int rc;

    if (wanted.path[0] != '/') {
        XLS_ERROR(&c->op.log, "\"%s\" is not an absolute path", wanted.path);
        return ERROR_INVAL;
    }
    rc = xls_prepared_check(&c->op, vdev, &wanted);
    return rc ? rc : xls_check_unused(&c->op, XLS_NO_DOMID, vdev, wanted.path);
}

static int check_external(struct xls_create *c, struct xls_create_disk *d)
{
    const libxl_disk_snapshot *a = d->args;
    const char *vdev = d->disk->rec->vdev;
    bool has = true;
    int rc;

    if (!a->external_path || !a->external_path[0]) {
        XLS_ERROR(&c->op.log, "disk %s: method external needs external_path",
                  vdev);
        return ERROR_INVAL;
    }
    if (a->external_format != LIBXL_DISK_FORMAT_UNKNOWN &&
        a->external_format != LIBXL_DISK_FORMAT_QCOW2) {
        XLS_ERROR(&c->op.log, "disk %s: an overlay cannot be of format %s; "
                  "only qcow2 can", vdev,
                  libxl_disk_format_to_string(a->external_format));
        return ERROR_INVAL;
    }
    if (a->keep_path && a->reuse_external) {
        XLS_ERROR(&c->op.log, "disk %s: keep_path and reuse_external exclude "
                  "each other: with keep_path the overlay bears the disk's "
                  "path, where nothing can be prepared", vdev);
        return ERROR_INVAL;
    }
    if (a->keep_path && strcmp(d->disk->layers[0].driver, "qcow2")) {
        XLS_ERROR(&c->op.log, "disk %s is of format %s, its overlay is qcow2: "
                  "it cannot keep the path of the disk, whose users expect "
                  "%s there", vdev, d->disk->layers[0].driver,
                  d->disk->layers[0].driver);
        return ERROR_INVAL;
    }
    if (d->disk->rec->pdev_path[0] != '/') {
        XLS_ERROR(&c->op.log, "disk %s is %s, which is no file of this host: "
                  "leave it out, or move it to a file first "
                  "(libxl_disk_copy)", vdev, d->disk->rec->pdev_path);
        return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
    }
    rc = check_depth(c, d->disk);
    if (rc)
        return rc;
    rc = find_base(c, d);
    if (rc)
        return rc;
    if (!a->reuse_external) {
        rc = xls_file_check_new(&c->op.log, a->external_path);
        if (rc)
            return rc;
    }
    if (a->keep_path) {
        rc = check_beside(c, d);
        if (!rc)
            rc = xls_op_qmp(&c->op);
        if (!rc)
            rc = xls_qmp_has_command(c->op.qmp, "blockdev-reopen", &has);
        if (rc)
            return rc;
        if (!has) {
            XLS_ERROR(&c->op.log, "disk %s: this QEMU is older than 6.1 and "
                      "cannot learn new names of files, which keep_path "
                      "needs", vdev);
            return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
        }
    }
    /* With keep_path, under a name of its own beside the disk's until the
     * window. */
    d->overlay_path = a->keep_path ? xls_unique_path(d->base_path)
                                   : xls_strdup(a->external_path);
    if (a->keep_path)
        d->second_name = xls_file_second_name(d->base_path);
    d->node = xls_unique_name(vdev);
    d->frozen_path = a->keep_path ? a->external_path : d->base_path;
    d->top_path = a->keep_path ? d->disk->rec->pdev_path : a->external_path;
    return 0;
}

static int check_internal(struct xls_create *c, struct xls_create_disk *d)
{
    const char *vdev = d->disk->rec->vdev;

    if (!d->args->name || !d->args->name[0]) {
        XLS_ERROR(&c->op.log, "disk %s: method internal needs a name", vdev);
        return ERROR_INVAL;
    }
    if (strcmp(d->disk->layers[0].driver, "qcow2")) {
        XLS_ERROR(&c->op.log, "disk %s is of format %s, which holds no "
                  "internal snapshots; take an external one", vdev,
                  d->disk->layers[0].driver);
        return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
    }
    if (xls_internal_named(d->disk, d->args->name)) {
        XLS_ERROR(&c->op.log, "disk %s: %s holds an internal snapshot \"%s\" "
                  "already; use another name, or delete that one", vdev,
                  d->disk->layers[0].path, d->args->name);
        return ERROR_SNAPSHOT_EXISTS;
    }
    d->base_path = xls_strdup(d->disk->rec->pdev_path);
    return 0;
}

/* A disk whose storage snapshots itself need not be one of QEMU's. */
static int check_caller(struct xls_create *c, struct xls_create_disk *d)
{
    d->disk = xls_disks_find(&c->disks, d->args->disk.vdev);
    if (!d->disk) {
        XLS_ERROR(&c->op.log, "domain %s has no disk \"%s\"", c->op.name,
                  d->args->disk.vdev ? d->args->disk.vdev : "");
        return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
    }
    if (!c->op.how->storage) {
        XLS_ERROR(&c->op.log, "disk %s: method caller needs the storage "
                  "callback", d->args->disk.vdev);
        return ERROR_INVAL;
    }
    return 0;
}

static int check_disk(struct xls_create *c, const libxl_disk_snapshot *a)
{
    struct xls_create_disk *d = &c->todo[c->num_todo];
    int i, rc;

    d->args = a;
    for (i = 0; i < c->num_todo; i++) {
        if (a->disk.vdev && !strcmp(c->todo[i].args->disk.vdev, a->disk.vdev)) {
            XLS_ERROR(&c->op.log, "disk %s is named twice", a->disk.vdev);
            return ERROR_INVAL;
        }
        if (a->external_path && c->todo[i].args->external_path &&
            a->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL &&
            !strcmp(c->todo[i].args->external_path, a->external_path)) {
            XLS_ERROR(&c->op.log, "two disks are to use %s",
                      a->external_path);
            return ERROR_INVAL;
        }
    }
    c->num_todo++;
    if (a->method == LIBXL_SNAPSHOT_METHOD_CALLER)
        return check_caller(c, d);
    rc = xls_disks_named(&c->op, &c->disks, &a->disk, &d->disk);
    if (rc)
        return rc;
    rc = xls_disk_check_data_files(&c->op, d->disk);
    if (rc)
        return rc;
    d->discard = xls_disk_discards(d->disk);
    switch (a->method) {
    case LIBXL_SNAPSHOT_METHOD_EXTERNAL:
        return check_external(c, d);
    case LIBXL_SNAPSHOT_METHOD_INTERNAL:
        return check_internal(c, d);
    default:
        XLS_ERROR(&c->op.log, "disk %s: unknown method %d", a->disk.vdev,
                  a->method);
        return ERROR_INVAL;
    }
}

/* Why a disk would be left out of the snapshot without being asked; NULL: it is
 * listed. */
static const char *why_uncovered(const struct xls_create *c,
                                 const struct xls_disk *disk)
{
    const libxl_domain_snapshot_args *a = c->args;
    int i;

    for (i = 0; i < a->num_disks; i++) {
        const libxl_disk_snapshot *d = &a->disks[i];

        if (d->disk.vdev && !strcmp(d->disk.vdev, disk->rec->vdev))
            return d->method == LIBXL_SNAPSHOT_METHOD_NONE &&
                   d->unsupported && d->unsupported[0] ? d->unsupported : NULL;
    }
    return disk->why_not ? disk->why_not : "it is not listed";
}

/* RAM that meets a disk of another time damages the file systems on it. */
static int check_covered(struct xls_create *c)
{
    char *uncovered = NULL;
    int i;

    for (i = 0; i < c->disks.num; i++) {
        const struct xls_disk *disk = &c->disks.disks[i];
        const char *why = disk->left_out ? NULL : why_uncovered(c, disk);
        char *more;

        if (!why)
            continue;
        more = xls_asprintf("%s%sdisk %s (%s)", uncovered ? uncovered : "",
                            uncovered ? ", " : "", disk->rec->vdev, why);
        free(uncovered);
        uncovered = more;
    }
    if (!uncovered)
        return 0;
    XLS_ERROR(&c->op.log, "a snapshot with memory covers every writable disk "
              "of domain %s, and %s would be left out; list it with method "
              "NONE to leave it out on purpose, or take a snapshot of the "
              "disks alone", c->op.name, uncovered);
    free(uncovered);
    return ERROR_SNAPSHOT_DISK_UNSUPPORTED;
}

int xls_create_check(struct xls_create *c)
{
    const libxl_domain_snapshot_args *a = c->args;
    int i, rc;

    rc = xls_args_check(&c->op, a);
    if (rc)
        return rc;
    if (a->live && !a->memory) {
        XLS_ERROR(&c->op.log, "live is about saving memory, which is not "
                  "asked for");
        return ERROR_INVAL;
    }
    rc = xls_domain_check(&c->op, a->memory, a->live);
    if (rc)
        return rc;
    if (a->memory) {
        rc = xls_create_check_memory(c);
        if (rc)
            return rc;
    }
    rc = xls_disks_load(&c->op, &c->disks);
    if (!rc && a->memory)
        rc = check_covered(c);
    /* The memory's state goes with that of all disks. */
    if (!rc && a->memory)
        rc = xls_disks_check_job(&c->op, &c->disks, NULL);
    if (rc)
        return rc;
    c->todo = xls_calloc(a->num_disks, sizeof(*c->todo));
    for (i = 0; i < a->num_disks; i++) {
        if (a->disks[i].method == LIBXL_SNAPSHOT_METHOD_NONE)
            continue;
        rc = check_disk(c, &a->disks[i]);
        if (rc)
            return rc;
    }
    if (!c->num_todo && !a->memory) {
        XLS_ERROR(&c->op.log, "nothing to do: neither memory nor a disk of "
                  "domain %s is to be snapshotted", c->op.name);
        return ERROR_INVAL;
    }
    rc = xls_create_check_paths(c);
    for (i = 0; !rc && i < c->num_todo; i++)
        if (c->todo[i].args->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL &&
            c->todo[i].args->reuse_external)
            rc = check_prepared(c, &c->todo[i]);
    return rc;
}
