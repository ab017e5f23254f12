/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_IDENTITY_H
#define PLUGIN_LAYERS_IDENTITY_H

#include "layers/layers.h"

/*
 * xl gives a domain a new uuid at each start, so the name is the key of the
 * store. Whether the domain of that name is the one that the snapshots were
 * taken of is seen by its disks: the chain of each must contain a layer of
 * the store. Refuses with what differs when none does; a disk that alone does
 * not is marked as replaced in live, and the others go on.
 *
 * domid: INVALID_DOMID when the domain does not run; its disks are then those
 * that it had last.
 */
int identity_check(const struct store *st, struct live *live,
                   uint32_t domid, struct error *e);

/*
 * Completes or removes what an interrupted create left. A provisional record
 * whose disks were switched becomes a snapshot (of the disks alone when its
 * memory image is not complete). One whose disks were not is removed. While an
 * overlay holds data that the domain does not use, the record stays, and the
 * error says what to do. *told: a sentence for the user on what was done, or
 * NULL.
 */
int identity_recover_create(struct store *st, const struct live *live,
                            uint32_t domid, char **told, struct error *e);

/* Whether an overlay of a provisional record holds what a domain wrote, under
 * its own name or the temporary one that the library gave it. */
bool identity_overlays_written(const xl_snapshot_record *rec);

/* Whether the disk's active layer is the one right above the snapshot's, so
 * that a create got as far as switching it, or a revert took place. A domain
 * that does not run: by the overlay that the record names. INTERNAL: whether
 * the image holds the snapshot. */
bool identity_based_on(const struct live *live, uint32_t domid,
                       const xl_snapshot_disk *d, struct error *e);

/* The active layer of a disk today, of a replaced one the last of the former
 * disk; NULL path when it is not known. */
void identity_top(const struct store *st, const struct live *live,
                  uint32_t domid, const char *vdev, const char **path,
                  libxl_disk_format *format);

/* Brings domain.json up to what the running domain uses; of a disk that is
 * another one than its snapshots were taken of, the former stays known. */
void identity_note_tops(struct store *st, const struct live *live,
                        uint32_t domid);

/*
 * Around the deletion of snapshots, after which a disk may be based on no layer
 * of those that remain: the first, before, notes what it may be then, so that
 * it is known also if this is interrupted; the second what it is. Disks whose
 * chain cannot be read are passed over.
 */
int identity_begin_merge(struct store *st, const struct live *live,
                         uint32_t domid, struct error *e);
int identity_end_merge(struct store *st, const struct live *live,
                       uint32_t domid, struct error *e);

/* What tells a file from others at its path, on whatever device it is after the
 * host's next start: the inode number, 0 where there is no file, and when it
 * was made, which no later file with that number has. *birth: 0 where the
 * file system does not tell, and for a block device, whose node is made anew
 * at each start. */
uint64_t identity_inode(const char *path, uint64_t *birth);

/* Whether it was one of the disk's layers when that began. */
bool identity_merging(const xl_snapshot_domain_disk *d, const char *layer);

/* Notes (in memory) whether a disk's active layer is based on no layer of the
 * store any more, so that it is known by itself from here on. */
void identity_note_alone(struct store *st, const struct live *live,
                         uint32_t domid, const char *vdev);

#endif
