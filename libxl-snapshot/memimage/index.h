/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MEMIMAGE_INDEX_H
#define XLS_MEMIMAGE_INDEX_H

#include <stddef.h>

#include "memimage/format.h"

/* Fills the checksum. */
void xls_image_seal_header(struct image_header *header);

/* What ends a file: table, information and trailer, to be freed. The info is
 * in host byte order; the table begins at an offset. */
void *xls_image_make_index(const struct image_header *header,
                           const struct image_entry *table, uint32_t blocks,
                           const struct image_info *info,
                           const char *parent_name, uint64_t table_offset,
                           size_t *len);

#endif
