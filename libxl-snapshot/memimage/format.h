/* SPDX-License-Identifier: LGPL-2.1-only */
/* A memory image's layout; FORMAT.md says what it means. */
#ifndef XLS_MEMIMAGE_FORMAT_H
#define XLS_MEMIMAGE_FORMAT_H

#include <assert.h>
#include <endian.h>
#include <stdint.h>

#define IMAGE_MAGIC         "\211XLSMEM\n"
#define IMAGE_END           "XLSMEND\n"
#define IMAGE_MAGIC_LEN     8
#define IMAGE_VERSION       1U

#define IMAGE_PAGE          4096U
#define IMAGE_BLOCK         (256U << 10)    /* the most that one holds */
#define IMAGE_BLOCK_PAGES   (IMAGE_BLOCK / IMAGE_PAGE)
#define IMAGE_MAP_ENTRIES   (IMAGE_BLOCK / sizeof(uint32_t))
#define IMAGE_HASH          16U
#define IMAGE_BLOCK_HASHES  (IMAGE_BLOCK / IMAGE_HASH)

#define IMAGE_SECRET        192U
#define IMAGE_MAX_PAGES     (1U << 30)
#define IMAGE_MAX_SKELETON  (1ULL << 38)
#define IMAGE_MAX_PARENT    255U            /* NAME_MAX */
/* So many images at the most, one based on the other. */
#define IMAGE_MAX_CHAIN     32U

enum image_block_type {
    IMAGE_DATA = 1,
    IMAGE_SKELETON = 2,
    IMAGE_MAP = 3,
    IMAGE_HASHES = 4,
};
#define IMAGE_TYPES 5

enum image_codec {
    IMAGE_PLAIN = 0,
    IMAGE_ZSTD = 1,
    IMAGE_ZSTD_DELTA32 = 2,
    IMAGE_ZSTD_DELTA64 = 3,
};

/* An entry of the map: a kind in its upper two bits, a number in the rest. */
enum image_page_kind {
    IMAGE_PAGE_ZERO = 0,
    IMAGE_PAGE_STORED = 1,
    IMAGE_PAGE_PARENT = 2,
};
#define IMAGE_ENTRY(kind, number)   ((uint32_t)(kind) << 30 | (number))
#define IMAGE_KIND(entry)           ((entry) >> 30)
#define IMAGE_NUMBER(entry)         ((entry) & (IMAGE_MAX_PAGES - 1))

struct image_header {
    char magic[IMAGE_MAGIC_LEN];
    uint16_t version;
    uint16_t length;
    uint32_t incompatible;
    uint32_t compatible;
    uint32_t reserved0;
    uint8_t id[16];
    uint8_t reserved1[24];
    uint8_t secret[2][IMAGE_SECRET];
    uint8_t reserved2[48];
    uint8_t checksum[16];
};
static_assert(sizeof(struct image_header) == 512, "header");

struct image_entry {
    uint32_t stored;
    uint32_t raw;
    uint8_t type;
    uint8_t codec;
    uint16_t reserved0;
    uint32_t reserved1;
    uint64_t checksum;
};
static_assert(sizeof(struct image_entry) == 24, "table entry");

struct image_info {
    uint64_t content;
    uint64_t skeleton;
    uint64_t pages;
    uint64_t zero;
    uint64_t stored;
    uint64_t repeated;
    uint64_t parent;
    uint64_t stream;
    uint8_t checksum[16];
    uint8_t parent_checksum[16];
    uint32_t depth;
    uint32_t flags;
    uint32_t parent_len;
    uint32_t reserved;
    /* The parent's name follows. */
};
static_assert(sizeof(struct image_info) == 112, "info");
#define IMAGE_WHOLE 1U          /* flags: the stream goes to its end */

struct image_trailer {
    uint64_t table;
    uint32_t blocks;
    uint32_t info;
    uint8_t id[16];
    uint8_t checksum[16];
    uint64_t length;
    char magic[IMAGE_MAGIC_LEN];
};
static_assert(sizeof(struct image_trailer) == 64, "trailer");

#endif
