/* SPDX-License-Identifier: LGPL-2.1-only */
#include "reseal.h"

#include <string.h>

#include <xxhash.h>

#include "memimage/codec.h"

static void seal(uint8_t out[16], XXH128_hash_t hash)
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(out, canonical.digest, 16);
}

bool file_parts(uint8_t *file, size_t len, struct file_parts *p)
{
    uint64_t table, blocks_len, info_len;

    if (len < sizeof(*p->header) + sizeof(*p->trailer))
        return false;
    p->header = (void *)file;
    p->trailer = (void *)(file + len - sizeof(*p->trailer));
    table = le64toh(p->trailer->table);
    p->blocks = le32toh(p->trailer->blocks);
    blocks_len = (uint64_t)p->blocks * sizeof(*p->table);
    info_len = le32toh(p->trailer->info);
    len -= sizeof(*p->trailer);
    if (table < sizeof(*p->header) || table > len || blocks_len > len - table ||
        info_len != len - table - blocks_len || info_len < sizeof(*p->info))
        return false;
    p->table = (void *)(file + table);
    p->info = (void *)(file + table + blocks_len);
    p->name = (char *)(p->info + 1);
    p->name_len = info_len - sizeof(*p->info);
    return true;
}

uint8_t *file_block(uint8_t *file, size_t len, const struct file_parts *p,
                    uint32_t number)
{
    uint64_t at = sizeof(*p->header);
    uint32_t i;

    for (i = 0; i < number; i++)
        at += le32toh(p->table[i].stored);
    return at <= len && le32toh(p->table[i].stored) <= len - at ? file + at
                                                               : NULL;
}

static void reseal_blocks(uint8_t *file, size_t len, const struct file_parts *p)
{
    uint64_t at = sizeof(*p->header);
    uint32_t i;

    for (i = 0; i < p->blocks; i++) {
        uint32_t stored = le32toh(p->table[i].stored);

        if (at > len || stored > len - at)
            return;
        p->table[i].checksum = htole64(
            xls_image_block_checksum(file + at, stored, p->header->id, i));
        at += stored;
    }
}

static void reseal_index(const struct file_parts *p)
{
    uint8_t *end = (uint8_t *)p->trailer;
    XXH3_state_t *state = XXH3_createState();

    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, p->header, sizeof(*p->header));
    XXH3_128bits_update(state, p->table, end - (uint8_t *)p->table);
    XXH3_128bits_update(state, p->trailer,
                        offsetof(struct image_trailer, checksum));
    seal(p->trailer->checksum, XXH3_128bits_digest(state));
    XXH3_freeState(state);
}

void reseal(uint8_t *file, size_t len)
{
    struct image_header *h = (void *)file;
    struct file_parts p;

    if (len < sizeof(*h))
        return;
    seal(h->checksum, XXH3_128bits(h, offsetof(struct image_header, checksum)));
    if (!file_parts(file, len, &p))
        return;
    reseal_blocks(file, len, &p);
    reseal_index(&p);
}
