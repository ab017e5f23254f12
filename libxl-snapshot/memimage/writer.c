/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <libxl_snapshot.h>
#include <xxhash.h>

#include "common/alloc.h"
#include "common/files.h"
#include "memimage/codec.h"
#include "memimage/content.h"
#include "memimage/index.h"
#include "memimage/internal.h"
#include "memimage/packer.h"
#include "savefile/stream.h"

/* A block that is being filled. */
struct filling {
    uint8_t *data;
    size_t len;
};

struct xls_image_writer {
    const struct xls_log *log;
    int fd;
    char *path;
    struct xls_image *parent;
    struct image_header header;
    struct image_info info;
    struct xls_packer *packer;
    struct xls_image_table *table;
    struct xls_stream stream;
    struct xls_image_content *content;
    struct filling filling[IMAGE_TYPES];
    uint64_t pages_due;         /* of the record that is being taken */
    uint8_t page[IMAGE_PAGE];   /* a page that came in pieces */
    size_t page_have;
    _Atomic uint64_t taken;
    int rc;                     /* once it failed, it stays so */
};

static int fill_random(const struct xls_log *log, void *data, size_t len)
{
    uint8_t *p = data;

    while (len) {
        ssize_t n = getrandom(p, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            XLS_ERRORE(log, "the system gives no random numbers");
            return ERROR_FAIL;
        }
        p += n;
        len -= n;
    }
    return 0;
}

/* Images that refer to each other, or are to be compared, share the secret. */
static int make_header(struct xls_image_writer *w,
                       const struct xls_image_write_how *how)
{
    const struct xls_image *like = how->parent ? how->parent : how->same;
    struct image_header *h = &w->header;
    int rc;

    memcpy(h->magic, IMAGE_MAGIC, IMAGE_MAGIC_LEN);
    h->version = htole16(IMAGE_VERSION);
    h->length = htole16(sizeof(*h));
    rc = fill_random(w->log, h->id, sizeof(h->id));
    if (!rc && !like)
        rc = fill_random(w->log, h->secret, sizeof(h->secret));
    if (rc)
        return rc;
    if (like)
        memcpy(h->secret, xls_image_header(like)->secret, sizeof(h->secret));
    xls_image_seal_header(h);
    return xls_fd_write_at(w->log, w->fd, w->path, h, sizeof(*h), 0);
}

static int base_on(struct xls_image_writer *w, struct xls_image *parent)
{
    const struct image_info *info = xls_image_info(parent);

    if (xls_image_depth(parent) + 1 >= IMAGE_MAX_CHAIN) {
        XLS_ERROR(w->log, "%s is based on %u images already, which is as many "
                  "as there can be", xls_image_path(parent),
                  xls_image_depth(parent));
        return ERROR_INVAL;
    }
    w->parent = parent;
    w->info.depth = xls_image_depth(parent) + 1;
    memcpy(w->info.parent_checksum, info->checksum, sizeof(info->checksum));
    return xls_image_learn(parent, w->table);
}

int xls_image_writer_new(const struct xls_log *log, int fd, const char *path,
                         const struct xls_image_write_how *how,
                         struct xls_image_writer **writer)
{
    struct xls_image_writer *w = xls_calloc(1, sizeof(*w));
    int type, rc;

    w->log = log;
    w->fd = fd;
    w->path = xls_strdup(path);
    w->table = xls_image_table_new();
    xls_stream_init(&w->stream);
    for (type = IMAGE_DATA; type < IMAGE_TYPES; type++)
        w->filling[type].data = xls_calloc(1, IMAGE_BLOCK);
    rc = make_header(w, how);
    if (!rc && how->parent)
        rc = base_on(w, how->parent);
    if (rc) {
        xls_image_writer_free(w);
        return rc;
    }
    w->content = xls_image_content_new(&w->header);
    w->packer = xls_packer_new(log, fd, w->path, w->header.id,
                               sizeof(w->header), how->level, how->threads,
                               how->hurry);
    *writer = w;
    return 0;
}

void xls_image_writer_free(struct xls_image_writer *w)
{
    int type;

    if (!w)
        return;
    xls_packer_free(w->packer);
    xls_image_content_free(w->content);
    xls_image_table_free(w->table);
    for (type = 0; type < IMAGE_TYPES; type++)
        free(w->filling[type].data);
    free(w->path);
    free(w);
}

static int flush(struct xls_image_writer *w, enum image_block_type type)
{
    struct filling *f = &w->filling[type];
    size_t len = f->len;

    f->len = 0;
    return len ? xls_packer_add(w->packer, type, &f->data, len) : 0;
}

static int append(struct xls_image_writer *w, enum image_block_type type,
                  const void *data, size_t len)
{
    struct filling *f = &w->filling[type];
    const uint8_t *p = data;

    while (len) {
        size_t n = IMAGE_BLOCK - f->len;
        int rc;

        if (n > len)
            n = len;
        memcpy(f->data + f->len, p, n);
        f->len += n;
        p += n;
        len -= n;
        rc = f->len == IMAGE_BLOCK ? flush(w, type) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

static int store_page(struct xls_image_writer *w, const uint8_t *page,
                      struct image_hash hash)
{
    int rc = append(w, IMAGE_DATA, page, IMAGE_PAGE);

    hash.a = htole64(hash.a);
    hash.b = htole64(hash.b);
    w->info.stored++;
    return rc ? rc : append(w, IMAGE_HASHES, &hash, sizeof(hash));
}

static int take_page(struct xls_image_writer *w, const uint8_t *page)
{
    struct image_hash hash;
    uint32_t entry = 0, known;
    int rc = 0;

    if (w->info.pages == IMAGE_MAX_PAGES) {
        XLS_ERROR(w->log, "%s: an image holds at most %u pages; use the raw "
                  "format", w->path, IMAGE_MAX_PAGES);
        return ERROR_SNAPSHOT_IMAGE_CORRUPT;
    }
    w->info.pages++;
    if (xls_image_page_zero(page)) {
        w->info.zero++;
        xls_image_content_page(w->content, NULL);
    } else {
        hash = xls_image_page_hash(&w->header, page);
        xls_image_content_page(w->content, &hash);
        entry = IMAGE_ENTRY(IMAGE_PAGE_STORED, (uint32_t)w->info.stored);
        known = xls_image_table_put(w->table, hash, entry);
        if (!known)
            rc = store_page(w, page, hash);
        else if (IMAGE_KIND(known) == IMAGE_PAGE_PARENT)
            w->info.parent++;
        else
            w->info.repeated++;
        if (known)
            entry = known;
    }
    entry = htole32(entry);
    return rc ? rc : append(w, IMAGE_MAP, &entry, sizeof(entry));
}

/* Takes of the pages due what has come; a page in pieces is put together. */
static int take_pages(struct xls_image_writer *w, const uint8_t *data,
                      size_t len, size_t *took)
{
    size_t pos = 0, n;
    int rc = 0;

    while (!rc && w->pages_due && pos < len) {
        if (!w->page_have && len - pos >= IMAGE_PAGE) {
            rc = take_page(w, data + pos);
            pos += IMAGE_PAGE;
            w->pages_due--;
            continue;
        }
        n = IMAGE_PAGE - w->page_have;
        if (n > len - pos)
            n = len - pos;
        memcpy(w->page + w->page_have, data + pos, n);
        w->page_have += n;
        pos += n;
        if (w->page_have == IMAGE_PAGE) {
            rc = take_page(w, w->page);
            w->page_have = 0;
            w->pages_due--;
        }
    }
    *took = pos;
    return rc;
}

static int take_skeleton(struct xls_image_writer *w, const uint8_t *data,
                         size_t len)
{
    if (w->info.skeleton + len > IMAGE_MAX_SKELETON) {
        XLS_ERROR(w->log, "%s: an image holds at most %llu bytes beside pages; "
                  "use the raw format", w->path, IMAGE_MAX_SKELETON);
        return ERROR_SNAPSHOT_IMAGE_CORRUPT;
    }
    xls_image_content_skeleton(w->content, data, len);
    w->info.skeleton += len;
    return append(w, IMAGE_SKELETON, data, len);
}

int xls_image_write(struct xls_image_writer *w, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t n;

    while (!w->rc && len) {
        if (w->pages_due) {
            w->rc = take_pages(w, p, len, &n);
        } else {
            uint32_t pages;

            n = xls_stream_pass(&w->stream, p, len, &pages);
            w->pages_due = pages;
            w->rc = take_skeleton(w, p, n);
        }
        w->taken += n;
        p += n;
        len -= n;
    }
    return w->rc;
}

uint64_t xls_image_write_taken(struct xls_image_writer *w)
{
    return w->taken;
}

static int finish(struct xls_image_writer *w)
{
    const struct image_entry *table;
    uint64_t end;
    uint32_t blocks;
    size_t len;
    void *index;
    int type, rc;

    for (type = IMAGE_DATA; type < IMAGE_TYPES; type++) {
        rc = flush(w, type);
        if (rc)
            return rc;
    }
    rc = xls_packer_finish(w->packer);
    if (rc)
        return rc;
    w->info.content = w->taken;
    w->info.stream = w->stream.start;
    w->info.flags = xls_stream_whole(&w->stream) ? IMAGE_WHOLE : 0;
    xls_image_content_checksum(w->content, w->info.checksum);
    table = xls_packer_table(w->packer, &blocks, &end);
    index = xls_image_make_index(&w->header, table, blocks, &w->info,
                                 w->parent ? xls_image_name(w->parent) : NULL,
                                 end, &len);
    rc = xls_fd_write_at(w->log, w->fd, w->path, index, len, end);
    free(index);
    return rc;
}

/* A content that ends within the pages of a record. */
static bool amid_pages(const struct xls_image_writer *w)
{
    return w->pages_due || w->page_have;
}

int xls_image_write_end(struct xls_image_writer *w)
{
    if (!w->rc && amid_pages(w)) {
        XLS_ERROR(w->log, "what was to be stored in %s ends within a page",
                  w->path);
        w->rc = ERROR_SNAPSHOT_IMAGE_CORRUPT;
    }
    if (!w->rc)
        w->rc = finish(w);
    return w->rc;
}

int xls_image_write_from(struct xls_image_writer *w, int fd, const char *name)
{
    const size_t space = 1 << 20;
    uint8_t *data = xls_realloc(NULL, space, 1);
    ssize_t n;
    int rc = 0;

    while (!rc && (n = read(fd, data, space))) {
        if (n > 0) {
            rc = xls_image_write(w, data, n);
        } else if (errno != EINTR) {
            XLS_ERRORE(w->log, "cannot read %s", name);
            rc = ERROR_SNAPSHOT_STORAGE;
        }
    }
    free(data);
    return rc;
}
