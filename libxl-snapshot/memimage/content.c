/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/content.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "common/alloc.h"

struct xls_image_content {
    const struct image_header *header;
    XXH3_state_t *skeleton, *pages;
};

struct xls_image_content *
xls_image_content_new(const struct image_header *header)
{
    struct xls_image_content *c = xls_calloc(1, sizeof(*c));

    c->header = header;
    c->skeleton = XXH3_createState();
    c->pages = XXH3_createState();
    XXH3_128bits_reset_withSecret(c->skeleton, header->secret[0],
                                  IMAGE_SECRET);
    XXH3_128bits_reset_withSecret(c->pages, header->secret[1], IMAGE_SECRET);
    return c;
}

void xls_image_content_free(struct xls_image_content *c)
{
    if (!c)
        return;
    XXH3_freeState(c->skeleton);
    XXH3_freeState(c->pages);
    free(c);
}

void xls_image_content_skeleton(struct xls_image_content *c, const void *data,
                                size_t len)
{
    XXH3_128bits_update(c->skeleton, data, len);
}

void xls_image_content_page(struct xls_image_content *c,
                            const struct image_hash *hash)
{
    uint64_t packed[2] = { 0, 0 };

    if (hash) {
        packed[0] = htole64(hash->a);
        packed[1] = htole64(hash->b);
    }
    XXH3_128bits_update(c->pages, packed, sizeof(packed));
}

void xls_image_content_checksum(struct xls_image_content *c, uint8_t out[16])
{
    XXH128_canonical_t both[2];

    XXH128_canonicalFromHash(&both[0], XXH3_128bits_digest(c->skeleton));
    XXH128_canonicalFromHash(&both[1], XXH3_128bits_digest(c->pages));
    XXH128_canonicalFromHash(&both[0],
                             XXH3_128bits_withSecret(both, sizeof(both),
                                                     c->header->secret[0],
                                                     IMAGE_SECRET));
    memcpy(out, both[0].digest, sizeof(both[0].digest));
}

bool xls_image_page_zero(const uint8_t *page)
{
    static const uint8_t zeros[IMAGE_PAGE];

    return !memcmp(page, zeros, IMAGE_PAGE);
}
