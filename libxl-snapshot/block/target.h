/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_TARGET_H
#define XLS_BLOCK_TARGET_H

#include "block/disk.h"
#include "common/json/json.h"

/* The image that a disk is copied to. */
struct xls_target {
    enum { XLS_TARGET_FILE, XLS_TARGET_DEVICE, XLS_TARGET_NBD } kind;
    const char *spec;           /* the path, or the URI */
    struct xls_json *nbd;       /* QEMU's options for an export, or NULL */
    const char *driver;         /* "raw" or "qcow2" */
    bool made, was_empty;       /* its file is by us; was there with nothing */
    struct xls_target *bases;   /* what it is based on in the place of the
                                 * disk's own lower layers, the uppermost
                                 * first */
    int num_bases;
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

/* block/target_check.c */

/* An error, logged, that says what is wrong with it. */
int xls_target_wrong(struct xls_op *op, const struct xls_target *target,
                     const char *why);
int xls_target_wrong_size(struct xls_op *op, const struct xls_target *target,
                          uint64_t size, uint64_t wanted);
/* Size in bytes of what QEMU has as a node, and its name of it (malloc'ed, may
 * be NULL), node_file being that of what it is in. */
int xls_target_node_size(struct xls_op *op, const char *node,
                         const char *node_file, uint64_t *size, char **name);
/* Nothing else writes or reads it. */
int xls_target_check_users(struct xls_op *op, const struct xls_disks *disks,
                           const struct xls_disk *disk,
                           const struct xls_target *target);

/*
 * block/target_base.c: the layers args->base. NBD exports become nodes of their
 * own, since QEMU resolves no relative name against one: open adds them
 * (below gets the uppermost one's name), and they go with a sweep of file
 * nodes. Files are opened by QEMU as the target's header says, and verify finds
 * out whether those are the ones that are meant.
 */
int xls_target_check_bases(struct xls_op *op, const struct xls_disks *disks,
                           const struct xls_disk *disk,
                           const libxl_disk_copy_args *args,
                           struct xls_target *target);
int xls_target_open_bases(struct xls_op *op, const struct xls_disk *disk,
                          const struct xls_target *target, const char *what,
                          char **below);
int xls_target_verify_bases(struct xls_op *op, const struct xls_disk *disk,
                            const struct xls_target *target, const char *node);

/* Takes the file back. */
void xls_target_undo(struct xls_op *op, const struct xls_target *target);

#endif
