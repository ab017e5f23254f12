/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef TEST_SUPPORT_TREES_H
#define TEST_SUPPORT_TREES_H

#include "plugin.h"

#include "offline/merge.h"

/*
 * The snapshots of a domain "web1" that does not run: what the commands and
 * the library do to its files, with the real qemu-img, and a copy of what
 * each snapshot's disks showed when it was made, to compare with.
 */
extern char *dir, *root, *images;       /* dir has the other two in it */
extern struct store *st;
extern struct live live;
extern struct merge merge;
extern bool leaks_are_fine;             /* clusters that nothing refers to */

/* For cmocka. */
int setup(void **state);
int teardown(void **state);

/* A path in images. */
char *image(const char *start, const char *end);
void add_disk(const char *vdev, const char *file, libxl_disk_format format);
void guest_writes(void);
void snapshot(const char *name);
/* Whether this domain can be reverted without a copy of an internal
 * snapshot. */
bool can_revert(const xl_snapshot_record *rec);
void revert(const xl_snapshot_record *rec);

/* What the active layers hold now is what check_all expects of them. */
void remember_tops(void);
/* Every visible snapshot and the active layers hold what they did, and their
 * images are sound. An image that has not changed since it was looked at last
 * is not looked at again. */
void check_all(void);
/* Looks at each again: files may have changed without another stamp. */
void forget_checked(void);
/* The copy of what a disk showed: at a snapshot, or last ("top"); malloc'ed. */
char *copy_path(const char *snapshot, const char *vdev);

/* The lock is another process's meanwhile. */
void store_let_go(void);
void store_take_again(void);

#endif
