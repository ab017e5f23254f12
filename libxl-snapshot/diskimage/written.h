/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_DISKIMAGE_WRITTEN_H
#define XLS_DISKIMAGE_WRITTEN_H

#include <stdbool.h>

/*
 * Whether anything was ever written to a qcow2 overlay, zeroes included, or it
 * holds internal snapshots: its tables refer to a cluster. Reads this file
 * alone, whatever it is based on. An empty file is not written; what cannot be
 * read, or is no qcow2 image, counts as written.
 */
bool xls_image_written(const char *path);

#endif
