/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/codec.h"

#include <stdlib.h>
#include <string.h>

/* Part of this file, and built with -O3: half as many instructions. */
#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

#include "common/alloc.h"

struct xls_image_codec {
    ZSTD_CCtx *pack;            /* made when first needed, as all here */
    ZSTD_DCtx *unpack;
    uint8_t *packed;
};

struct xls_image_codec *xls_image_codec_new(void)
{
    return xls_calloc(1, sizeof(struct xls_image_codec));
}

void xls_image_codec_free(struct xls_image_codec *c)
{
    if (!c)
        return;
    ZSTD_freeCCtx(c->pack);
    ZSTD_freeDCtx(c->unpack);
    free(c->packed);
    free(c);
}

/* Of words, differences to the one before: what counts up becomes what repeats
 * itself. A rest shorter than a word stays. */
#define DELTA(bits, to_host, to_le)                                          \
    static void delta##bits(uint8_t *data, size_t len, bool back)            \
    {                                                                        \
        uint##bits##_t before = 0, word, packed;                             \
        size_t i;                                                            \
                                                                             \
        for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {            \
            memcpy(&word, data + i, sizeof(word));                           \
            word = to_host(word);                                            \
            packed = back ? before + word : word - before;                   \
            before = back ? packed : word;                                   \
            packed = to_le(packed);                                          \
            memcpy(data + i, &packed, sizeof(packed));                       \
        }                                                                    \
    }
DELTA(32, le32toh, htole32)
DELTA(64, le64toh, htole64)

static enum image_codec codec_of(enum image_block_type type)
{
    switch (type) {
    case IMAGE_MAP:
        return IMAGE_ZSTD_DELTA32;
    case IMAGE_SKELETON:
        return IMAGE_ZSTD_DELTA64;
    default:
        return IMAGE_ZSTD;
    }
}

static void filter(uint8_t *data, size_t len, enum image_codec codec, bool back)
{
    if (codec == IMAGE_ZSTD_DELTA32)
        delta32(data, len, back);
    else if (codec == IMAGE_ZSTD_DELTA64)
        delta64(data, len, back);
}

void xls_image_pack(struct xls_image_codec *c, int level, uint8_t *data,
                    size_t len, enum image_block_type type,
                    struct image_entry *entry, const uint8_t **packed)
{
    enum image_codec codec = codec_of(type);
    size_t n = 0;

    memset(entry, 0, sizeof(*entry));
    entry->raw = htole32(len);
    entry->type = type;
    if (level && !c->pack) {
        c->pack = ZSTD_createCCtx();
        c->packed = xls_calloc(1, IMAGE_BLOCK);
    }
    if (level && c->pack) {
        ZSTD_CCtx_setParameter(c->pack, ZSTD_c_compressionLevel, level);
        ZSTD_CCtx_setParameter(c->pack, ZSTD_c_contentSizeFlag, 0);
        filter(data, len, codec, false);
        /* What does not become shorter is kept as it is. */
        n = ZSTD_compress2(c->pack, c->packed, len - 1, data, len);
        if (ZSTD_isError(n)) {
            filter(data, len, codec, true);
            n = 0;
        }
    }
    *packed = n ? c->packed : data;
    entry->codec = n ? codec : IMAGE_PLAIN;
    entry->stored = htole32(n ? n : len);
}

bool xls_image_unpack(struct xls_image_codec *c,
                      const struct image_entry *entry, const uint8_t *packed,
                      uint8_t *data)
{
    size_t stored = le32toh(entry->stored), len = le32toh(entry->raw), n;

    if (!c->unpack)
        c->unpack = ZSTD_createDCtx();
    if (!c->unpack)
        return false;
    n = ZSTD_decompressDCtx(c->unpack, data, len, packed, stored);
    if (ZSTD_isError(n) || n != len)
        return false;
    filter(data, len, entry->codec, true);
    return true;
}

uint64_t xls_image_block_checksum(const uint8_t *packed, size_t len,
                                  const uint8_t id[16], uint32_t number)
{
    uint64_t seed;

    memcpy(&seed, id, sizeof(seed));
    return XXH3_64bits_withSeed(packed, len, le64toh(seed) + number);
}

struct image_hash xls_image_page_hash(const struct image_header *header,
                                      const uint8_t *page)
{
    return (struct image_hash){
        XXH3_64bits_withSecret(page, IMAGE_PAGE, header->secret[0],
                               IMAGE_SECRET),
        XXH3_64bits_withSecret(page, IMAGE_PAGE, header->secret[1],
                               IMAGE_SECRET),
    };
}
