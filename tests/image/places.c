/* SPDX-License-Identifier: LGPL-2.1-only */
/* Where pages are in a content: as a plain reading of Xen's specifications
 * finds them, for each way in which one number of it can be another. */
#include "support.h"

#include "generate.h"
#include "savefile/stream.h"

/* Through it as writer and reader go, in pieces. */
static void must_agree(const uint8_t *data, size_t len, size_t piece,
                       const struct found *f)
{
    struct xls_stream s;
    size_t at = 0, found = 0;
    uint32_t due = 0;

    xls_stream_init(&s);
    while (at < len && (!due || len - at >= IMAGE_PAGE)) {
        if (due) {
            must(found < f->num_pages && f->pages[found++] == at);
            at += IMAGE_PAGE;
            due--;
        } else {
            at += xls_stream_pass(&s, data + at,
                                  len - at < piece ? len - at : piece, &due);
        }
    }
    must(found == f->num_pages);
    must(!!due == f->amid_pages);
    must(s.start == f->start);
    must(due || xls_stream_whole(&s) == f->whole);
}

static void compare(const uint8_t *data, size_t len, size_t piece)
{
    struct found f;

    find_pages(data, len, &f);
    must_agree(data, len, piece, &f);
    must_agree(data, len, SIZE_MAX, &f);
    found_free(&f);
}

/* One that has some records of each kind, and is small. */
static void make_small(uint64_t seed, struct generated *out)
{
    memset(out, 0, sizeof(*out));
    do {
        generate_alone(seed, out);
        seed += 1000;
    } while (out->len > 40000 || out->found.num_pages < 3);
}

static bool in_page(const struct found *f, size_t at)
{
    size_t i;

    for (i = 0; i < f->num_pages; i++)
        if (at >= f->pages[i] && at < f->pages[i] + IMAGE_PAGE)
            return true;
    return false;
}

static void other_words_are_seen(void **state)
{
    static const uint32_t words[] = { 0, 1, 2, 7, 8, 1024, 1025, 0x7fffffff,
                                      0xfffffff8, 0xfffffff9, UINT32_MAX };
    struct generated g;
    uint64_t seed;
    size_t at, i;

    (void)state;
    for (seed = 1; seed < 9; seed++) {
        make_small(seed, &g);
        for (at = 0; at + 4 <= g.len; at += 4) {
            uint32_t before, word;

            if (in_page(&g.found, at))
                continue;
            memcpy(&before, g.data + at, 4);
            for (i = 0; i < sizeof(words) / sizeof(words[0]) + 4; i++) {
                word = i < 11 ? htole32(words[i])
                              : htole32(le32toh(before) + 8 * (i - 13));
                memcpy(g.data + at, &word, 4);
                compare(g.data, g.len, SIZE_MAX);
            }
            memcpy(g.data + at, &before, 4);
        }
        generated_free(&g);
    }
}

static void other_bits_in_the_headers_are_seen(void **state)
{
    struct generated g;
    size_t at, bit;

    (void)state;
    make_small(20, &g);
    for (at = 0; at < g.len; at++) {
        if (at > 48 && at < g.found.start)
            continue;
        if (at > g.found.start + 100)
            break;
        for (bit = 0; bit < 8; bit++) {
            g.data[at] ^= 1U << bit;
            compare(g.data, g.len, 1 + at % 50);
            g.data[at] ^= 1U << bit;
        }
    }
    generated_free(&g);
}

static void every_length_is_seen(void **state)
{
    struct generated g;
    size_t len;

    (void)state;
    make_small(30, &g);
    for (len = 0; len <= g.len; len++)
        if (!in_page(&g.found, len) || len % 128 < 2)
            compare(g.data, len, 1 + len % 5000);
    generated_free(&g);
}

static void strange_contents_are_seen(void **state)
{
    uint64_t seed = seed_given(), i;

    (void)state;
    for (i = 0; i < 3000; i++) {
        struct guest *guest = guest_new(seed + i);
        struct generated g;

        generate_strange(guest, seed + i, &g);
        compare(g.data, g.len, 1 + i * 37 % 9000);
        generated_free(&g);
        guest_free(guest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_words_are_seen),
        cmocka_unit_test(other_bits_in_the_headers_are_seen),
        cmocka_unit_test(every_length_is_seen),
        cmocka_unit_test(strange_contents_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
