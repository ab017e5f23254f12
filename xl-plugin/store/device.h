/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_STORE_DEVICE_H
#define PLUGIN_STORE_DEVICE_H

#include "store/store.h"

/*
 * What tells a block device from others that bear its name or number later:
 * the device-mapper's uuid (of a volume), the file of a loop device, the
 * disk's own id, or else its size alone: numbers and names like /dev/zd0 are
 * given anew at each start of the host. malloc'ed; NULL for what is no
 * block device, or not there.
 */
char *device_identity(const char *path);

/* Whether at path there is the block device with that identity; empty: not
 * known. What is not there is not another one. */
bool device_is(const char *path, const char *identity);

/* Notes the identity of a layer that is a block device, where it is not
 * known; and of each layer of a snapshot. */
void device_note_disk(xl_snapshot_disk *disk);
void device_note(xl_snapshot_record *rec);

/* Refuses, naming it, when one of the store's is another device now. */
int device_check(const struct store *st, struct error *e);

#endif
