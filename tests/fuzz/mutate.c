/* SPDX-License-Identifier: LGPL-2.1-only */
#include "mutate.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "tests/image/random.h"
#include "tests/image/reseal.h"

#define MAX_BLOCKS  24U
#define MAX_BLOCK   (IMAGE_BLOCK + 4096U)

struct block {
    struct image_entry entry;
    uint8_t *data;              /* of MAX_BLOCK bytes */
    size_t len;
};

/* A file in its parts, as it is read. */
struct parts {
    struct image_header header;
    struct block blocks[MAX_BLOCKS];
    uint32_t num;
    struct image_info info;
    char name[300];
    uint32_t name_len;
    struct image_trailer trailer;
};

static void set_data(struct block *b, const uint8_t *data, size_t len)
{
    if (!b->data)
        b->data = xls_calloc(1, MAX_BLOCK);
    memcpy(b->data, data, len);
    b->len = len;
}

static bool take_apart(uint8_t *file, size_t len, struct parts *p)
{
    struct file_parts f;
    uint32_t i;

    if (!file_parts(file, len, &f) || f.blocks > MAX_BLOCKS ||
        f.name_len > sizeof(p->name))
        return false;
    memcpy(&p->header, f.header, sizeof(p->header));
    memcpy(&p->info, f.info, sizeof(p->info));
    memcpy(p->name, f.name, f.name_len);
    memcpy(&p->trailer, f.trailer, sizeof(p->trailer));
    p->name_len = f.name_len;
    for (i = 0; i < f.blocks; i++) {
        const uint8_t *data = file_block(file, len, &f, i);
        size_t n = le32toh(f.table[i].stored);

        if (!data || n > MAX_BLOCK)
            return false;
        memcpy(&p->blocks[i].entry, &f.table[i], sizeof(f.table[i]));
        set_data(&p->blocks[i], data, n);
        p->num++;
    }
    return true;
}

static size_t length_of(const struct parts *p)
{
    size_t len = sizeof(p->header) + p->num * sizeof(struct image_entry) +
                 sizeof(p->info) + p->name_len + sizeof(p->trailer);
    uint32_t i;

    for (i = 0; i < p->num; i++)
        len += p->blocks[i].len;
    return len;
}

static uint8_t *put(uint8_t *to, const void *data, size_t len)
{
    memcpy(to, data, len);
    return to + len;
}

static void put_together(struct parts *p, uint8_t *file)
{
    uint8_t *to = put(file, &p->header, sizeof(p->header));
    uint32_t i;

    for (i = 0; i < p->num; i++)
        to = put(to, p->blocks[i].data, p->blocks[i].len);
    p->trailer.table = htole64(to - file);
    p->trailer.blocks = htole32(p->num);
    p->trailer.info = htole32(sizeof(p->info) + p->name_len);
    p->trailer.length = htole64(length_of(p));
    for (i = 0; i < p->num; i++) {
        p->blocks[i].entry.stored = htole32(p->blocks[i].len);
        to = put(to, &p->blocks[i].entry, sizeof(p->blocks[i].entry));
    }
    to = put(to, &p->info, sizeof(p->info));
    to = put(to, p->name, p->name_len);
    put(to, &p->trailer, sizeof(p->trailer));
}

static void free_parts(struct parts *p)
{
    uint32_t i;

    for (i = 0; i < MAX_BLOCKS; i++)
        free(p->blocks[i].data);
    free(p);
}

static uint64_t some_number(struct rng *r, uint64_t before)
{
    static const uint64_t numbers[] = {
        0, 1, 2, 63, 64, 65, 4095, 4096, 65536, IMAGE_BLOCK, IMAGE_BLOCK + 1,
        IMAGE_MAX_PAGES, 1ULL << 38, UINT32_MAX, UINT64_MAX,
    };

    switch (rng_below(r, 3)) {
    case 0:
        return numbers[rng_below(r, 15)];
    case 1:
        return before + rng_below(r, 17) - 8;
    default:
        return before ^ 1ULL << rng_below(r, 64);
    }
}

static void change_info(struct rng *r, struct parts *p)
{
    uint64_t *v = &p->info.content + rng_below(r, 8);

    if (rng_one_in(r, 4))
        p->info.depth = htole32(some_number(r, 1));
    else if (rng_one_in(r, 6))
        p->name[rng_below(r, p->name_len + 1) % sizeof(p->name)] =
            "/.\0px"[rng_below(r, 5)];
    else
        *v = htole64(some_number(r, le64toh(*v)));
}

/* The numbers of the info are again those of the blocks. */
static void count_again(struct parts *p)
{
    uint64_t raw[256] = { 0 };
    uint32_t i;

    for (i = 0; i < p->num; i++)
        raw[p->blocks[i].entry.type] += le32toh(p->blocks[i].entry.raw);
    p->info.pages = htole64(raw[IMAGE_MAP] / 4);
    p->info.stored = htole64(raw[IMAGE_DATA] / IMAGE_PAGE);
    p->info.skeleton = htole64(raw[IMAGE_SKELETON]);
    p->info.content = htole64(raw[IMAGE_SKELETON] +
                              raw[IMAGE_MAP] / 4 * IMAGE_PAGE);
    p->info.parent = p->info.repeated = 0;
    p->info.zero = htole64(raw[IMAGE_MAP] / 4 - raw[IMAGE_DATA] / IMAGE_PAGE);
    p->info.parent_len = htole32(p->name_len);
}

static void change_entry(struct rng *r, struct block *b)
{
    switch (rng_below(r, 3)) {
    case 0:
        b->entry.raw = htole32(some_number(r, le32toh(b->entry.raw)));
        break;
    case 1:
        b->entry.type = rng_below(r, 6);
        break;
    default:
        b->entry.codec = rng_below(r, 5);
        break;
    }
}

static void change_map(struct rng *r, struct block *b)
{
    uint64_t number = some_number(r, rng_below(r, 10)) % IMAGE_MAX_PAGES;
    uint32_t entry = htole32(IMAGE_ENTRY(rng_below(r, 4), number));

    if (b->len >= sizeof(entry))
        memcpy(b->data + rng_below(r, b->len / sizeof(entry)) * sizeof(entry),
               &entry, sizeof(entry));
}

static void change_data(struct block *b,
                        size_t (*any)(uint8_t *, size_t, size_t))
{
    size_t before = b->len;

    b->len = any(b->data, b->len, MAX_BLOCK);
    if (b->entry.codec == IMAGE_PLAIN && b->len != before)
        b->entry.raw = htole32(b->len);
}

static void swap(struct block *a, struct block *b)
{
    struct block c = *a;

    *a = *b;
    *b = c;
}

static void change_blocks(struct rng *r, struct parts *p, uint32_t n)
{
    struct block *b = &p->blocks[n], *last = &p->blocks[p->num - 1];

    switch (rng_below(r, 3)) {
    case 0:
        swap(b, last);
        p->num--;
        break;
    case 1:
        swap(b, &p->blocks[rng_below(r, p->num)]);
        break;
    default:
        if (p->num == MAX_BLOCKS)
            break;
        last[1].entry = b->entry;
        set_data(&last[1], b->data, b->len);
        p->num++;
        break;
    }
}

static void change_parts(struct rng *r, struct parts *p,
                         size_t (*any)(uint8_t *, size_t, size_t))
{
    uint32_t n = rng_below(r, p->num);

    switch (p->num ? rng_below(r, 8) : 0) {
    case 0:
        change_info(r, p);
        return;
    case 1:
        change_entry(r, &p->blocks[n]);
        break;
    case 2:
        change_blocks(r, p, n);
        break;
    case 3:
    case 4:
        while (n && p->blocks[n].entry.type != IMAGE_MAP)
            n--;
        change_map(r, &p->blocks[n]);
        break;
    default:
        change_data(&p->blocks[n], any);
        break;
    }
    if (!rng_one_in(r, 3))
        count_again(p);
}

size_t mutate_image(uint8_t *data, size_t size, size_t max, unsigned seed,
                    size_t (*any)(uint8_t *, size_t, size_t))
{
    struct parts *p = xls_calloc(1, sizeof(*p));
    struct rng r = rng_for(seed, 5);
    size_t len;

    if (!rng_one_in(&r, 8) && take_apart(data, size, p)) {
        change_parts(&r, p, any);
        len = length_of(p);
        if (len <= max) {
            put_together(p, data);
            size = len;
        }
    } else {
        size = any(data, size, max);
    }
    if (!rng_one_in(&r, 16))
        reseal(data, size);
    free_parts(p);
    return size;
}
