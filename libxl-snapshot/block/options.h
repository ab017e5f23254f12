/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_OPTIONS_H
#define XLS_BLOCK_OPTIONS_H

#include "block/disk.h"

/* Pieces of QEMU's options for nodes. */

/* Of a file or block device at path, in the cache mode of like (NULL: the
 * default). */
struct xls_json *xls_file_options(const char *path,
                                  const struct xls_layer *like);
/* Of one as a node of its own, under a format node like that one. */
struct xls_json *xls_file_node_options(const char *path, const char *node,
                                       const struct xls_layer *like,
                                       bool discard);
/* As backing below: what the image's own header names is opened. */
#define XLS_BACKING_BY_HEADER ""
/*
 * Of a format node, in the cache modes of like. backing: the node below, NULL
 * for none (a format that has no backing gets nothing). file: a node's name or
 * options; taken.
 */
struct xls_json *xls_format_options(const char *driver, const char *node,
                                    bool read_only, const char *backing,
                                    struct xls_json *file,
                                    const struct xls_layer *like,
                                    bool discard);
/*
 * blockdev-reopen of one node that gets another `file` or `backing` in place of
 * the node `replaced`. Options that are not given go back to their defaults, so
 * all must be. Takes the options.
 *
 * QEMU before 9.0, where that lock went away, may abort when a reopen drops the
 * last reference to a node of a disk that has an iothread, as every xen-disk
 * has: it closes the node without that thread's lock ("qemu_mutex_unlock_impl:
 * Operation not permitted"; seen with 7.2, each time when there are several
 * CPUs). So the node gets another parent meanwhile, and goes with that, for
 * blockdev-del takes the lock.
 */
int xls_reopen(struct xls_op *op, const char *what, struct xls_json *options,
               const char *replaced);

#endif
