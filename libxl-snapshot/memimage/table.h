/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MEMIMAGE_TABLE_H
#define XLS_MEMIMAGE_TABLE_H

#include <stdint.h>

/* The hash of a page's content. */
struct image_hash {
    uint64_t a, b;
};

/* Where the page of a hash is: entries of the map. Some 30 bytes per page. */
struct xls_image_table;

struct xls_image_table *xls_image_table_new(void);
void xls_image_table_free(struct xls_image_table *t);   /* NULL is fine */

/* What is known of the hash; if nothing, it is this from now on, and 0 is
 * returned. */
uint32_t xls_image_table_put(struct xls_image_table *t, struct image_hash hash,
                             uint32_t entry);

#endif
