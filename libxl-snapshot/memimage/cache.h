/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MEMIMAGE_CACHE_H
#define XLS_MEMIMAGE_CACHE_H

#include <stdint.h>

#include "memimage/format.h"

struct xls_image;

/*
 * Map and hash blocks that are kept unpacked, of the images of a chain: for
 * the thread that opened it. They take 64 MiB of each type at the most, and
 * 2 MiB more per image.
 */
struct image_cache {
    uint8_t **at;               /* by the number among its type; NULL: not */
    uint32_t *ring;             /* the numbers of those that are */
    uint32_t room, used, next;  /* of the ring */
};

/* For all images of a chain, whose indexes have been read. */
void xls_cache_init(struct xls_image *top);
/* Lets go of all that is kept. */
void xls_cache_drop(struct xls_image *top);
/* Of one image; kept is zero, or was initialised. */
void xls_cache_dispose(struct xls_image *image);

/* The n-th block of a type, which must be there; until the next call. What is
 * wrong with it is logged. */
int xls_cache_get(struct xls_image *image, enum image_block_type type,
                  uint32_t n, const uint8_t **data);

#endif
