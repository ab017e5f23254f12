/* SPDX-License-Identifier: LGPL-2.1-only */
#include "recipe.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "tests/image/random.h"

#define PAGE    4096U
#define MOST    32              /* numbers in a line */

static void put(struct recipe *r, const void *data, size_t len)
{
    r->data = xls_realloc(r->data, r->len + len, 1);
    if (data)
        memcpy(r->data + r->len, data, len);
    else
        memset(r->data + r->len, 0, len);
    r->len += len;
}

static void put_word(struct recipe *r, uint32_t v)
{
    v = htole32(v);
    put(r, &v, sizeof(v));
}

static void put_head(struct recipe *r, uint32_t type, uint32_t len)
{
    put_word(r, type);
    put_word(r, len);
}

static void put_page(struct recipe *r, uint64_t number)
{
    struct rng rng = { number };
    uint8_t page[PAGE] = { 0 };

    if (number)
        rng_fill(&rng, page, 64);
    put(r, page, sizeof(page));
}

static void put_xl(struct recipe *r, uint32_t len)
{
    put(r, "Xen saved domain, xl format\n \0 \r", 32);
    put_word(r, 0x01020304);
    put_word(r, 3);
    put_word(r, 0);
    put_word(r, 4 + len);
    put_word(r, len);
    put(r, NULL, len);
}

static void put_batch(struct recipe *r, const uint64_t *types, uint32_t num)
{
    uint32_t i, with_data = 0;

    for (i = 0; i < num; i++)
        with_data += types[i] < 13;
    put_head(r, 1, 8 + 8 * num + PAGE * with_data);
    put_head(r, num, 0);
    for (i = 0; i < num; i++) {
        put_word(r, i);
        put_word(r, types[i] << 28);
    }
    for (i = 0; i < num; i++)
        if (types[i] < 13)
            put_page(r, ++r->pages);
}

static void put_hex(struct recipe *r, const char *s)
{
    char two[3] = { 0 };

    while (*(s += strspn(s, " \t")) && s[1]) {
        uint8_t byte;

        memcpy(two, s, 2);
        byte = strtoul(two, NULL, 16);
        put(r, &byte, 1);
        s += 2;
    }
}

static unsigned numbers(const char *s, uint64_t *v)
{
    unsigned n = 0;
    char *end;

    while (n < MOST && *(s += strspn(s, " \t"))) {
        v[n++] = strtoull(s, &end, 0);
        if (end == s)
            return MOST + 1;
        s = end;
    }
    return n;
}

bool recipe_line(struct recipe *r, const char *line)
{
    size_t len = strcspn(line, " \t");
    uint64_t v[MOST] = { 0 };
    unsigned n;

#define IS(word) (len == strlen(word) && !memcmp(line, word, len))
    if (IS("hex")) {
        put_hex(r, line + len);
        return true;
    }
    n = numbers(line + len, v);
    if (IS("xl") && n == 1) {
        put_xl(r, v[0]);
    } else if (IS("libxl") && n == 0) {
        put(r, "LibxlFmt\0\0\0\2\0\0\0\0", 16);
    } else if (IS("libxc") && n == 0) {
        put(r, "\377\377\377\377\377\377\377\377XENF\0\0\0\2\0\0\0\0\0\0\0\0"
               "\2\0\0\0\14\0\0\0\4\0\0\0\24\0\0\0", 40);
    } else if (IS("record") && n == 2) {
        put_head(r, v[0], v[1]);
        put(r, NULL, (v[1] + 7) / 8 * 8);
    } else if (IS("head") && n == 2) {
        put_head(r, v[0], v[1]);
    } else if (IS("batch") && n <= MOST) {
        put_batch(r, v, n);
    } else if (IS("page") && n == 1) {
        put_page(r, v[0]);
    } else if (IS("word") && n == 1) {
        put_word(r, v[0]);
    } else if (IS("zeros") && n == 1) {
        put(r, NULL, v[0]);
    } else {
        return false;
    }
    return true;
#undef IS
}
