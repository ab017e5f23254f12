/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_TARGET_H
#define XLS_BLOCK_TARGET_H

#include "block/disk.h"
#include "json/json.h"

/* The image that a disk is copied to. */
struct xls_target {
    enum { XLS_TARGET_FILE, XLS_TARGET_DEVICE, XLS_TARGET_NBD } kind;
    const char *spec;           /* the path, or the URI */
    struct xls_json *nbd;       /* QEMU's options for an export, or NULL */
    const char *driver;         /* "raw" or "qcow2" */
    bool made, was_empty;       /* its file is by us; was there with nothing */
};

/* What kind of target a text names; ERROR_INVAL, logged, when none. To be
 * disposed of in either case. */
int xls_target_parse(const struct xls_log *log, const char *spec,
                     struct xls_target *target);
void xls_target_dispose(struct xls_target *target);

/* Whether the disk may be copied there, by the rules of libxl_disk_copy, as far
 * as that is known before anything is made. Parses args->target. */
int xls_target_check(struct xls_op *op, const struct xls_disks *disks,
                     const struct xls_disk *disk,
                     const libxl_disk_copy_args *args,
                     struct xls_target *target);
/*
 * Makes or takes it, and has QEMU open it as node; *name (malloc'ed) is what
 * QEMU calls it. On failure no file is left, but node may be (xls_node_del).
 */
int xls_target_open(struct xls_op *op, const struct xls_disk *disk,
                    const libxl_disk_copy_args *args,
                    struct xls_target *target, const char *node, char **name);
/* Takes the file back. */
void xls_target_undo(struct xls_op *op, const struct xls_target *target);

#endif
