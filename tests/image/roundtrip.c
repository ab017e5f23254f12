/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Random contents come back as they were, from single images and from chains
 * of them; those that are no `xl save` file as well, or they are refused.
 *
 * IMAGE_SEED is another run than that of every day, IMAGE_STREAMS how many
 * contents there are.
 */
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "generate.h"

#define MAX_LENGTH  8           /* of a chain */

enum { STREAMS, INCREMENTS, STRANGE, REFUSED, BYTES, STORED };

static uint64_t seed;

struct link {
    struct generated content;
    const uint8_t **pages;      /* its different ones, sorted; not of zeros */
    size_t num_pages;
    char *path;
    bool stored;
};

struct chain {
    struct rng rng;
    struct guest *guest;
    struct link links[MAX_LENGTH];
    int num;
};

static int compare_pages(const void *a, const void *b)
{
    return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b,
                  IMAGE_PAGE);
}

static bool is_zero(const uint8_t *page)
{
    return !page[0] && !memcmp(page, page + 1, IMAGE_PAGE - 1);
}

static void sort_pages(struct link *l)
{
    size_t i, n = 0;

    l->pages = xls_calloc(l->content.found.num_pages, sizeof(*l->pages));
    for (i = 0; i < l->content.found.num_pages; i++) {
        const uint8_t *page = l->content.data + l->content.found.pages[i];

        if (!is_zero(page))
            l->pages[n++] = page;
    }
    qsort(l->pages, n, sizeof(*l->pages), compare_pages);
    for (i = 0; i < n; i++)
        if (!i || compare_pages(&l->pages[i - 1], &l->pages[i]))
            l->pages[l->num_pages++] = l->pages[i];
}

static bool in_parent(const struct link *parent, const uint8_t *page)
{
    return parent && bsearch(&page, parent->pages, parent->num_pages,
                             sizeof(page), compare_pages);
}

static uint64_t blocks_for(uint64_t bytes)
{
    return (bytes + IMAGE_BLOCK - 1) / IMAGE_BLOCK;
}

/* Each page is stored once and nothing else is, whatever the codec does. */
static void check_size(const struct xls_image *image)
{
    const struct image_info *info = xls_image_info(image);
    uint64_t data = info->stored * IMAGE_PAGE, map = info->pages * 4,
             hashes = info->stored * IMAGE_HASH;
    uint64_t blocks = blocks_for(data) + blocks_for(hashes) +
                      blocks_for(map) + blocks_for(info->skeleton);
    struct stat st;

    must(!stat(xls_image_path(image), &st));
    must((uint64_t)st.st_size == xls_image_file_size(image));
    must((st.st_mode & 07777) == 0600);
    must((uint64_t)st.st_size <=
         sizeof(struct image_header) + data + hashes + map + info->skeleton +
             blocks * sizeof(struct image_entry) + sizeof(*info) +
             info->parent_len + sizeof(struct image_trailer));
}

static void check_info(const struct xls_image *image, const struct link *l,
                       const struct link *parent)
{
    const struct image_info *info = xls_image_info(image);
    const struct found *f = &l->content.found;
    size_t i, zero = 0, in = 0, stored = 0;

    for (i = 0; i < f->num_pages; i++) {
        const uint8_t *page = l->content.data + f->pages[i];

        if (is_zero(page))
            zero++;
        else if (in_parent(parent, page))
            in++;
    }
    for (i = 0; i < l->num_pages; i++)
        stored += !in_parent(parent, l->pages[i]);
    must(info->content == l->content.len);
    must(info->pages == f->num_pages);
    must(info->skeleton == l->content.len - f->num_pages * IMAGE_PAGE);
    must(info->zero == zero);
    must(info->parent == in);
    must(info->stored == stored);
    must(info->repeated == f->num_pages - zero - in - stored);
    must(info->stream == f->start);
    must(info->flags == (f->whole ? IMAGE_WHOLE : 0));
    tally->count[STORED] += xls_image_file_size(image);
}

static void check_reading(struct chain *c, struct xls_image *image,
                          const struct link *l)
{
    const struct xls_image_read_how how = {
        .threads = rng_from_to(&c->rng, 1, 3),
    };

    must_hold(image, l->content.data, l->content.len, &how, &c->rng);
}

static void check_stored(struct chain *c, const struct link *l,
                         const struct link *parent)
{
    struct xls_image *image = must_open(l->path);
    const char *name = xls_image_parent_name(image);

    must(xls_image_is(l->path));
    must(!parent == !name);
    must(!parent || !strcmp(name, strrchr(parent->path, '/') + 1));
    check_info(image, l, parent);
    check_size(image);
    check_reading(c, image, l);
    xls_image_close(image);
}

/* The link before, or sometimes one before that. */
static const struct link *some_parent(struct chain *c)
{
    int i = c->num - 2;

    while (i > 0 && (!c->links[i].stored || rng_one_in(&c->rng, 4)))
        i--;
    return i >= 0 && c->links[i].stored ? &c->links[i] : NULL;
}

static int write_link(struct chain *c, struct link *l,
                      const struct link *parent)
{
    static const int levels[] = { 0, 1, 1, 3 };
    struct xls_image_write_how how = {
        .level = levels[rng_below(&c->rng, 4)],
        .threads = rng_from_to(&c->rng, 1, 3),
        .hurry = rng_one_in(&c->rng, 3),
        .parent = parent ? must_open(parent->path) : NULL,
    };
    int rc = store(l->path, l->content.data, l->content.len, &how, &c->rng);

    xls_image_close(how.parent);
    return rc;
}

static void add_link(struct chain *c, uint64_t number)
{
    struct link *l = &c->links[c->num++];
    const struct link *parent = some_parent(c);
    uint64_t stream = number * MAX_LENGTH + c->num;
    bool strange = rng_one_in(&c->rng, 5);
    int rc;

    if (strange) {
        generate_strange(c->guest, seed + stream, &l->content);
    } else {
        struct found again;

        generate(c->guest, seed + stream, &l->content);
        find_pages(l->content.data, l->content.len, &again);
        must(again.num_pages == l->content.found.num_pages && again.whole);
        must(again.start == l->content.found.start && !again.amid_pages);
        found_free(&again);
    }
    sort_pages(l);
    l->path = xls_asprintf("%s-%d", scratch("image"), c->num);
    threads_left = rng_one_in(&c->rng, 8) ? rng_below(&c->rng, 2) : UINT32_MAX;
    rc = write_link(c, l, parent);
    l->stored = !rc;
    if (l->stored != !l->content.found.amid_pages)
        wrong("%zu bytes that end %s a page: %d", l->content.len,
              l->stored ? "within" : "not within", rc);
    if (l->stored)
        check_stored(c, l, parent);
    else
        must(rc == ERROR_SNAPSHOT_IMAGE_CORRUPT &&
             logged("ends within a page"));
    tally->count[STREAMS]++;
    tally->count[INCREMENTS] += l->stored && parent;
    tally->count[STRANGE] += strange;
    tally->count[REFUSED] += !l->stored;
    tally->count[BYTES] += l->content.len;
}

/* All that came before is still what it was. */
static void end_chain(struct chain *c)
{
    int i;

    for (i = 0; i < c->num; i++) {
        struct link *l = &c->links[i];

        if (l->stored && i + 1 < c->num)
            must(!try_image(l->path, l->content.data, l->content.len));
    }
    for (i = 0; i < c->num; i++) {
        struct link *l = &c->links[i];

        unlink(l->path);
        free(l->path);
        free(l->pages);
        generated_free(&l->content);
    }
}

static void one_chain(uint64_t number)
{
    struct chain c = { .rng = rng_for(seed, number) };
    int length = rng_one_in(&c.rng, 7) ? rng_from_to(&c.rng, 2, MAX_LENGTH) : 1;

    c.guest = guest_new(rng_next(&c.rng));
    while (length--) {
        add_link(&c, number);
        guest_run(c.guest);
    }
    end_chain(&c);
    guest_free(c.guest);
}

static void contents_come_back_as_they_were(void **state)
{
    (void)state;
    seed = seed_given();
    run_cases(number_given("IMAGE_STREAMS", 10000), NULL, one_chain);
    printf("# %llu contents of %llu KiB, %llu of them based on others; %llu "
           "strange, of which %llu were refused; stored as %llu KiB\n",
           counted(STREAMS), counted(BYTES) / counted(STREAMS) >> 10,
           counted(INCREMENTS), counted(STRANGE), counted(REFUSED),
           counted(STORED) / counted(STREAMS) >> 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(contents_come_back_as_they_were,
                                        scratch_make, scratch_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
