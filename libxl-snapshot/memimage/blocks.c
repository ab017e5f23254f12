/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/blocks.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "memimage/internal.h"
#include "memimage/threads.h"

/* How many are kept: 8 MiB, and more where more threads unpack. */
#define KEPT            32
#define KEPT_PER_THREAD 4

enum state { NOTHING, QUEUED, READY, FAILED };

struct xls_block {
    enum state state;
    const struct xls_image *image;
    uint32_t number;
    unsigned held;              /* the caller's own business, as are used, … */
    uint64_t used;              /* … when it was last asked for */
    uint8_t *data;              /* NULL: not used so far */
    int rc;
    struct xls_block *next;     /* in the queue */
};

struct xls_blocks {
    pthread_mutex_t lock;       /* of the states and the queue */
    pthread_cond_t work, done;
    struct xls_threads threads;
    bool stop;
    struct xls_block *first, **last;    /* the queue */

    struct xls_block *blocks, *latest;
    unsigned num;
    uint64_t now;
};

/* With the lock, which it lets go of meanwhile. */
static void unpack_first(struct xls_blocks *b, struct xls_image_codec *codec,
                         uint8_t *packed)
{
    struct xls_block *block = b->first;
    int rc;

    b->first = block->next;
    if (!b->first)
        b->last = &b->first;
    pthread_mutex_unlock(&b->lock);
    rc = xls_image_load_unpacked(block->image, codec, block->number, packed,
                                 block->data);
    pthread_mutex_lock(&b->lock);
    block->rc = rc;
    block->state = rc ? FAILED : READY;
    pthread_cond_signal(&b->done);
}

static void *work(void *arg)
{
    struct xls_image_codec *codec = xls_image_codec_new();
    uint8_t *packed = xls_calloc(1, IMAGE_BLOCK);
    struct xls_blocks *b = arg;

    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        if (b->first)
            unpack_first(b, codec, packed);
        else
            pthread_cond_wait(&b->work, &b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    xls_image_codec_free(codec);
    free(packed);
    return NULL;
}

struct xls_blocks *xls_blocks_new(unsigned threads)
{
    struct xls_blocks *b = xls_calloc(1, sizeof(*b));

    threads = xls_threads_num(threads);
    b->last = &b->first;
    b->num = KEPT + KEPT_PER_THREAD * threads;
    b->blocks = xls_calloc(b->num, sizeof(*b->blocks));
    b->latest = b->blocks;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->work, NULL);
    pthread_cond_init(&b->done, NULL);
    xls_threads_start(&b->threads, threads, work, b);
    return b;
}

void xls_blocks_free(struct xls_blocks *b)
{
    unsigned i;

    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_broadcast(&b->work);
    pthread_mutex_unlock(&b->lock);
    xls_threads_join(&b->threads);
    for (i = 0; i < b->num; i++)
        free(b->blocks[i].data);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->work);
    pthread_cond_destroy(&b->done);
    free(b->blocks);
    free(b);
}

static bool is(const struct xls_block *block, const struct xls_image *image,
               uint32_t number)
{
    return block->image == image && block->number == number;
}

/* The block, or the one that was not used for longest, or NULL. */
static struct xls_block *find(struct xls_blocks *b,
                              const struct xls_image *image, uint32_t number)
{
    struct xls_block *oldest = NULL;
    unsigned i;

    for (i = 0; i < b->num; i++) {
        struct xls_block *block = &b->blocks[i];

        if (is(block, image, number))
            return block;
        if (!block->held && (!oldest || block->used < oldest->used) &&
            xls_block_ready(b, block))
            oldest = block;
    }
    return oldest;
}

struct xls_block *xls_block_get(struct xls_blocks *b,
                                const struct xls_image *image, uint32_t number)
{
    struct xls_block *block = b->latest;

    if (!is(block, image, number))
        block = find(b, image, number);
    if (!block)
        return NULL;
    b->latest = block;
    block->used = ++b->now;
    block->held++;
    if (is(block, image, number))
        return block;
    if (!block->data)
        block->data = xls_calloc(1, IMAGE_BLOCK);
    block->image = image;
    block->number = number;
    block->next = NULL;
    pthread_mutex_lock(&b->lock);
    block->state = QUEUED;
    *b->last = block;
    b->last = &block->next;
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
    return block;
}

void xls_block_hold(struct xls_blocks *b, struct xls_block *block)
{
    (void)b;
    block->held++;
}

void xls_block_release(struct xls_blocks *b, struct xls_block *block)
{
    (void)b;
    block->held--;
}

const uint8_t *xls_block_data(const struct xls_block *block)
{
    return block->data;
}

/* No thread is or will be at it. */
bool xls_block_ready(struct xls_blocks *b, const struct xls_block *block)
{
    bool ready;

    pthread_mutex_lock(&b->lock);
    ready = block->state != QUEUED;
    pthread_mutex_unlock(&b->lock);
    return ready;
}

int xls_block_wait(struct xls_blocks *b, struct xls_block *block,
                   const uint8_t **data)
{
    struct xls_image_codec *codec = NULL;
    uint8_t *packed = NULL;

    pthread_mutex_lock(&b->lock);
    while (block->state == QUEUED) {
        if (b->threads.num) {
            pthread_cond_wait(&b->done, &b->lock);
            continue;
        }
        /* No thread could be made: this is the thread. */
        if (!packed) {
            packed = xls_calloc(1, IMAGE_BLOCK);
            codec = xls_image_codec_new();
        }
        unpack_first(b, codec, packed);
    }
    pthread_mutex_unlock(&b->lock);
    xls_image_codec_free(codec);
    free(packed);
    *data = block->data;
    return block->rc;
}
