/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MEMIMAGE_CONTENT_H
#define XLS_MEMIMAGE_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#include "memimage/codec.h"

/*
 * The checksum of a content: the same for all images of it that share a
 * secret, however it is spread over them.
 */
struct xls_image_content;

/* The header outlives it. */
struct xls_image_content *
xls_image_content_new(const struct image_header *header);
void xls_image_content_free(struct xls_image_content *c);
void xls_image_content_skeleton(struct xls_image_content *c, const void *data,
                                size_t len);
/* The next page, by its hash; NULL: of zeros. */
void xls_image_content_page(struct xls_image_content *c,
                            const struct image_hash *hash);
void xls_image_content_checksum(struct xls_image_content *c, uint8_t out[16]);

bool xls_image_page_zero(const uint8_t *page);

#endif
