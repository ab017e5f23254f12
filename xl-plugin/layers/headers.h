/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_HEADERS_H
#define PLUGIN_LAYERS_HEADERS_H

#include <libxl_snapshot.h>

#include "util/error.h"

/*
 * The last part of the validation of a disk in use, which the library leaves
 * to the toolstack: reads the header of every layer that is in a file or a
 * block device with qemu-img, and notes where it names another backing file or
 * size than QEMU does. Raw images have none. A layer of a format that is not
 * handled is passed over.
 */
void headers_check(libxl_disk_chain *chain);

/*
 * Before the files of a chain are read for a copy: whether each one on this
 * host is what the headers lead to, from the active layer by libxl's record.
 * QEMU's word alone is not enough.
 */
int headers_verify(const libxl_disk_chain *chain, const char *top,
                   libxl_disk_format format, struct error *e);

/* Adds what differs from the store: a layer whose path leads to another block
 * device than when its snapshot was taken. */
struct store;
void headers_check_devices(libxl_disk_chain *chain, const struct store *st);

#endif
