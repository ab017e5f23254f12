/* SPDX-License-Identifier: LGPL-2.1-only */
#include "reference.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

#define PAGE 4096U

struct look {
    const uint8_t *data;
    uint64_t len, at;
    struct found *f;
};

static bool has(const struct look *l, uint64_t bytes)
{
    return l->at <= l->len && l->len - l->at >= bytes;
}

static uint32_t le(const struct look *l, unsigned at)
{
    uint32_t v;

    memcpy(&v, l->data + l->at + at, sizeof(v));
    return le32toh(v);
}

static uint32_t be(const struct look *l, unsigned at)
{
    return __builtin_bswap32(le(l, at));
}

static uint64_t padded(uint32_t len)
{
    return ((uint64_t)len + 7) / 8 * 8;
}

void found_add(struct found *f, size_t offset)
{
    if (f->num_pages == f->space) {
        f->space = f->space ? 2 * f->space : 64;
        f->pages = xls_realloc(f->pages, f->space, sizeof(*f->pages));
    }
    f->pages[f->num_pages++] = offset;
}

void found_free(struct found *f)
{
    free(f->pages);
    memset(f, 0, sizeof(*f));
}

/* tools/xl/xl.h: 32 bytes magic, byte order, flags, flags, optional length. */
static bool pass_xl_header(struct look *l)
{
    static const char magic[32] = "Xen saved domain, xl format\n \0 \r";

    if (!has(l, 16) || memcmp(l->data, magic, 16))
        return true;
    if (!has(l, 48) || memcmp(l->data, magic, 32) || le(l, 32) != 0x01020304 ||
        (le(l, 36) & ~1U) != 2 || le(l, 44) > 16U << 20)
        return false;
    l->at = 48 + (uint64_t)le(l, 44);
    return true;
}

static bool pass_libxl_header(struct look *l)
{
    if (!has(l, 16) || memcmp(l->data + l->at, "LibxlFmt", 8) ||
        be(l, 8) != 2 || be(l, 12) & 1)
        return false;
    l->f->start = l->at;
    l->at += 16;
    return true;
}

static bool pass_libxc_headers(struct look *l)
{
    if (!has(l, 40) || le(l, 0) != UINT32_MAX || le(l, 4) != UINT32_MAX ||
        be(l, 8) != 0x58454e46 || l->data[l->at + 17] & 1)
        return false;
    l->at += 40;
    return true;
}

/* A PAGE_DATA record whose length says that it has pages, N at most as many as
 * its count; false when the content ends before it. */
static bool pass_page_data(struct look *l)
{
    uint32_t len = le(l, 4), count, n;
    uint64_t arrays;

    if (!has(l, 16))
        return false;
    count = le(l, 8);
    arrays = 8 + 8ULL * count;
    if (count == 0 || count > 1024 || len < arrays ||
        (len - arrays) % PAGE || (len - arrays) / PAGE > count) {
        l->at += 8 + padded(len);
        return true;
    }
    n = (len - arrays) / PAGE;
    if (!has(l, 8 + arrays))
        return false;
    l->at += 8 + arrays;
    for (; n && has(l, PAGE); n--, l->at += PAGE)
        found_add(l->f, l->at);
    l->f->amid_pages = n;
    return !n;
}

static bool pass_libxc_records(struct look *l)
{
    while (has(l, 8)) {
        uint32_t type = le(l, 0), len = le(l, 4);

        if (type == 1 && len >= 8) {
            if (!pass_page_data(l))
                return false;
            continue;
        }
        l->at += 8 + padded(len);
        if (type == 0)
            return true;
    }
    return false;
}

static void pass_libxl_records(struct look *l)
{
    while (has(l, 8)) {
        uint32_t type = le(l, 0), len = le(l, 4);

        if (type == 0) {
            l->f->whole = !len && l->at + 8 == l->len;
            return;
        }
        if (type == 1 && len)
            return;
        l->at += 8 + padded(len);
        if (type == 1 && (!pass_libxc_headers(l) || !pass_libxc_records(l)))
            return;
    }
}

void find_pages(const uint8_t *data, size_t len, struct found *f)
{
    struct look l = { data, len, 0, f };

    memset(f, 0, sizeof(*f));
    if (pass_xl_header(&l) && pass_libxl_header(&l))
        pass_libxl_records(&l);
}
