/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MEMIMAGE_BLOCKS_H
#define XLS_MEMIMAGE_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

struct xls_image;

/*
 * Blocks of images, unpacked by threads of its own. So many are kept as are
 * held, and the latest of those that were. For one caller.
 */
struct xls_blocks;
struct xls_block;

struct xls_blocks *xls_blocks_new(unsigned threads);
/* Also when some are held. */
void xls_blocks_free(struct xls_blocks *b);

/* Has a block unpacked, unless it is there, and holds it. NULL: there is no
 * room, since all are held. */
struct xls_block *xls_block_get(struct xls_blocks *b,
                                const struct xls_image *image,
                                uint32_t number);
/* Held once more. */
void xls_block_hold(struct xls_blocks *b, struct xls_block *block);
void xls_block_release(struct xls_blocks *b, struct xls_block *block);

/* Where its content is going to be. */
const uint8_t *xls_block_data(const struct xls_block *block);
bool xls_block_ready(struct xls_blocks *b, const struct xls_block *block);
/* Waits for it; what went wrong with it was logged. */
int xls_block_wait(struct xls_blocks *b, struct xls_block *block,
                   const uint8_t **data);

#endif
