/* SPDX-License-Identifier: LGPL-2.1-only */
#include "generate.h"

#include <endian.h>
#include <stdlib.h>

#include "common/alloc.h"

#define PAGE            4096U
#define MAX_BATCH       1024U

#define LIBXL_END       0U
#define LIBXC_CONTEXT   1U
#define LIBXC_END       0U
#define PAGE_DATA       1U
#define OPTIONAL        0x80000000U

/* EMULATOR_XENSTORE_DATA to CHECKPOINT_STATE, X86_PV_INFO to X86_MSR_POLICY */
#define LIBXL_FIRST     2U
#define LIBXL_LAST      5U
#define LIBXC_FIRST     2U
#define LIBXC_LAST      0x12U

struct making {
    struct rng rng;
    struct guest *guest;
    struct generated *out;
    size_t space;
    /* Where each record's head is. */
    size_t *records;
    size_t num_records, space_records;
    bool malformed_pages;
};

static uint8_t *put(struct making *m, const void *data, size_t len)
{
    struct generated *out = m->out;

    if (m->space - out->len < len) {
        m->space = 2 * m->space + len;
        out->data = xls_realloc(out->data, m->space, 1);
    }
    if (data)
        memcpy(out->data + out->len, data, len);
    else
        memset(out->data + out->len, 0, len);
    out->len += len;
    return out->data + out->len - len;
}

static void put32(struct making *m, uint32_t v)
{
    v = htole32(v);
    put(m, &v, sizeof(v));
}

static void put32_big_endian(struct making *m, uint32_t v)
{
    v = htobe32(v);
    put(m, &v, sizeof(v));
}

static void put64(struct making *m, uint64_t v)
{
    v = htole64(v);
    put(m, &v, sizeof(v));
}

static void put_any(struct making *m, size_t len)
{
    uint8_t *p = put(m, NULL, len);
    size_t i;

    switch (rng_below(&m->rng, 3)) {
    case 0:
        rng_fill(&m->rng, p, len);
        break;
    case 1:
        for (i = 0; i < len; i++)
            p[i] = "{\"key\": 42}\0\1\2"[i % 14];
        break;
    default:
        break;
    }
}

static void put_head(struct making *m, uint32_t type, uint32_t len)
{
    if (m->num_records == m->space_records) {
        m->space_records = m->space_records ? 2 * m->space_records : 64;
        m->records = xls_realloc(m->records, m->space_records,
                                 sizeof(*m->records));
    }
    m->records[m->num_records++] = m->out->len;
    put32(m, type);
    put32(m, len);
}

static size_t some_length(struct rng *r)
{
    if (rng_one_in(r, 500))     /* more than a block of an image holds */
        return rng_from_to(r, 100000, 700000);
    switch (rng_below(r, 8)) {
    case 0:
        return 0;
    case 1:
    case 2:
        return rng_below(r, 17);
    case 3:
    case 4:
        return 8 * rng_below(r, 33);
    case 5:
        return PAGE;
    default:
        return rng_below(r, 3000);
    }
}

static void put_record(struct making *m, uint32_t type)
{
    size_t len = some_length(&m->rng);

    put_head(m, type, len);
    put_any(m, len);
    put(m, NULL, -len % 8);
}

static uint32_t some_type(struct making *m, uint32_t first, uint32_t last)
{
    return rng_one_in(&m->rng, 10) ? OPTIONAL | rng_below(&m->rng, 100)
                                   : rng_from_to(&m->rng, first, last);
}

static void put_xl_header(struct making *m)
{
    uint32_t len = rng_one_in(&m->rng, 10) ? rng_below(&m->rng, 60000)
                                           : rng_below(&m->rng, 4000);

    put(m, "Xen saved domain, xl format\n \0 \r", 32);
    put32(m, 0x01020304);
    put32(m, 3);                /* JSON, stream version 2 */
    put32(m, 0);
    put32(m, sizeof(len) + len + 3);
    put32(m, len + 3);
    put(m, "{", 1);
    memset(put(m, NULL, len), ' ', len);
    put(m, "}", 2);
}

static void put_libxl_header(struct making *m)
{
    m->out->found.start = m->out->len;
    put(m, "LibxlFmt", 8);
    put32_big_endian(m, 2);
    put32_big_endian(m, 0);
}

static void put_libxc_headers(struct making *m)
{
    put64(m, UINT64_MAX);
    put(m, "XENF", 4);
    put32_big_endian(m, 2);
    put64(m, 0);
    put32(m, rng_from_to(&m->rng, 1, 3));       /* PV, HVM, PVH */
    put32(m, 12);
    put32(m, 4);
    put32(m, rng_from_to(&m->rng, 17, 20));
}

static void put_pages(struct making *m, const uint32_t *numbers, uint32_t num)
{
    const struct guest *g = m->guest;
    uint32_t i, with_data = 0;

    for (i = 0; i < num; i++)
        with_data += g->pages[numbers[i]].type < FIRST_TYPE_WITHOUT_DATA;
    put_head(m, PAGE_DATA, 8 + 8 * num + PAGE * with_data);
    put32(m, num);
    put32(m, 0);
    for (i = 0; i < num; i++)
        put64(m, (uint64_t)g->pages[numbers[i]].type << 60 |
                     (g->first_pfn + numbers[i]));
    for (i = 0; i < num; i++)
        if (g->pages[numbers[i]].type < FIRST_TYPE_WITHOUT_DATA) {
            found_add(&m->out->found, m->out->len);
            guest_fill_page(g->pages[numbers[i]].content, put(m, NULL, PAGE));
        }
}

static uint32_t some_batch(struct rng *r)
{
    switch (rng_below(r, 4)) {
    case 0:
        return 1;
    case 1:
        return MAX_BATCH;
    case 2:
        return rng_from_to(r, 1, MAX_BATCH);
    default:
        return rng_from_to(r, 1, 20);
    }
}

/* Some of the guest's pages, in order. */
static void put_iteration(struct making *m, bool all)
{
    uint32_t numbers[MAX_BATCH], num = 0, i;
    uint32_t batch = some_batch(&m->rng);

    for (i = 0; i < m->guest->num; i++) {
        if (all || rng_one_in(&m->rng, 4))
            numbers[num++] = i;
        if (num == batch) {
            put_pages(m, numbers, num);
            num = 0;
        }
    }
    if (num)
        put_pages(m, numbers, num);
}

static void put_full_batch(struct making *m)
{
    uint32_t numbers[MAX_BATCH], i;

    for (i = 0; i < MAX_BATCH; i++)
        numbers[i] = rng_below(&m->rng, m->guest->num);
    put_pages(m, numbers, MAX_BATCH);
}

/* As where the guest has no memory. */
static void put_batch_without_data(struct making *m)
{
    uint32_t num = some_batch(&m->rng), i;

    put_head(m, PAGE_DATA, 8 + 8 * num);
    put32(m, num);
    put32(m, 0);
    for (i = 0; i < num; i++)
        put64(m, rng_from_to(&m->rng, FIRST_TYPE_WITHOUT_DATA, 0xf) << 60 | i);
}

/* Its length, its count and what follows do not fit each other; mostly. */
static void put_malformed_pages(struct making *m)
{
    static const uint32_t counts[] = { 0, 1, 2, 3, MAX_BATCH, MAX_BATCH + 1,
                                       65536, 1U << 29, UINT32_MAX };
    uint32_t count = counts[rng_below(&m->rng, 9)];
    uint32_t shown = count < 2000 ? count : rng_below(&m->rng, 2000);
    uint32_t len = 8 + 8 * shown + PAGE * rng_below(&m->rng, 5);

    if (rng_one_in(&m->rng, 3))
        len += rng_from_to(&m->rng, 0, 16) - 8;
    if (rng_one_in(&m->rng, 5))
        len = rng_below(&m->rng, 24);
    put_head(m, PAGE_DATA, len);
    if (len >= 8) {
        put32(m, count);
        put32(m, rng_next(&m->rng));
        put_any(m, len - 8);
    } else {
        put_any(m, len);
    }
    put(m, NULL, -(size_t)len % 8);
}

static void put_some_records(struct making *m, int most)
{
    int n = rng_below(&m->rng, most + 1);

    while (n--)
        put_record(m, some_type(m, LIBXC_FIRST, LIBXC_LAST));
    if (m->malformed_pages && rng_one_in(&m->rng, 2))
        put_malformed_pages(m);
}

static void put_libxc_stream(struct making *m)
{
    int iterations = rng_one_in(&m->rng, 2) ? 1 : rng_from_to(&m->rng, 1, 4), i;

    put_libxc_headers(m);
    put_some_records(m, 5);
    for (i = 0; i < iterations; i++) {
        if (i)
            guest_run(m->guest);
        put_iteration(m, !i);
        put_some_records(m, 1);
    }
    if (rng_one_in(&m->rng, 20))
        put_batch_without_data(m);
    if (m->guest->num && rng_one_in(&m->rng, 300))
        put_full_batch(m);
    put_some_records(m, 8);
    put_head(m, LIBXC_END, 0);
}

static void put_libxl_records(struct making *m, int most)
{
    int n = rng_below(&m->rng, most + 1);

    while (n--)
        put_record(m, some_type(m, LIBXL_FIRST, LIBXL_LAST));
}

static void make(struct making *m, struct guest *g, uint64_t seed,
                 struct generated *out)
{
    m->guest = g;
    m->out = out;
    memset(out, 0, sizeof(*out));
    m->space = 100000 + (size_t)g->num * PAGE;
    out->data = xls_realloc(NULL, m->space, 1);
    put_xl_header(m);
    put_libxl_header(m);
    put_libxl_records(m, seed % 8 ? 0 : 2);
    put_head(m, LIBXC_CONTEXT, 0);
    put_libxc_stream(m);
    put_libxl_records(m, 4);
    put_head(m, LIBXL_END, 0);
    out->found.whole = true;
}

void generate(struct guest *g, uint64_t seed, struct generated *out)
{
    struct making m = { .rng = rng_for(seed, 2) };

    make(&m, g, seed, out);
    free(m.records);
}

void generate_alone(uint64_t seed, struct generated *out)
{
    struct guest *g = guest_new(seed);

    generated_free(out);
    generate(g, seed, out);
    guest_free(g);
}

void generated_free(struct generated *out)
{
    free(out->data);
    found_free(&out->found);
    memset(out, 0, sizeof(*out));
}

/* A place in the content, often one that means something. */
static size_t some_place(struct making *m)
{
    size_t len = m->out->len, at;

    switch (rng_below(&m->rng, 3)) {
    case 0:
        at = rng_below(&m->rng, 100);
        break;
    case 1:
        at = m->records[rng_below(&m->rng, m->num_records)] +
             rng_below(&m->rng, 33);
        break;
    default:
        at = rng_below(&m->rng, len);
        break;
    }
    return at < len ? at : len - 1;
}

static void cut_out(struct generated *out, size_t at, size_t len)
{
    memmove(out->data + at, out->data + at + len, out->len - at - len);
    out->len -= len;
}

static void lie_about_record(struct making *m)
{
    static const uint32_t lengths[] = { 0, 1, 7, 8, 9, 4096, 0x7fffffff,
                                        0xfffffff8, UINT32_MAX };
    uint8_t *head = m->out->data +
                    m->records[rng_below(&m->rng, m->num_records)];
    uint32_t v;

    if (rng_one_in(&m->rng, 3)) {
        v = htole32(rng_below(&m->rng, 3));
        memcpy(head, &v, sizeof(v));
        return;
    }
    memcpy(&v, head + 4, sizeof(v));
    v = rng_one_in(&m->rng, 2)
            ? htole32(le32toh(v) + 8 * rng_from_to(&m->rng, 0, 4) - 16)
            : htole32(lengths[rng_below(&m->rng, 9)]);
    memcpy(head + 4, &v, sizeof(v));
}

static void make_noise(struct making *m)
{
    size_t len = rng_one_in(&m->rng, 2) ? rng_below(&m->rng, 80)
                                        : rng_below(&m->rng, 100000);

    m->out->len = 0;
    if (rng_one_in(&m->rng, 3))
        put_xl_header(m);
    put_any(m, len);
    if (rng_one_in(&m->rng, 3))
        m->out->len = rng_below(&m->rng, m->out->len + 1);
}

static void spoil(struct making *m)
{
    struct generated *out = m->out;
    size_t at = some_place(m);
    int n = rng_from_to(&m->rng, 1, 4);

    switch (rng_below(&m->rng, 9)) {
    case 0:
    case 1:
        out->len = at;
        break;
    case 2:
        put_any(m, rng_from_to(&m->rng, 1, 5000));
        break;
    case 3:
        cut_out(out, 0, out->found.start);
        break;
    case 4:
        while (n--)
            out->data[some_place(m)] ^= 1U << rng_below(&m->rng, 8);
        break;
    case 5:
    case 6:
        while (n--)
            lie_about_record(m);
        break;
    case 7:
        cut_out(out, at, rng_below(&m->rng, out->len - at));
        break;
    default:
        make_noise(m);
        break;
    }
}

void generate_strange(struct guest *g, uint64_t seed, struct generated *out)
{
    struct making m = { .rng = rng_for(seed, 3) };

    m.malformed_pages = rng_one_in(&m.rng, 4);
    make(&m, g, seed, out);
    if (!m.malformed_pages || rng_one_in(&m.rng, 2))
        spoil(&m);
    free(m.records);
    found_free(&out->found);
    find_pages(out->data, out->len, &out->found);
}
