/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef TEST_SUPPORT_DELETIONS_H
#define TEST_SUPPORT_DELETIONS_H

#include "support/trees.h"

/* Deletions of snapshots, as the command makes them. */
struct deletion {
    struct strings names;
    libxl_snapshot_merge merge;
};

/* Disks of random formats; a snapshot "s<number>" of them. */
void make_domain(void);
void take_one(int number);

int num_visible(void);
const xl_snapshot_record *any_visible(void);

/* Of one snapshot or several, at random. */
void choose_deletion(struct deletion *d);
int delete_as_command(const struct deletion *d, struct error *e);
/* And all else is as it was, and nothing is left. */
void delete_whole(const struct deletion *d);
/* No frozen layer can be written, but for one that is about to be unlinked, or
 * that a running domain has been merged into since. */
void check_protection(void);

#endif
