/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_NODE_H
#define XLS_BLOCK_NODE_H

#include "block/disk.h"

/*
 * Work on nodes of QEMU's block graph. All need an op whose QMP connection
 * can be opened; what failed is logged.
 */

/*
 * Writes a qcow2 header for an overlay into the (empty, existing) file at
 * path, by QEMU itself: virtual size in bytes, and the backing file's name
 * and format as they are to be recorded; the backing file is not opened. fd:
 * that file, open for reading and writing, so that QEMU writes no other one;
 * -1: QEMU opens it by its path.
 */
int xls_overlay_format(struct xls_op *op, const char *path, int fd,
                       uint64_t size, const char *backing,
                       const char *backing_driver);

/*
 * Adds the image as a node without its backing chain, ready to be put above
 * the layer `above`, whose cache and discard modes it takes over. discard: the
 * guest's discards reach the image.
 */
int xls_overlay_add(struct xls_op *op, const char *node, const char *path,
                    const struct xls_layer *above, bool discard);

/*
 * Puts nodes of ours in the place of those that QEMU made up when it opened
 * the disk's backing chain by itself: they alone can be reopened. What the
 * disk is does not change; disk->layers is outdated then.
 */
int xls_disk_insert_nodes(struct xls_op *op, const struct xls_disk *disk,
                          bool discard);
/* Whether QEMU made up a node for what was opened with another one, and drops
 * it with that; and whether a layer is on such a node. */
bool xls_node_implicit(const char *node);
bool xls_layer_implicit(const struct xls_layer *layer);

/* Has QEMU write out what it holds of the disk's active layer: no command does
 * just that, but reopening a node does, here with the options it has. */
int xls_layer_flush(struct xls_op *op, const struct xls_disk *disk,
                    bool discard);

/* Has QEMU open an image as a node, with these options, which are consumed. */
int xls_node_add(struct xls_op *op, const char *what,
                 struct xls_json *options);
/* Drops a node. A node that is not there is fine; any other failure is
 * logged as a warning, and the image may still be open. */
int xls_node_del(struct xls_op *op, const char *node);

/*
 * Tells QEMU the new name of a layer's file: gives the layer a new `file`
 * child opened at path, which must be the same inode as before. backing is
 * the node name of the layer below, NULL for none.
 *
 * Only for layers that nothing writes, or whose file has headroom for what may
 * come (xls_file_headroom): a node knows its file's length from when it was
 * opened, and reads zeros beyond, so what is appended between the opening of
 * the new child and the change to it would be lost.
 *
 * QEMU opens a layer's file again by its name whenever it becomes read-only
 * or writable. Another file must not be under that name then.
 */
int xls_node_rename(struct xls_op *op, const struct xls_layer *layer,
                    const char *path, bool read_only, const char *backing,
                    bool discard);

/*
 * Before a layer's file gets this path: an image whose header names its backing
 * file relatively names it absolutely from here on, if the directory is
 * another one; where that cannot be, ERROR_INVAL. The layer's file must be
 * writable.
 */
int xls_layer_goes_to(struct xls_op *op, const struct xls_disk *disk,
                      int index, const char *path);

#endif
