/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef TESTS_IMAGE_RESEAL_H
#define TESTS_IMAGE_RESEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memimage/format.h"

/* In a file, they are anywhere. */
typedef struct image_entry file_entry __attribute__((aligned(1)));
typedef struct image_info file_info __attribute__((aligned(1)));
typedef struct image_trailer file_trailer __attribute__((aligned(1)));

/* A file's parts, where its end says that they are; false: not within it. */
struct file_parts {
    struct image_header *header;
    file_entry *table;
    uint32_t blocks;
    file_info *info;            /* in the file's byte order */
    char *name;                 /* of name_len, the parent's */
    uint32_t name_len;
    file_trailer *trailer;
};
bool file_parts(uint8_t *file, size_t len, struct file_parts *parts);
/* Where a block is; NULL: not within the file. */
uint8_t *file_block(uint8_t *file, size_t len, const struct file_parts *parts,
                    uint32_t number);

/* Makes all checksums right, of whatever is in it. */
void reseal(uint8_t *file, size_t len);

#endif
