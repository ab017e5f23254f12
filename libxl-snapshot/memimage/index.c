/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/index.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "common/alloc.h"
#include "common/files.h"
#include "memimage/internal.h"

#define HEADER_CHECKED  offsetof(struct image_header, checksum)
#define TRAILER_CHECKED offsetof(struct image_trailer, checksum)

/* What is larger than any image's, bounds what reading an index takes. */
#define MAX_BLOCKS      (IMAGE_MAX_PAGES / IMAGE_BLOCK_PAGES + (1U << 20))
/* Of the file: a full block that packs best, of zeros, takes more than a third
 * of what its entry does. */
#define MAX_INDEX(length) ((length) / 4 * 3 + (1U << 20))

static void put_checksum(uint8_t out[16], XXH128_hash_t hash)
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(out, canonical.digest, sizeof(canonical.digest));
}

void xls_image_seal_header(struct image_header *header)
{
    put_checksum(header->checksum, XXH3_128bits(header, HEADER_CHECKED));
}

/* Over the header, all checksums of blocks, and what else the index says. */
static void index_checksum(uint8_t out[16], const struct image_header *header,
                           const void *index, size_t len,
                           const struct image_trailer *trailer)
{
    XXH3_state_t *state = XXH3_createState();

    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, header, sizeof(*header));
    XXH3_128bits_update(state, index, len);
    XXH3_128bits_update(state, trailer, TRAILER_CHECKED);
    put_checksum(out, XXH3_128bits_digest(state));
    XXH3_freeState(state);
}

/* Between the byte orders of host and file; the same both ways. */
static void swap_info(struct image_info *info)
{
    uint64_t *wide[] = { &info->content, &info->skeleton, &info->pages,
                         &info->zero, &info->stored, &info->repeated,
                         &info->parent, &info->stream };
    uint32_t *narrow[] = { &info->depth, &info->flags, &info->parent_len };
    unsigned i;

    for (i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
        *wide[i] = htole64(*wide[i]);
    for (i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++)
        *narrow[i] = htole32(*narrow[i]);
}

void *xls_image_make_index(const struct image_header *header,
                           const struct image_entry *table, uint32_t blocks,
                           const struct image_info *info,
                           const char *parent_name, uint64_t table_offset,
                           size_t *len)
{
    size_t table_len = (size_t)blocks * sizeof(*table);
    size_t name_len = parent_name ? strlen(parent_name) : 0;
    size_t index_len = table_len + sizeof(*info) + name_len;
    struct image_info packed = *info;
    struct image_trailer trailer = {
        .table = htole64(table_offset),
        .blocks = htole32(blocks),
        .info = htole32(sizeof(*info) + name_len),
    };
    uint8_t *index;

    *len = index_len + sizeof(trailer);
    index = xls_calloc(1, *len);
    packed.parent_len = name_len;
    swap_info(&packed);
    if (table_len)
        memcpy(index, table, table_len);
    memcpy(index + table_len, &packed, sizeof(packed));
    if (name_len)
        memcpy(index + table_len + sizeof(packed), parent_name, name_len);

    memcpy(trailer.id, header->id, sizeof(trailer.id));
    memcpy(trailer.magic, IMAGE_END, IMAGE_MAGIC_LEN);
    trailer.length = htole64(table_offset + *len);
    index_checksum(trailer.checksum, header, index, index_len, &trailer);
    memcpy(index + index_len, &trailer, sizeof(trailer));
    return index;
}

static int check_header(struct xls_image *image)
{
    struct image_header *h = &image->header, sealed = *h;

    xls_image_seal_header(&sealed);
    if (memcmp(h->magic, IMAGE_MAGIC, IMAGE_MAGIC_LEN))
        return xls_image_damaged(image, "it does not begin like one");
    if (memcmp(h->checksum, sealed.checksum, sizeof(h->checksum)))
        return xls_image_damaged(image, "its header is damaged");
    if (le16toh(h->version) != IMAGE_VERSION || h->incompatible)
        return xls_image_damaged(image, "it is of version %u (features %x), "
                                 "which a newer libxl-snapshot wrote; use "
                                 "that one", le16toh(h->version),
                                 le32toh(h->incompatible));
    if (le16toh(h->length) != sizeof(*h))
        return xls_image_damaged(image, "its header has a length of its own");
    return 0;
}

/* The index without the trailer; its length is to be right. */
static int check_trailer(struct xls_image *image, struct image_trailer *t,
                         uint64_t *index_len)
{
    if (memcmp(t->magic, IMAGE_END, IMAGE_MAGIC_LEN))
        return xls_image_damaged(image, "it is truncated, or was never "
                                 "finished");
    if (le64toh(t->length) != image->length)
        return xls_image_damaged(image, "it has %llu bytes and should have "
                                 "%llu", (unsigned long long)image->length,
                                 (unsigned long long)le64toh(t->length));
    if (memcmp(t->id, image->header.id, sizeof(t->id)))
        return xls_image_damaged(image, "beginning and end are of two images");
    image->blocks = le32toh(t->blocks);
    if (image->blocks > MAX_BLOCKS ||
        image->blocks > MAX_INDEX(image->length) / sizeof(struct image_entry))
        return xls_image_damaged(image, "it claims to have %u blocks",
                                 image->blocks);
    *index_len = (uint64_t)image->blocks * sizeof(struct image_entry) +
                 le32toh(t->info);
    if (le32toh(t->info) < sizeof(struct image_info) ||
        le32toh(t->info) > sizeof(struct image_info) + IMAGE_MAX_PARENT ||
        le64toh(t->table) < sizeof(struct image_header) ||
        le64toh(t->table) > image->length ||
        image->length - le64toh(t->table) != *index_len + sizeof(*t))
        return xls_image_damaged(image, "its index is not where its end says");
    return 0;
}

static bool entry_fits(const struct image_entry *e)
{
    uint32_t stored = le32toh(e->stored), raw = le32toh(e->raw);

    if (!raw || raw > IMAGE_BLOCK || !stored)
        return false;
    switch (e->codec) {
    case IMAGE_PLAIN:
        return stored == raw;
    case IMAGE_ZSTD:
    case IMAGE_ZSTD_DELTA32:
    case IMAGE_ZSTD_DELTA64:
        return stored < raw;
    default:
        return false;
    }
}

/* How many bytes all blocks of a type hold together, all full but the last. */
static bool holds(const struct xls_image *image, enum image_block_type type,
                  uint64_t bytes, bool full)
{
    uint64_t sum = 0;
    uint32_t i;

    for (i = 0; i < image->num[type]; i++) {
        uint32_t raw = le32toh(image->table[image->by_type[type][i]].raw);

        sum += raw;
        if (full && i + 1 < image->num[type] && raw != IMAGE_BLOCK)
            return false;
    }
    return sum == bytes;
}

static int check_table(struct xls_image *image, uint64_t end)
{
    uint64_t offset = sizeof(struct image_header);
    uint32_t i;
    int type;

    image->offsets = xls_calloc(image->blocks + 1, sizeof(*image->offsets));
    for (i = 0; i < image->blocks; i++) {
        const struct image_entry *e = &image->table[i];

        if (!entry_fits(e) || e->type < IMAGE_DATA || e->type >= IMAGE_TYPES)
            return xls_image_damaged(image, "its table has no sense at block "
                                     "%u", i);
        image->offsets[i] = offset;
        offset += le32toh(e->stored);
        image->num[e->type]++;
    }
    if (offset != end)
        return xls_image_damaged(image, "its blocks do not fill it");
    for (type = 0; type < IMAGE_TYPES; type++) {
        image->by_type[type] = xls_calloc(image->num[type] + 1,
                                          sizeof(*image->by_type[type]));
        image->num[type] = 0;
    }
    for (i = 0; i < image->blocks; i++) {
        type = image->table[i].type;
        image->by_type[type][image->num[type]++] = i;
    }
    return 0;
}

static int check_info(struct xls_image *image, const char *name,
                      uint32_t len)
{
    const struct image_info *info = &image->info;

    if (info->parent_len != len || !!len != !!info->depth ||
        info->depth >= IMAGE_MAX_CHAIN || memchr(name, 0, len) ||
        memchr(name, '/', len))
        return xls_image_damaged(image, "what it says of its parent has no "
                                 "sense");
    if (info->pages > IMAGE_MAX_PAGES || info->zero > IMAGE_MAX_PAGES ||
        info->stored > IMAGE_MAX_PAGES || info->repeated > IMAGE_MAX_PAGES ||
        info->parent > IMAGE_MAX_PAGES || info->skeleton > IMAGE_MAX_SKELETON ||
        info->zero + info->stored + info->repeated + info->parent !=
            info->pages ||
        info->content != info->skeleton + info->pages * IMAGE_PAGE ||
        info->stream > info->skeleton ||
        (info->parent && !len) ||
        !holds(image, IMAGE_DATA, info->stored * IMAGE_PAGE, true) ||
        !holds(image, IMAGE_HASHES, info->stored * IMAGE_HASH, true) ||
        !holds(image, IMAGE_MAP, info->pages * sizeof(uint32_t), true) ||
        !holds(image, IMAGE_SKELETON, info->skeleton, false))
        return xls_image_damaged(image, "what it says of its content does not "
                                 "fit its blocks");
    image->parent_name = len ? xls_memdup0(name, len) : NULL;
    return 0;
}

int xls_image_read_index(struct xls_image *image)
{
    struct image_trailer trailer;
    uint8_t checksum[16], *index = NULL;
    uint64_t len = 0, table_len;
    int rc;

    if (image->length < sizeof(image->header) + sizeof(trailer))
        return xls_image_damaged(image, "it is too short for one");
    rc = xls_fd_read_at(image->log, image->fd, image->path, &image->header,
                        sizeof(image->header), 0);
    if (!rc)
        rc = check_header(image);
    if (!rc)
        rc = xls_fd_read_at(image->log, image->fd, image->path, &trailer,
                            sizeof(trailer), image->length - sizeof(trailer));
    if (!rc)
        rc = check_trailer(image, &trailer, &len);
    if (rc)
        return rc;

    index = xls_realloc(NULL, len, 1);
    rc = xls_fd_read_at(image->log, image->fd, image->path, index, len,
                        le64toh(trailer.table));
    if (rc)
        goto out;
    index_checksum(checksum, &image->header, index, len, &trailer);
    if (memcmp(checksum, trailer.checksum, sizeof(checksum))) {
        rc = xls_image_damaged(image, "its index is damaged");
        goto out;
    }
    table_len = (uint64_t)image->blocks * sizeof(*image->table);
    image->table = xls_realloc(NULL, table_len + 1, 1);
    memcpy(image->table, index, table_len);
    memcpy(&image->info, index + table_len, sizeof(image->info));
    swap_info(&image->info);
    rc = check_table(image, le64toh(trailer.table));
    if (!rc)
        rc = check_info(image,
                        (char *)index + table_len + sizeof(image->info),
                        len - table_len - sizeof(image->info));

out:
    free(index);
    return rc;
}
