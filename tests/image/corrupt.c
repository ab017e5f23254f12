/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Random damage to images, and to those that they are based on, is found, or
 * is where nothing is read: then the content comes back as it was. IMAGE_SEED
 * is another run than that of every day, IMAGE_CORRUPTIONS how long it is.
 */
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>

#include "generate.h"
#include "reseal.h"

#define FAMILIES    8
#define MEMBERS     3           /* each based on the one before */
#define MOST_MIB    256         /* of memory, for one of them */

enum { CASES, FOUND, HARMLESS, BLOCKS };

struct member {
    struct generated content;
    char name[16];
    uint8_t *file;
    size_t len;
};

static struct member members[FAMILIES][MEMBERS];
static uint64_t seed;

static void make_member(struct guest *g, int family, int number)
{
    struct member *m = &members[family][number];
    struct xls_image_write_how how = {
        .level = family % 3,
        .threads = 1,
        .parent = number ? must_open(scratch(m[-1].name)) : NULL,
    };

    snprintf(m->name, sizeof(m->name), "%d.%d", family, number);
    generate(g, seed + 10 * family + number, &m->content);
    must_store(scratch(m->name), m->content.data, m->content.len, &how);
    m->file = read_file(scratch(m->name), &m->len);
    xls_image_close(how.parent);
}

static void make_families(void)
{
    int family, number;

    entropy_from(seed);
    for (family = 0; family < FAMILIES; family++) {
        struct guest *g;
        uint64_t n = 0;

        do {
            g = guest_new(seed + 1000 * family + n++);
        } while ((g->num < 3 || g->num > 20) && (guest_free(g), true));
        for (number = 0; number < MEMBERS; number++) {
            make_member(g, family, number);
            guest_run(g);
        }
        guest_free(g);
    }
}

static void free_families(void)
{
    int family, number;

    for (family = 0; family < FAMILIES; family++)
        for (number = 0; number < MEMBERS; number++) {
            generated_free(&members[family][number].content);
            free(members[family][number].file);
        }
}

/* Each process damages copies of its own. */
static void begin(void)
{
    int family, number;

    for (family = 0; family < FAMILIES; family++)
        for (number = 0; number < MEMBERS; number++) {
            struct member *m = &members[family][number];

            write_file(scratch(m->name), m->file, m->len);
        }
    limit_memory(MOST_MIB);
}

static size_t some_place(struct rng *r, size_t len)
{
    switch (rng_below(r, 4)) {
    case 0:                     /* the header */
        return rng_below(r, len < 512 ? len : 512);
    case 1:                     /* the index */
        return len - 1 - rng_below(r, len < 500 ? len : 500);
    default:
        return rng_below(r, len);
    }
}

static void change_bytes(struct rng *r, uint8_t *file, size_t len)
{
    int n = rng_one_in(r, 2) ? 1 : rng_from_to(r, 1, 16);

    while (n--) {
        size_t at = some_place(r, len);

        if (rng_one_in(r, 2))
            file[at] ^= 1U << rng_below(r, 8);
        else
            file[at] = rng_next(r);
    }
}

/* Two ranges of one length that do not overlap. */
static void swap_ranges(struct rng *r, uint8_t *file, size_t len)
{
    size_t n = 1 + rng_below(r, rng_one_in(r, 2) ? 64 : len / 2);
    size_t a = rng_below(r, len - 2 * n + 1);
    size_t b = a + n + rng_below(r, len - a - 2 * n + 1), i;

    for (i = 0; i < n; i++) {
        uint8_t byte = file[a + i];

        file[a + i] = file[b + i];
        file[b + i] = byte;
    }
}

static void copy_range(struct rng *r, uint8_t *file, size_t len,
                       const struct member *from)
{
    size_t most = len < from->len ? len : from->len, n, at;

    n = 1 + rng_below(r, rng_one_in(r, 2) ? 64 : most);
    if (n > most)
        n = most;
    at = rng_below(r, len - n + 1);
    memcpy(file + at, from->file + (rng_one_in(r, 2) && at + n <= from->len
                                        ? at
                                        : rng_below(r, from->len - n + 1)), n);
}

/* Whole blocks change places, with or without their entries of the table. */
static void swap_blocks(struct rng *r, const struct member *m, uint8_t *file)
{
    bool entries = rng_one_in(r, 2);
    struct file_parts from, to;
    size_t at = sizeof(*from.header);
    uint32_t i, a, b;

    must(file_parts(m->file, m->len, &from) && file_parts(file, m->len, &to));
    a = rng_below(r, from.blocks);
    b = rng_below(r, from.blocks);
    for (i = 0; i < from.blocks; i++) {
        uint32_t n = i == a ? b : i == b ? a : i;
        size_t stored = le32toh(from.table[n].stored);

        memcpy(file + at, file_block(m->file, m->len, &from, n), stored);
        at += stored;
        if (entries)
            to.table[i] = from.table[n];
    }
}

static const struct member *any_member(struct rng *r)
{
    return &members[rng_below(r, FAMILIES)][rng_below(r, MEMBERS)];
}

/* Into a buffer that is longer than the file is. */
static size_t damage(struct rng *r, const struct member *m, uint8_t *file)
{
    size_t len = m->len, n;

    switch (rng_below(r, 10)) {
    case 0:
        return rng_one_in(r, 2) ? len - 1 - rng_below(r, 200)
                                : rng_below(r, len);
    case 1:
        n = rng_from_to(r, 1, 600);
        rng_fill(r, file + len, n);
        return len + n;
    case 2:                     /* the end once more */
        n = rng_from_to(r, 64, 600);
        memcpy(file + len, file + len - n, n);
        return len + n;
    case 3:
        swap_ranges(r, file, len);
        return len;
    case 4:
        copy_range(r, file, len, any_member(r));
        return len;
    case 5:
        swap_blocks(r, m, file);
        return len;
    case 6:                     /* something is missing, or too much */
        n = rng_from_to(r, 1, 100);
        memmove(file + len / 2, file + len / 2 + n, len - len / 2 - n);
        return len - n;
    default:
        change_bytes(r, file, len);
        return len;
    }
}

static uint8_t *damaged(struct rng *r, const struct member *m, size_t *len)
{
    uint8_t *file = xls_realloc(NULL, m->len + 600, 1);

    do {
        memcpy(file, m->file, m->len);
        *len = damage(r, m, file);
    } while (*len == m->len && !memcmp(file, m->file, *len));
    return file;
}

/* One of a family, or one that it is based on. */
static const struct member *draw(struct rng *r, const struct member **last)
{
    const struct member *family = members[rng_below(r, FAMILIES)];

    *last = &family[rng_below(r, MEMBERS)];
    return *last - rng_below(r, *last - family + 1);
}

/* One of a family is damaged, and that or one which is based on it read. */
static void one_corruption(uint64_t number)
{
    struct rng r = rng_for(seed, number);
    const struct member *last, *m = draw(&r, &last);
    size_t len;
    uint8_t *file = damaged(&r, m, &len);
    int rc;

    write_file(scratch(m->name), file, len);
    rc = try_image(scratch(last->name), last->content.data,
                   last->content.len);
    if (rc && rc != ERROR_SNAPSHOT_IMAGE_CORRUPT)
        wrong("damage is told as %d", rc);
    if (!rc && m == last)
        wrong("damage to %s is not found", m->name);
    must(!rc || logged("cannot be used"));
    write_file(scratch(m->name), m->file, m->len);
    free(file);
    tally->count[CASES]++;
    tally->count[rc ? FOUND : HARMLESS]++;
    tally->count[BLOCKS] += logged(", at byte ");
}

/* Whoever made it knows how checksums are made, too. */
static void one_forgery(uint64_t number)
{
    struct rng r = rng_for(seed, ~number);
    const struct member *last, *m = draw(&r, &last);
    size_t len;
    uint8_t *file = damaged(&r, m, &len);
    int rc;

    reseal(file, len);
    write_file(scratch(m->name), file, len);
    rc = try_image(scratch(last->name), NULL, 0);
    if (rc && rc != ERROR_SNAPSHOT_IMAGE_CORRUPT &&
        rc != ERROR_SNAPSHOT_STORAGE)
        wrong("a forgery is told as %d", rc);
    must(rc != ERROR_SNAPSHOT_STORAGE || logged("cannot open"));
    write_file(scratch(m->name), m->file, m->len);
    free(file);
    tally->count[CASES]++;
    tally->count[rc ? FOUND : HARMLESS]++;
}

static void forgeries_do_no_harm(void **state)
{
    (void)state;
    seed = seed_given();
    make_families();
    run_cases(number_given("IMAGE_CORRUPTIONS", 100000) / 5, begin,
              one_forgery);
    free_families();
    printf("# %llu forgeries, %llu refused\n",
           counted(CASES), counted(FOUND));
}

static void damage_is_found(void **state)
{
    (void)state;
    seed = seed_given();
    make_families();
    run_cases(number_given("IMAGE_CORRUPTIONS", 100000), begin,
              one_corruption);
    free_families();
    printf("# %llu corruptions, %llu found, %llu of them in blocks; %llu "
           "harmless, in what only other images need\n",
           counted(CASES), counted(FOUND), counted(BLOCKS),
           counted(HARMLESS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(damage_is_found, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(forgeries_do_no_harm, scratch_make,
                                        scratch_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
