/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_DISK_H
#define XLS_BLOCK_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "diskimage/format.h"
#include "session/op.h"

/* A snapshot inside an image. */
struct xls_internal {
    char *id, *name;
};

/* One layer of a disk's backing chain, as QEMU has it open. */
struct xls_layer {
    char *node;                 /* QEMU's node name; "#block…" when QEMU made
                                 * it up */
    char *file_node;            /* that of its `file` child */
    char *driver;               /* "qcow2", "raw", … */
    char *path;                 /* of its image; "" when QEMU names none */
    char *recorded;             /* what its header's name of the backing file
                                 * leads to; NULL for none */
    bool relative;              /* … and that name is a relative one */
    char *data_file;            /* qcow2: another file that has its data; NULL:
                                 * its own */
    char *detect_zeroes;        /* "off", "on" or "unmap" */
    bool read_only;
    bool direct, no_flush;      /* its cache mode */
    struct xls_internal *internals;     /* snapshots inside it */
    int num_internals;
    uint64_t virtual_size;      /* bytes */
    uint64_t actual_size;       /* bytes allocated; 0 when unknown */
};

/* A disk of a domain: what libxl has on record of it and what QEMU has open. */
struct xls_disk {
    const libxl_device_disk *rec;       /* in the owner's config */
    int devid;
    char *no_node;              /* why QEMU has none of it; NULL: it may have */
    char *why_not;              /* why it cannot be snapshotted; NULL: it can */
    bool left_out;              /* … and that is no surprise: CD-ROM, empty
                                 * or read-only */
    struct xls_layer *layers;   /* [0] is the top; num_layers 0: no node */
    int num_layers;
    char *job;                  /* id of the block job of ours on it; NULL:
                                 * none */
};

struct xls_disks {
    libxl_domain_config config;
    struct xls_disk *disks;     /* one per config.disks, in that order */
    int num;
    char *foreign_job;          /* id of a block job that is not ours: nothing
                                 * tells on which disk; NULL: none */
};

/* Reads the records alone. */
int xls_disks_records(struct xls_op *op, struct xls_disks *disks);
/*
 * Reads the records, then asks QEMU. Leaves the QMP connection open when it
 * succeeds. A domain without a QEMU that answers is an error only when one of
 * its disks needs one. ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE, logged when the domain
 * is locked, when a job has ended and was not dismissed: an old QEMU cannot be
 * asked then (ops/job/job.h has the way out).
 */
int xls_disks_load(struct xls_op *op, struct xls_disks *disks);
/* Asks QEMU again: after the graph was changed. */
int xls_disks_requery(struct xls_op *op, struct xls_disks *disks);
void xls_disks_dispose(struct xls_disks *disks);
/* Asks QEMU for the layers of one disk, of which rec and devid are set. */
int xls_disk_query(struct xls_op *op, struct xls_disk *disk);

void xls_disk_drop_layers(struct xls_disk *disk);

struct xls_disk *xls_disks_find(struct xls_disks *disks, const char *vdev);
/* The index of the layer whose image is path, or -1. */
int xls_disk_layer(const struct xls_disk *disk, const char *path);

/* Whether the guest's discards are to reach the image (libxl's default). */
bool xls_disk_discards(const struct xls_disk *disk);

/*
 * block/verify.c: before an operation begins, whether the top layer that QEMU
 * has open is libxl's, and each one below it the file that the header of the
 * one above names. The layers' paths are then those of the record and of the
 * headers. ERROR_SNAPSHOT_CHAIN_MISMATCH, logged with both names, otherwise.
 * What is below an image that is no file of this host is not known: QEMU may
 * not have a file of this host there.
 */
int xls_disk_verify(struct xls_op *op, struct xls_disk *disk);

/* block/disk_check.c: whether a disk can take part; what is not so is logged. */

/* xls_disks_find; ERROR_SNAPSHOT_DISK_UNSUPPORTED, with those that are there,
 * for one that is not. */
int xls_disks_must_find(struct xls_op *op, struct xls_disks *disks,
                        const char *vdev, struct xls_disk **disk);
/*
 * Finds a disk that is named in the arguments: it must exist, be able to take
 * part, have no job running, and, when wanted->pdev_path is set, have that as
 * its top layer. Logs and returns what the matter is otherwise.
 */
int xls_disks_named(struct xls_op *op, struct xls_disks *disks,
                    const libxl_device_disk *wanted, struct xls_disk **disk);

/* ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE, logged, when a job runs on the disk (NULL:
 * on any). */
int xls_disks_check_job(struct xls_op *op, const struct xls_disks *disks,
                        const struct xls_disk *disk);

/* ERROR_SNAPSHOT_DISK_UNSUPPORTED, logged, when a layer has its data in a file
 * besides its own: nothing would protect that one, and the layer's node cannot
 * be reopened. */
int xls_disk_check_data_files(struct xls_op *op, const struct xls_disk *disk);

#endif
