/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/image.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"
#include "memimage/internal.h"
#include "memimage/threads.h"

/* A block of an image of the chain. */
struct part {
    struct xls_image *image;
    uint32_t block;
};

struct verify {
    struct part *parts;
    size_t num, space;
    uint64_t total;             /* bytes, as they are stored */

    atomic_size_t next;
    _Atomic uint64_t done;
    atomic_int rc;              /* of the first block that is damaged */
    atomic_bool stop;
};

static void add(struct verify *v, struct xls_image *image, uint32_t block)
{
    if (v->num == v->space) {
        v->space = v->space ? 2 * v->space : 256;
        v->parts = xls_realloc(v->parts, v->space, sizeof(*v->parts));
    }
    v->parts[v->num++] = (struct part){ image, block };
    v->total += le32toh(image->table[block].stored);
}

static void add_type(struct verify *v, struct xls_image *image,
                     enum image_block_type type)
{
    uint32_t i;

    for (i = 0; i < image->num[type]; i++)
        add(v, image, image->by_type[type][i]);
}

static void check_part(struct verify *v, const struct part *part,
                       uint8_t *packed)
{
    int none = 0, rc = xls_image_load(part->image, part->block, packed);

    if (rc)
        atomic_compare_exchange_strong(&v->rc, &none, rc);
    v->done += le32toh(part->image->table[part->block].stored);
}

static void *work(void *arg)
{
    uint8_t *packed = xls_calloc(1, IMAGE_BLOCK);
    struct verify *v = arg;
    size_t i;

    while (!v->stop && (i = v->next++) < v->num)
        check_part(v, &v->parts[i], packed);
    free(packed);
    return NULL;
}

/* On as many threads, this one too. Goes on after a damaged block, so that
 * each is named. */
static int check_parts(struct verify *v, const struct xls_image_read_how *how)
{
    uint8_t *packed = xls_calloc(1, IMAGE_BLOCK);
    struct xls_threads threads;
    bool cancelled = false;
    size_t i;

    xls_threads_start(&threads, xls_threads_num(how->threads) - 1, work, v);
    while (!v->stop && (i = v->next++) < v->num) {
        check_part(v, &v->parts[i], packed);
        if (how->progress && how->progress(how->user, v->done, v->total)) {
            cancelled = true;
            v->stop = true;
        }
    }
    xls_threads_join(&threads);
    /* The others may have done all of it. */
    if (!cancelled && !v->rc && how->progress)
        cancelled = how->progress(how->user, v->done, v->total);
    free(packed);
    free(v->parts);
    return v->rc ? v->rc : cancelled ? ERROR_ABORTED : 0;
}

/* Blocks of one type, of all images: which are to be checked. */
struct marks {
    enum image_block_type type;
    uint32_t pages;             /* in a block, or hashes of them */
    uint8_t **marked;           /* by the image's depth */
};

static void marks_init(struct marks *m, const struct xls_image *image,
                       enum image_block_type type, uint32_t pages)
{
    m->type = type;
    m->pages = pages;
    m->marked = xls_calloc(image->depth + 1, sizeof(*m->marked));
    for (; image; image = image->parent)
        m->marked[image->depth] = xls_calloc(image->num[type] + 1, 1);
}

static void marks_free(struct marks *m, const struct xls_image *image)
{
    for (; image; image = image->parent)
        free(m->marked[image->depth]);
    free(m->marked);
}

/* Each once, since it is marked when it is added. */
static void add_marked(struct verify *v, struct marks *m,
                       const struct image_place *place)
{
    uint32_t n = place->number / m->pages;

    if (m->marked[place->image->depth][n])
        return;
    m->marked[place->image->depth][n] = 1;
    add(v, place->image, place->image->by_type[m->type][n]);
}

/* The data blocks that the pages are in, of whichever image, and those of
 * their hashes, which a child will need. */
static int add_pages(struct verify *v, struct xls_image *image, bool hashes)
{
    struct marks data, hash;
    uint64_t page;
    int rc = 0;

    marks_init(&data, image, IMAGE_DATA, IMAGE_BLOCK_PAGES);
    marks_init(&hash, image, IMAGE_HASHES, IMAGE_BLOCK_HASHES);
    for (page = 0; !rc && page < image->info.pages; page++) {
        struct image_place place;

        rc = xls_image_find_page(image, page, &place);
        if (rc || !place.image)
            continue;
        add_marked(v, &data, &place);
        if (hashes)
            add_marked(v, &hash, &place);
    }
    marks_free(&data, image);
    marks_free(&hash, image);
    return rc;
}

int xls_image_verify(struct xls_image *image,
                     const struct xls_image_read_how *how)
{
    struct verify v = { .parts = NULL };
    int rc;

    /* The maps are checked while the pages are looked for. */
    add_type(&v, image, IMAGE_SKELETON);
    rc = add_pages(&v, image, how->everything);
    if (rc) {
        free(v.parts);
        return rc;
    }
    return check_parts(&v, how);
}
