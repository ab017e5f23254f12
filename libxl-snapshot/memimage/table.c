/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/table.h"

#include <stdlib.h>

#include "common/alloc.h"

/* Each grows alone, so that the table never needs twice its size. */
#define SHARDS          256U
#define FIRST_SLOTS     64U

struct slot {
    uint64_t a, b;
    uint32_t entry;             /* 0: free */
} __attribute__((packed, aligned(4)));

struct shard {
    struct slot *slots;
    uint32_t num, used;
};

struct xls_image_table {
    struct shard shards[SHARDS];
};

struct xls_image_table *xls_image_table_new(void)
{
    return xls_calloc(1, sizeof(struct xls_image_table));
}

void xls_image_table_free(struct xls_image_table *t)
{
    unsigned i;

    for (i = 0; t && i < SHARDS; i++)
        free(t->shards[i].slots);
    free(t);
}

/* The hash's slot, or the free one where it belongs. */
static struct slot *find(const struct shard *shard, struct image_hash hash)
{
    uint32_t i = (uint64_t)(uint32_t)hash.a * shard->num >> 32;

    while (shard->slots[i].entry &&
           (shard->slots[i].a != hash.a || shard->slots[i].b != hash.b))
        i = i + 1 < shard->num ? i + 1 : 0;
    return &shard->slots[i];
}

static void grow(struct shard *shard)
{
    struct shard bigger = { 0 };
    uint32_t i;

    bigger.num = shard->num ? shard->num + shard->num / 4 : FIRST_SLOTS;
    bigger.used = shard->used;
    bigger.slots = xls_calloc(bigger.num, sizeof(*bigger.slots));
    for (i = 0; i < shard->num; i++) {
        struct slot *s = &shard->slots[i];

        if (s->entry)
            *find(&bigger, (struct image_hash){ s->a, s->b }) = *s;
    }
    free(shard->slots);
    *shard = bigger;
}

uint32_t xls_image_table_put(struct xls_image_table *t, struct image_hash hash,
                             uint32_t entry)
{
    struct shard *shard = &t->shards[hash.b % SHARDS];
    struct slot *slot;

    /* At most five in six are used. */
    if (6ULL * (shard->used + 1) > 5ULL * shard->num)
        grow(shard);
    slot = find(shard, hash);
    if (slot->entry)
        return slot->entry;
    *slot = (struct slot){ hash.a, hash.b, entry };
    shard->used++;
    return 0;
}
