/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/internal.h"

#include <stdarg.h>
#include <stdlib.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"
#include "common/files.h"

int xls_image_damaged(const struct xls_image *image, const char *fmt, ...)
{
    va_list al;
    char *why;

    va_start(al, fmt);
    why = xls_vasprintf(fmt, al);
    va_end(al);
    XLS_ERROR(image->log, "the memory image %s cannot be used: %s",
              image->path, why);
    free(why);
    return ERROR_SNAPSHOT_IMAGE_CORRUPT;
}

int xls_image_load(const struct xls_image *image, uint32_t block,
                   uint8_t *packed)
{
    const struct image_entry *e = &image->table[block];
    size_t stored = le32toh(e->stored);
    int rc;

    rc = xls_fd_read_at(image->log, image->fd, image->path, packed, stored,
                        image->offsets[block]);
    if (rc)
        return rc;
    if (xls_image_block_checksum(packed, stored, image->header.id, block) !=
        le64toh(e->checksum))
        return xls_image_damaged(image, "block %u, at byte %llu, is damaged",
                                 block,
                                 (unsigned long long)image->offsets[block]);
    return 0;
}

int xls_image_load_unpacked(const struct xls_image *image,
                            struct xls_image_codec *codec, uint32_t block,
                            uint8_t *packed, uint8_t *data)
{
    bool plain = image->table[block].codec == IMAGE_PLAIN;
    int rc = xls_image_load(image, block, plain ? data : packed);

    if (!rc && !plain &&
        !xls_image_unpack(codec, &image->table[block], packed, data))
        rc = xls_image_damaged(image, "block %u, at byte %llu, cannot be "
                               "unpacked", block,
                               (unsigned long long)image->offsets[block]);
    return rc;
}
