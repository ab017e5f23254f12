/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MEMIMAGE_CODEC_H
#define XLS_MEMIMAGE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memimage/format.h"
#include "memimage/table.h"

/* What a compressing or decompressing thread has of its own. */
struct xls_image_codec;

struct xls_image_codec *xls_image_codec_new(void);
void xls_image_codec_free(struct xls_image_codec *c);   /* NULL is fine */

/*
 * Packs up to IMAGE_BLOCK bytes at a zstd level (0: not at all). data may be
 * changed by it; *packed is the result, in data or in the codec's own memory,
 * and entry gets sizes and codec.
 */
void xls_image_pack(struct xls_image_codec *c, int level, uint8_t *data,
                    size_t len, enum image_block_type type,
                    struct image_entry *entry, const uint8_t **packed);
/* Back into IMAGE_BLOCK bytes, of a block that is packed; false when it does not
 * fit the entry. */
bool xls_image_unpack(struct xls_image_codec *c,
                      const struct image_entry *entry, const uint8_t *packed,
                      uint8_t *data);

/* Of a block as it is stored; of which image it is, and its place in that, go
 * into it. */
uint64_t xls_image_block_checksum(const uint8_t *packed, size_t len,
                                  const uint8_t id[16], uint32_t number);

/* A page's, by the image's secret; of which two independent halves are made,
 * each by a secret of its own. */
struct image_hash xls_image_page_hash(const struct image_header *header,
                                      const uint8_t *page);

#endif
