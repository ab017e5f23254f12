/* SPDX-License-Identifier: LGPL-2.1-only */
/* A domain's memory that changes while it runs, for streams to be made of. */
#ifndef TESTS_IMAGE_GUEST_H
#define TESTS_IMAGE_GUEST_H

#include <stdint.h>

#include "random.h"

/* What a page holds, without holding it: a kind in the lower bits, a seed in
 * the others; and one byte that differs from that. 0, 0: zeros. */
struct page_content {
    uint64_t what;
    uint32_t change;
};

struct guest_page {
    struct page_content content;
    uint8_t type;               /* as in the upper four bits of its pfn */
};

struct guest {
    struct rng rng;
    uint64_t first_pfn;
    uint32_t num;
    struct guest_page *pages;
    /* What was in some page once. */
    uint32_t num_known, space_known;
    struct page_content *known;
};

#define FIRST_TYPE_WITHOUT_DATA 0xdU    /* BROKEN, XALLOC, XTAB */

struct guest *guest_new(uint64_t seed);
void guest_free(struct guest *g);

/* Some pages are written to, zeroed, moved, copied, or as they once were. */
void guest_run(struct guest *g);

void guest_fill_page(struct page_content content, uint8_t *page);

#endif
