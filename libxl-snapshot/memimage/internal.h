/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MEMIMAGE_INTERNAL_H
#define XLS_MEMIMAGE_INTERNAL_H

#include "memimage/codec.h"
#include "memimage/image.h"
#include "memimage/cache.h"

struct xls_image {
    const struct xls_log *log;
    int fd;
    char *path, *parent_name;
    uint64_t length;            /* of the file */
    struct image_header header;
    struct image_info info;     /* host byte order */

    uint32_t blocks;
    struct image_entry *table;
    uint64_t *offsets;
    uint32_t *by_type[IMAGE_TYPES];     /* numbers of blocks */
    uint32_t num[IMAGE_TYPES];

    struct xls_image *parent;
    unsigned depth;             /* its own number in the chain, 0: no parent */
    struct xls_image_codec *codec;      /* of the thread that opened it */
    uint8_t *packed;
    struct image_cache cache[IMAGE_TYPES];        /* maps and hashes only */
};

/* An image's own index: header, table, information, trailer. */
int xls_image_read_index(struct xls_image *image);

/* Reads and checks a block as it is stored, into IMAGE_BLOCK bytes. */
int xls_image_load(const struct xls_image *image, uint32_t block,
                   uint8_t *packed);
/* The same, unpacked. */
int xls_image_load_unpacked(const struct xls_image *image,
                            struct xls_image_codec *codec, uint32_t block,
                            uint8_t *packed, uint8_t *data);
/* ERROR_SNAPSHOT_IMAGE_CORRUPT, with what is wrong with the image. */
int xls_image_damaged(const struct xls_image *image, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Where a page is: the image that stores it and its place there, or NULL for
 * one of zeros. */
struct image_place {
    struct xls_image *image;
    uint32_t number;
};
int xls_image_find_page(struct xls_image *image, uint64_t page,
                        struct image_place *place);

/* Fills the table with the pages of an image as a child refers to them. */
int xls_image_learn(struct xls_image *image, struct xls_image_table *table);

#endif
