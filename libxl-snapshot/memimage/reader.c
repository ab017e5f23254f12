/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Gives the content of an image back: the caller's thread plans it, ahead of
 * what it writes, as pieces of unpacked blocks, while others unpack these.
 */
#include "memimage/image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"
#include "common/files.h"
#include "memimage/blocks.h"
#include "memimage/content.h"
#include "memimage/internal.h"
#include "savefile/stream.h"

/* What is planned ahead at most, and what is written at once. */
#define MAX_PIECES  1024
#define MAX_IOV     64
#define ZEROS       (64 * IMAGE_PAGE)

struct piece {
    struct xls_block *block;    /* held; NULL: zeros */
    const uint8_t *data;
    size_t len;
    bool pages;
};

struct reader {
    struct xls_image *image;
    xls_image_sink *sink;               /* NULL: it goes nowhere */
    void *sink_user;
    const struct xls_image_read_how *how;
    struct xls_blocks *blocks;
    struct xls_stream stream;
    struct xls_image_content *content;  /* NULL: not to be checked */

    uint8_t *zeros;
    struct piece pieces[MAX_PIECES];    /* from first to last, as a ring */
    unsigned first, last;

    struct xls_block *skeleton;         /* held, the one that is passed */
    const uint8_t *passed;              /* what is left of it */
    size_t rest;
    uint32_t next_skeleton;
    uint64_t page, pages_due;
    uint64_t skip;              /* bytes not to be written */
    uint64_t done;
};

struct to_fd {
    const struct xls_log *log;
    int fd;
    const char *name;
};

static int write_to_fd(void *user, struct iovec *iov, int num)
{
    const struct to_fd *to = user;

    return xls_fd_writev(to->log, to->fd, to->name, iov, num);
}

static bool full(const struct reader *r)
{
    return r->last - r->first == MAX_PIECES;
}

static struct piece *piece_at(struct reader *r, unsigned number)
{
    return &r->pieces[number % MAX_PIECES];
}

/* Makes the last piece longer where that does. */
static bool extend(struct reader *r, struct xls_block *block,
                   const uint8_t *data, size_t len, bool pages)
{
    struct piece *p;

    if (r->first == r->last)
        return false;
    p = piece_at(r, r->last - 1);
    if (p->block != block || p->pages != pages)
        return false;
    if (block ? p->data + p->len != data : p->len + len > ZEROS)
        return false;
    p->len += len;
    return true;
}

/* There is room for one. */
static void add(struct reader *r, struct xls_block *block, const uint8_t *data,
                size_t len, bool pages)
{
    if (!len || extend(r, block, data, len, pages))
        return;
    if (block)
        xls_block_hold(r->blocks, block);
    *piece_at(r, r->last++) = (struct piece){ block, data, len, pages };
}

static void drop_first(struct reader *r)
{
    struct piece *p = piece_at(r, r->first++);

    if (p->block)
        xls_block_release(r->blocks, p->block);
}

/* The skeleton's next block. What is read ahead of it is let go of, but most
 * likely still there then. */
static int next_skeleton(struct reader *r)
{
    const struct xls_image *image = r->image;
    struct xls_block *ahead;
    uint32_t n = r->next_skeleton;
    int rc;

    if (r->skeleton)
        xls_block_release(r->blocks, r->skeleton);
    r->skeleton = xls_block_get(r->blocks, image,
                                image->by_type[IMAGE_SKELETON][n]);
    if (!r->skeleton)
        return 0;
    r->next_skeleton++;
    ahead = n + 1 < image->num[IMAGE_SKELETON]
                ? xls_block_get(r->blocks, image,
                                image->by_type[IMAGE_SKELETON][n + 1])
                : NULL;
    if (ahead)
        xls_block_release(r->blocks, ahead);
    rc = xls_block_wait(r->blocks, r->skeleton, &r->passed);
    r->rest = le32toh(image->table[image->by_type[IMAGE_SKELETON][n]].raw);
    return rc;
}

/* *more: whether there was room for it. */
static int plan_page(struct reader *r, bool *more)
{
    struct image_place place;
    struct xls_block *block;
    int rc;

    rc = xls_image_find_page(r->image, r->page, &place);
    if (rc)
        return rc;
    if (!place.image) {
        add(r, NULL, r->zeros, IMAGE_PAGE, true);
    } else {
        uint32_t n = place.number / IMAGE_BLOCK_PAGES;

        block = xls_block_get(r->blocks, place.image,
                              place.image->by_type[IMAGE_DATA][n]);
        if (!block) {
            *more = false;
            return 0;
        }
        add(r, block, xls_block_data(block) +
                          place.number % IMAGE_BLOCK_PAGES * IMAGE_PAGE,
            IMAGE_PAGE, true);
        xls_block_release(r->blocks, block);
    }
    r->page++;
    r->pages_due--;
    return 0;
}

static bool planned_all(const struct reader *r)
{
    return !r->pages_due && !r->rest &&
           r->next_skeleton == r->image->num[IMAGE_SKELETON];
}

/* A piece or a part of one; *more: whether there was room for it. */
static int plan_one(struct reader *r, bool *more)
{
    uint32_t pages;
    size_t n;
    int rc;

    if (r->pages_due)
        return plan_page(r, more);
    if (!r->rest) {
        rc = next_skeleton(r);
        if (rc || !r->skeleton) {
            *more = false;
            return rc;
        }
    }
    n = xls_stream_pass(&r->stream, r->passed, r->rest, &pages);
    add(r, r->skeleton, r->passed, n, false);
    r->passed += n;
    r->rest -= n;
    r->pages_due = pages;
    return 0;
}

static int plan(struct reader *r)
{
    bool more = true;
    int rc = 0;

    while (!rc && more && !full(r) && !planned_all(r))
        rc = plan_one(r, &more);
    return rc;
}

static void see(struct reader *r, const struct piece *p)
{
    size_t i;

    if (!r->content)
        return;
    if (!p->pages) {
        xls_image_content_skeleton(r->content, p->data, p->len);
        return;
    }
    for (i = 0; i < p->len; i += IMAGE_PAGE) {
        struct image_hash hash;

        if (p->block)
            hash = xls_image_page_hash(&r->image->header, p->data + i);
        xls_image_content_page(r->content, p->block ? &hash : NULL);
    }
}

/* What is not to be written is skipped; the rest goes out. */
static int put(struct reader *r, struct iovec *iov, int num)
{
    int i;

    for (i = 0; i < num; i++) {
        size_t n = r->skip < iov[i].iov_len ? r->skip : iov[i].iov_len;

        r->done += iov[i].iov_len;
        r->skip -= n;
        iov[i].iov_base = (uint8_t *)iov[i].iov_base + n;
        iov[i].iov_len -= n;
    }
    return r->sink ? r->sink(r->sink_user, iov, num) : 0;
}

/* The first pieces: one at least, and those after it that are ready. */
static int gather(struct reader *r, struct iovec *iov, int *num)
{
    const uint8_t *data;

    for (*num = 0; *num < MAX_IOV && r->first + *num != r->last; ++*num) {
        struct piece *p = piece_at(r, r->first + *num);
        int rc;

        if (*num && p->block && !xls_block_ready(r->blocks, p->block))
            break;
        rc = p->block ? xls_block_wait(r->blocks, p->block, &data) : 0;
        if (rc)
            return rc;
        see(r, p);
        iov[*num].iov_base = (void *)p->data;
        iov[*num].iov_len = p->len;
    }
    return 0;
}

static int put_some(struct reader *r)
{
    struct iovec iov[MAX_IOV];
    int num, rc, i;

    rc = gather(r, iov, &num);
    if (rc)
        return rc;
    rc = put(r, iov, num);
    for (i = 0; i < num; i++)
        drop_first(r);
    if (!rc && r->how->progress &&
        r->how->progress(r->how->user, r->done, r->image->info.content))
        rc = ERROR_ABORTED;
    return rc;
}

static int check_end(struct reader *r)
{
    uint8_t checksum[16];

    if (r->page != r->image->info.pages)
        return xls_image_damaged(r->image, "its pages are not as many as its "
                                 "stream says");
    if (!r->content)
        return 0;
    xls_image_content_checksum(r->content, checksum);
    if (memcmp(checksum, r->image->info.checksum, sizeof(checksum)))
        return xls_image_damaged(r->image, "it gives back another content "
                                 "than was stored in it");
    return 0;
}

static int run(struct reader *r)
{
    int rc;

    xls_stream_init(&r->stream);
    r->blocks = xls_blocks_new(r->how->threads);
    r->zeros = xls_calloc(1, ZEROS);
    do {
        rc = plan(r);
        if (!rc && r->first != r->last)
            rc = put_some(r);
    } while (!rc && (r->first != r->last || !planned_all(r)));
    if (!rc)
        rc = check_end(r);
    xls_blocks_free(r->blocks);
    free(r->zeros);
    return rc;
}

static int start(struct xls_image *image, uint64_t from, xls_image_sink *sink,
                 void *user, const struct xls_image_read_how *how, bool check)
{
    struct reader *r = xls_calloc(1, sizeof(*r));
    int rc;

    r->image = image;
    r->sink = sink;
    r->sink_user = user;
    r->how = how;
    r->skip = from;
    if (check)
        r->content = xls_image_content_new(&image->header);
    rc = run(r);
    xls_image_content_free(r->content);
    free(r);
    return rc;
}

static int to_fd(struct xls_image *image, uint64_t from, int fd,
                 const char *name, const struct xls_image_read_how *how,
                 bool check)
{
    struct to_fd to = { image->log, fd, name };

    return start(image, from, fd < 0 ? NULL : write_to_fd, &to, how, check);
}

int xls_image_read(struct xls_image *image, uint64_t from, int fd,
                   const char *name, const struct xls_image_read_how *how)
{
    return to_fd(image, from, fd, name, how, false);
}

int xls_image_read_checked(struct xls_image *image, int fd, const char *name,
                           const struct xls_image_read_how *how)
{
    return to_fd(image, 0, fd, name, how, true);
}

int xls_image_pour(struct xls_image *image, xls_image_sink *sink, void *user,
                   const struct xls_image_read_how *how)
{
    return start(image, 0, sink, user, how, true);
}
