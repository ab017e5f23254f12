/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/image.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"
#include "common/files.h"
#include "memimage/internal.h"

bool xls_image_is(const char *path)
{
    char magic[IMAGE_MAGIC_LEN];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is = fd >= 0 &&
              pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
              !memcmp(magic, IMAGE_MAGIC, sizeof(magic));

    if (fd >= 0)
        close(fd);
    return is;
}

void xls_image_close(struct xls_image *image)
{
    int i;

    if (!image)
        return;
    xls_image_close(image->parent);
    if (image->fd >= 0)
        close(image->fd);
    for (i = 0; i < IMAGE_TYPES; i++)
        free(image->by_type[i]);
    xls_cache_dispose(image);
    xls_image_codec_free(image->codec);
    free(image->packed);
    free(image->table);
    free(image->offsets);
    free(image->parent_name);
    free(image->path);
    free(image);
}

static int open_one(const struct xls_log *log, const char *path,
                    struct xls_image **opened)
{
    struct xls_image *image = xls_calloc(1, sizeof(*image));
    struct stat st;
    int rc;

    image->log = log;
    image->path = xls_strdup(path);
    rc = xls_file_open(log, path, &image->fd);
    if (!rc && fstat(image->fd, &st)) {
        XLS_ERRORE(log, "cannot open %s", path);
        rc = ERROR_SNAPSHOT_STORAGE;
    }
    if (!rc) {
        image->length = st.st_size;
        image->codec = xls_image_codec_new();
        image->packed = xls_calloc(1, IMAGE_BLOCK);
        rc = xls_image_read_index(image);
    }
    if (rc) {
        xls_image_close(image);
        return rc;
    }
    *opened = image;
    return 0;
}

static int open_parent(struct xls_image *image)
{
    const char *slash = strrchr(image->path, '/');
    char *path = xls_asprintf("%.*s%s",
                              slash ? (int)(slash + 1 - image->path) : 0,
                              image->path, image->parent_name);
    struct xls_image *parent;
    int rc;

    rc = open_one(image->log, path, &image->parent);
    if (rc)
        XLS_ERROR(image->log, "the memory image %s is based on %s, which "
                  "cannot be used", image->path, path);
    free(path);
    if (rc)
        return rc;
    parent = image->parent;
    if (memcmp(parent->info.checksum, image->info.parent_checksum,
               sizeof(parent->info.checksum)) ||
        memcmp(parent->header.secret, image->header.secret,
               sizeof(parent->header.secret)))
        return xls_image_damaged(image, "%s is not the image that it is based "
                                 "on", parent->path);
    return 0;
}

/*
 * The depth is what it was when the image was written; an image below may have
 * lost its parent since. It bounds how many there can be.
 */
int xls_image_open(const struct xls_log *log, const char *path,
                   struct xls_image **opened)
{
    struct xls_image *image = NULL, *last, *i;
    unsigned num = 1;
    int rc;

    rc = open_one(log, path, &image);
    for (last = image; !rc && last->parent_name; last = last->parent) {
        rc = ++num > IMAGE_MAX_CHAIN
                 ? xls_image_damaged(image, "more than %u images are below it",
                                     IMAGE_MAX_CHAIN)
                 : open_parent(last);
    }
    if (rc) {
        xls_image_close(image);
        return rc;
    }
    for (i = image; i; i = i->parent)
        i->depth = --num;
    xls_cache_init(image);
    *opened = image;
    return 0;
}

const struct image_info *xls_image_info(const struct xls_image *image)
{
    return &image->info;
}

const struct image_header *xls_image_header(const struct xls_image *image)
{
    return &image->header;
}

const char *xls_image_parent_name(const struct xls_image *image)
{
    return image->parent_name;
}

struct xls_image *xls_image_parent(const struct xls_image *image)
{
    return image->parent;
}

uint64_t xls_image_file_size(const struct xls_image *image)
{
    return image->length;
}

const char *xls_image_path(const struct xls_image *image)
{
    return image->path;
}

const char *xls_image_name(const struct xls_image *image)
{
    const char *slash = strrchr(image->path, '/');

    return slash ? slash + 1 : image->path;
}

unsigned xls_image_depth(const struct xls_image *image)
{
    return image->depth;
}

static int map_entry(struct xls_image *image, uint64_t page, uint32_t *entry)
{
    const uint8_t *map;
    int rc;

    if (page >= image->info.pages)
        return xls_image_damaged(image, "it has no page %llu, which is "
                                 "referred to", (unsigned long long)page);
    rc = xls_cache_get(image, IMAGE_MAP, page / IMAGE_MAP_ENTRIES, &map);
    if (rc)
        return rc;
    memcpy(entry, map + page % IMAGE_MAP_ENTRIES * sizeof(*entry),
           sizeof(*entry));
    *entry = le32toh(*entry);
    return 0;
}

int xls_image_find_page(struct xls_image *image, uint64_t page,
                        struct image_place *place)
{
    uint32_t entry = 0;
    int rc;

    place->image = NULL;
    place->number = 0;
    for (;;) {
        rc = map_entry(image, page, &entry);
        if (rc || !entry)
            return rc;
        page = IMAGE_NUMBER(entry);
        switch (IMAGE_KIND(entry)) {
        case IMAGE_PAGE_STORED:
            if (page >= image->info.stored)
                break;
            place->image = image;
            place->number = page;
            return 0;
        case IMAGE_PAGE_PARENT:
            if (!image->parent)
                break;
            image = image->parent;
            continue;
        default:
            break;
        }
        return xls_image_damaged(image, "its map has no sense");
    }
}

int xls_image_learn(struct xls_image *image, struct xls_image_table *table)
{
    uint64_t page;
    int rc;

    for (page = 0; page < image->info.pages; page++) {
        struct image_place place;
        struct image_hash hash;
        const uint8_t *hashes;

        rc = xls_image_find_page(image, page, &place);
        if (rc)
            return rc;
        if (!place.image)
            continue;
        rc = xls_cache_get(place.image, IMAGE_HASHES,
                           place.number / IMAGE_BLOCK_HASHES, &hashes);
        if (rc)
            return rc;
        memcpy(&hash, hashes + place.number % IMAGE_BLOCK_HASHES * IMAGE_HASH,
               sizeof(hash));
        hash.a = le64toh(hash.a);
        hash.b = le64toh(hash.b);
        xls_image_table_put(table, hash, IMAGE_ENTRY(IMAGE_PAGE_PARENT, page));
    }
    xls_cache_drop(image);
    return 0;
}
