/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the fuzz targets and their corpus share. */
#ifndef TESTS_FUZZ_PLACE_H
#define TESTS_FUZZ_PLACE_H

#include <stddef.h>
#include <stdint.h>

#include "common/log.h"
#include "memimage/image.h"

/* Takes part in every message, and drops it. */
extern const struct xls_log place_log;

/* A directory of its own, which is removed at the end, in which "parent" is an
 * image that others may be based on; always the same one. */
void place_make(void);
const char *place_path(const char *name);
void place_write(const char *name, const void *data, size_t len);
uint8_t *place_read(const char *name, size_t *len);

/* A content becomes an image; what xls_image_write_end says of it. */
int place_store(const char *name, const void *data, size_t len, int level,
                struct xls_image *parent);
struct xls_image *place_open(const char *name);

/* It is a bug of the library, or of the target. */
#define demand(condition) ((condition) ? (void)0 : abort())

#endif
