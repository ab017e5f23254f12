/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef TESTS_IMAGE_REFERENCE_H
#define TESTS_IMAGE_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is where in a content. */
struct found {
    uint64_t start;             /* of libxl's stream, 0: none begins */
    size_t *pages;              /* offsets */
    size_t num_pages, space;
    bool whole;                 /* it ends where the stream does */
    bool amid_pages;            /* it ends before the last page does */
};

/* What xls_stream finds, by going through all of it at once, record by record
 * as Xen's specifications say. */
void find_pages(const uint8_t *data, size_t len, struct found *f);
void found_add(struct found *f, size_t offset);
void found_free(struct found *f);

#endif
