/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_OPTIONS_H
#define XLS_BLOCK_OPTIONS_H

#include "block/disk.h"

/* Pieces of QEMU's options for nodes. */

/* Of a file or block device at path, in the cache mode of like (NULL: the
 * default). */
struct xls_json *xls_file_options(const char *path,
                                  const struct xls_layer *like);
/* Cache, discard and detect-zeroes of a format node. */
void xls_set_modes(struct xls_json *options, const struct xls_layer *like,
                   bool discard);
/* The node below a layer, NULL for none; nothing for a format without. */
void xls_set_backing(struct xls_json *options, const struct xls_layer *layer,
                     const char *backing);
/* blockdev-reopen of one node. Options that are not given go back to their
 * defaults, so all must be. Takes the options. */
int xls_reopen(struct xls_op *op, const char *what, struct xls_json *options);

#endif
