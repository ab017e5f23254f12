/* SPDX-License-Identifier: LGPL-2.1-only */
#include "guest.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "memimage/format.h"

enum {
    ONE_BYTE,                   /* with a seed of 0: zeros */
    TEXT,
    COUNTERS,
    POINTERS,
    FEW_BYTES,
    RANDOM,
    HALF_RANDOM,
    KINDS,
};

static struct page_content new_content(struct guest *g)
{
    struct page_content c = { 0, 0 };

    if (!rng_one_in(&g->rng, 5))
        c.what = (rng_next(&g->rng) << 3) + rng_below(&g->rng, KINDS);
    return c;
}

static void know(struct guest *g, struct page_content content)
{
    if (g->num_known == g->space_known) {
        g->space_known = g->space_known ? 2 * g->space_known : 64;
        g->known = xls_realloc(g->known, g->space_known, sizeof(*g->known));
    }
    g->known[g->num_known++] = content;
}

static void change(struct guest *g, struct guest_page *page)
{
    struct page_content c;

    switch (g->num_known ? rng_below(&g->rng, 6) : 0) {
    case 0:
    case 1:
    case 2:
        c = new_content(g);
        break;
    case 3:                     /* one byte of what was known is another */
        c = g->known[rng_below(&g->rng, g->num_known)];
        c.change = rng_one_in(&g->rng, 4) ? 4095 : rng_next(&g->rng) | 1;
        break;
    default:
        c = g->known[rng_below(&g->rng, g->num_known)];
    }
    page->content = c;
    know(g, c);
}

static uint8_t some_type(struct guest *g)
{
    /* 0: a normal page; 5 to 8 are reserved. */
    static const uint8_t types[] = { 0x1, 0x2, 0x3, 0x4, 0x9, 0xa, 0xb, 0xc,
                                     0xd, 0xe, 0xf, 0xf };

    return rng_below(&g->rng, 10) < 7
               ? 0
               : types[rng_below(&g->rng, sizeof(types))];
}

static uint32_t some_size(struct rng *r)
{
    uint64_t n = rng_below(r, 100);

    return rng_below(r, n < 70 ? 33 : n < 96 ? 101 : 1301);
}

struct guest *guest_new(uint64_t seed)
{
    struct guest *g = xls_calloc(1, sizeof(*g));
    uint32_t i;

    g->rng = rng_for(seed, 1);
    g->first_pfn = rng_one_in(&g->rng, 4) ? rng_below(&g->rng, 1ULL << 40) : 0;
    g->num = some_size(&g->rng);
    g->pages = xls_calloc(g->num, sizeof(*g->pages));
    for (i = 0; i < g->num; i++) {
        change(g, &g->pages[i]);
        g->pages[i].type = some_type(g);
    }
    return g;
}

void guest_free(struct guest *g)
{
    if (!g)
        return;
    free(g->pages);
    free(g->known);
    free(g);
}

static void move(struct guest *g, struct guest_page *page)
{
    struct guest_page *other = &g->pages[rng_below(&g->rng, g->num)];
    struct page_content c = page->content;

    page->content = other->content;
    other->content = c;
}

void guest_run(struct guest *g)
{
    uint32_t n = rng_below(&g->rng, g->num + 1);

    while (n--) {
        struct guest_page *page = &g->pages[rng_below(&g->rng, g->num)];

        if (rng_one_in(&g->rng, 2))
            move(g, page);
        else
            change(g, page);
        if (rng_one_in(&g->rng, 16))
            page->type = some_type(g);
    }
}

static void fill_text(struct rng *r, uint8_t *page)
{
    static const char words[] = "domain memory snapshot page kernel cache "
                                "inode buffer xenstore qemu ";
    size_t at, n;

    for (at = 0; at < IMAGE_PAGE; at += n) {
        size_t from = rng_below(r, sizeof(words) - 9);

        n = IMAGE_PAGE - at < 8 ? IMAGE_PAGE - at : 8;
        memcpy(page + at, words + from, n);
    }
}

static void fill_words(struct rng *r, uint8_t *page, bool wide)
{
    uint64_t v = rng_next(r), step = wide ? rng_below(r, 4096) : 1;
    size_t size = wide ? 8 : 4, at;

    for (at = 0; at < IMAGE_PAGE; at += size, v += step) {
        uint64_t le = htole64(v);

        memcpy(page + at, &le, size);
    }
}

void guest_fill_page(struct page_content content, uint8_t *page)
{
    struct rng r = { content.what >> 3 };
    int i;

    memset(page, 0, IMAGE_PAGE);
    switch (content.what & 7) {
    case ONE_BYTE:
        memset(page, content.what >> 3, IMAGE_PAGE);
        break;
    case TEXT:
        fill_text(&r, page);
        break;
    case COUNTERS:
    case POINTERS:
        fill_words(&r, page, (content.what & 7) == POINTERS);
        break;
    case FEW_BYTES:
        for (i = rng_below(&r, 6); i >= 0; i--)
            page[rng_below(&r, IMAGE_PAGE)] = rng_next(&r);
        break;
    case RANDOM:
        rng_fill(&r, page, IMAGE_PAGE);
        break;
    default:
        rng_fill(&r, page, IMAGE_PAGE / 2);
        break;
    }
    if (content.change)
        page[content.change % IMAGE_PAGE] ^= content.change >> 12 | 1;
}
