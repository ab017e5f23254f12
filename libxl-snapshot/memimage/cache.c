/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/cache.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "memimage/internal.h"

/* Blocks: those of an image that are always kept, and the most that are of a
 * chain beside them. */
#define LEAST   8
#define MOST    256

/* In the ring: nothing. */
#define NONE    UINT32_MAX

/*
 * All of them where the chain is as long as it is by default and not much of it
 * was stored more than once; else each image has its share. A page may be
 * anywhere in a parent, and what is not kept is read again for each.
 */
static void share(struct xls_image *top, enum image_block_type type,
                  uint64_t most)
{
    struct xls_image *image;
    uint64_t sum = 0;

    if (most > MOST)
        most = MOST;
    for (image = top; image; image = image->parent)
        sum += image->num[type];
    for (image = top; image; image = image->parent) {
        struct image_cache *k = &image->cache[type];
        uint64_t room = image->num[type];

        if (sum > most && LEAST + room * most / sum < room)
            room = LEAST + room * most / sum;
        k->at = xls_calloc(image->num[type] + 1, sizeof(*k->at));
        k->ring = xls_calloc(room + 1, sizeof(*k->ring));
        k->room = room;
    }
}

void xls_cache_init(struct xls_image *top)
{
    share(top, IMAGE_MAP, 8ULL * top->num[IMAGE_MAP]);
    share(top, IMAGE_HASHES, top->info.pages / IMAGE_BLOCK_HASHES + 1);
}

static void drop(struct image_cache *k)
{
    uint32_t i;

    for (i = 0; i < k->used; i++) {
        if (k->ring[i] == NONE)
            continue;
        free(k->at[k->ring[i]]);
        k->at[k->ring[i]] = NULL;
    }
    k->used = k->next = 0;
}

void xls_cache_drop(struct xls_image *top)
{
    for (; top; top = top->parent) {
        drop(&top->cache[IMAGE_MAP]);
        drop(&top->cache[IMAGE_HASHES]);
    }
}

void xls_cache_dispose(struct xls_image *image)
{
    int type;

    for (type = 0; type < IMAGE_TYPES; type++) {
        struct image_cache *k = &image->cache[type];

        drop(k);
        free(k->at);
        free(k->ring);
    }
}

/* Room for a block, in the ring's place that is next: that of the one that was
 * kept for longest, once all are in use. */
static uint8_t *make_room(struct image_cache *k)
{
    uint32_t old;
    uint8_t *data;

    if (k->used < k->room) {
        k->next = k->used++;
        k->ring[k->next] = NONE;
    } else {
        k->next = (k->next + 1) % k->room;
    }
    old = k->ring[k->next];
    if (old == NONE)
        return xls_calloc(1, IMAGE_BLOCK);
    data = k->at[old];
    k->at[old] = NULL;
    k->ring[k->next] = NONE;
    return data;
}

int xls_cache_get(struct xls_image *image, enum image_block_type type,
                  uint32_t n, const uint8_t **data)
{
    struct image_cache *k = &image->cache[type];
    uint8_t *block = k->at[n];
    int rc;

    if (!block) {
        block = make_room(k);
        rc = xls_image_load_unpacked(image, image->codec,
                                     image->by_type[type][n], image->packed,
                                     block);
        if (rc) {
            free(block);
            return rc;
        }
        k->at[n] = block;
        k->ring[k->next] = n;
    }
    *data = block;
    return 0;
}
