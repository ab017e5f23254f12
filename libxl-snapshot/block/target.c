/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/target.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/node.h"
#include "block/options.h"
#include "block/prepared.h"
#include "common/alloc.h"
#include "common/files.h"
#include "common/place.h"

static int check_format(struct xls_op *op, const struct xls_disk *disk,
                        const libxl_disk_copy_args *args,
                        struct xls_target *target)
{
    const char *its = disk->layers[0].driver;

    target->driver = args->format != LIBXL_DISK_FORMAT_UNKNOWN
                         ? xls_format_driver(args->format)
                     : args->shallow ? "qcow2"
                     : target->kind == XLS_TARGET_FILE ? its : "raw";
    if (!target->driver || (strcmp(target->driver, "raw") &&
                            strcmp(target->driver, "qcow2")))
        return xls_target_wrong(op, target, "a copy can be of format raw or qcow2");
    if (args->shallow && strcmp(target->driver, "qcow2"))
        return xls_target_wrong(op, target, "a shallow copy is based on other layers, "
                     "which only the format qcow2 can be");
    if (target->kind == XLS_TARGET_NBD && !args->reuse_external &&
        strcmp(target->driver, "raw"))
        return xls_target_wrong(op, target, "an NBD export is not formatted: make the "
                     "qcow2 image in it beforehand and say reuse_external");
    if (args->keep_path && (target->kind != XLS_TARGET_FILE ||
                            strcmp(target->driver, its)))
        return xls_target_wrong(op, target, "only a file of the disk's own format can "
                     "take over its path");
    return 0;
}

static int check_file(struct xls_op *op, const libxl_disk_copy_args *args,
                      struct xls_target *target)
{
    struct stat st;

    if (stat(target->spec, &st)) {
        if (args->reuse_external) {
            XLS_ERRORE(&op->log, "the target %s, which is to be used as it is",
                       target->spec);
            return ERROR_SNAPSHOT_STORAGE;
        }
        return xls_file_check_new(&op->log, target->spec);
    }
    if (!S_ISREG(st.st_mode))
        return xls_target_wrong(op, target, "neither a file nor a block device");
    if (st.st_size && !args->reuse_external) {
        XLS_ERROR(&op->log, "the target %s is there already and not empty; "
                  "remove it, or say reuse_external if it was prepared for "
                  "this", target->spec);
        return ERROR_SNAPSHOT_EXISTS;
    }
    target->was_empty = !st.st_size;
    return 0;
}

/* A file that is used as it is. */
static int check_prepared(struct xls_op *op, const struct xls_disk *disk,
                          const libxl_disk_copy_args *args,
                          const struct xls_target *target)
{
    const struct xls_layer *below =
        args->shallow && disk->num_layers > 1 ? &disk->layers[1] : NULL;
    struct xls_prepared wanted = {
        .path = target->spec, .size = disk->layers[0].virtual_size,
        .empty = args->shallow };

    if (target->num_bases) {
        wanted.backing = target->bases[0].spec;
        wanted.backing_driver = target->bases[0].driver;
    } else if (below) {
        wanted.backing = below->path;
        wanted.backing_driver = below->driver;
    }
    return xls_prepared_check(op, disk->rec->vdev, &wanted);
}

int xls_target_check(struct xls_op *op, const struct xls_disks *disks,
                     const struct xls_disk *disk,
                     const libxl_disk_copy_args *args,
                     struct xls_target *target)
{
    int rc;

    rc = xls_target_parse(&op->log, args->target, target);
    if (!rc)
        rc = check_format(op, disk, args, target);
    if (!rc)
        rc = xls_target_check_users(op, disks, disk, target);
    if (!rc && target->kind == XLS_TARGET_FILE)
        rc = check_file(op, args, target);
    if (!rc && args->num_base)
        rc = xls_target_check_bases(op, disks, disk, args, target);
    if (!rc && args->reuse_external && target->kind == XLS_TARGET_FILE &&
        !strcmp(target->driver, "qcow2"))
        rc = check_prepared(op, disk, args, target);
    return rc;
}

/* A file with nothing in it, or for raw of the disk's size. */
static int make_file(struct xls_op *op, const struct xls_disk *disk,
                     struct xls_target *target, int *fd)
{
    uint64_t size = disk->layers[0].virtual_size;
    const char *like = disk->layers[0].path;
    int rc = 0;

    if (target->was_empty) {
        *fd = xls_open(target->spec, O_RDWR);
        if (*fd < 0) {
            XLS_ERRORE(&op->log, "cannot open %s", target->spec);
            return ERROR_SNAPSHOT_STORAGE;
        }
    } else {
        rc = xls_file_create(&op->log, target->spec,
                             like[0] == '/' ? like : NULL, fd);
        if (rc)
            return rc;
        target->made = true;
    }
    if (!strcmp(target->driver, "raw") && ftruncate(*fd, size)) {
        XLS_ERRORE(&op->log, "cannot make %s %llu bytes long", target->spec,
                   (unsigned long long)size);
        rc = ERROR_SNAPSHOT_STORAGE;
    }
    return rc ? rc : xls_dir_sync(&op->log, target->spec);
}

/* QEMU's options for what the target is in, as a node, under a format node like
 * that one. */
static struct xls_json *file_options(const struct xls_target *target,
                                     const char *node,
                                     const struct xls_layer *like,
                                     bool discard)
{
    struct xls_json *options;

    if (!target->nbd)
        return xls_file_node_options(target->spec, node, like, discard);
    options = xls_json_copy(target->nbd);
    xls_json_set_str(options, "node-name", node);
    if (discard)
        xls_json_set_str(options, "discard", "unmap");
    return options;
}

static int open_nodes(struct xls_op *op, const struct xls_disk *disk,
                      const struct xls_target *target, const char *below,
                      const char *file_node, const char *node,
                      const char *what, char **name)
{
    const struct xls_layer *top = &disk->layers[0];
    bool raw = !strcmp(target->driver, "raw");
    bool discard = xls_disk_discards(disk);
    uint64_t size;
    int rc;

    rc = xls_node_add(op, what,
                      file_options(target, file_node, top, discard));
    if (!rc)
        rc = xls_target_node_size(op, file_node, NULL, &size, NULL);
    if (rc)
        return rc;
    /* QEMU could use the beginning of a larger one, but neither would its name of
     * that be one for libxl's records, nor a restart leave it at that. */
    if (raw && size != top->virtual_size)
        return xls_target_wrong_size(op, target, size, top->virtual_size);
    rc = xls_node_add(op, what,
                      xls_format_options(target->driver, node, false, below,
                                         xls_json_string(file_node), top,
                                         discard));
    if (!rc)
        rc = xls_target_node_size(op, node, file_node, &size, name);
    if (!rc && size != top->virtual_size)
        rc = xls_target_wrong_size(op, target, size, top->virtual_size);
    return rc;
}

int xls_target_open(struct xls_op *op, const struct xls_disk *disk,
                    const libxl_disk_copy_args *args,
                    struct xls_target *target, const char *node, char **name)
{
    const struct xls_layer *below =
        args->shallow && disk->num_layers > 1 ? &disk->layers[1] : NULL;
    char *what = xls_asprintf("opening the target %s", target->spec);
    char *file_node = xls_unique_name("file"), *below_node = NULL;
    int fd = -1, rc = 0;

    *name = NULL;
    if (!args->reuse_external && target->kind == XLS_TARGET_FILE)
        rc = make_file(op, disk, target, &fd);
    if (!rc && !args->reuse_external && !strcmp(target->driver, "qcow2"))
        rc = xls_overlay_format(op, target->spec, fd,
                                disk->layers[0].virtual_size,
                                below ? below->path : NULL,
                                below ? below->driver : NULL);
    if (fd >= 0)
        close(fd);
    if (!rc)
        rc = xls_op_qmp(op);
    if (!rc && target->num_bases)
        rc = xls_target_open_bases(op, disk, target, what, &below_node);
    else if (!rc && below)
        below_node = xls_strdup(below->node);
    if (!rc)
        rc = open_nodes(op, disk, target, below_node, file_node, node, what,
                        target->nbd ? name : NULL);
    if (!rc && target->num_bases && target->kind != XLS_TARGET_NBD)
        rc = xls_target_verify_bases(op, disk, target, node);
    if (!rc && !*name)
        *name = xls_strdup(target->spec);
    if (rc) {
        xls_node_del(op, node);
        xls_node_del(op, file_node);
        if (!op->in_doubt)
            xls_target_undo(op, target);
    }
    free(below_node);
    free(file_node);
    free(what);
    return rc;
}

void xls_target_undo(struct xls_op *op, const struct xls_target *target)
{
    if (target->made)
        xls_file_unlink(&op->log, target->spec);
    else if (target->was_empty && truncate(target->spec, 0))
        XLS_WARN(&op->log, "%s was empty and is not any more", target->spec);
}
