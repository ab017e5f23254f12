/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_IMAGE_COPY_H
#define PLUGIN_LAYERS_IMAGE_COPY_H

#include "layers/image.h"

/*
 * Copies of images that nothing writes, byte by byte: with all that is in them,
 * whatever their format. What is copied, and where to, is an absolute path or
 * the URI of an NBD export.
 */

/* Bytes that the image takes as a file, or an export or device has. */
int image_length(const char *spec, uint64_t *length, struct error *e);

/*
 * to: an empty file, or an export that is large enough. speed: bytes per
 * second, 0 for no limit. watch is told the bytes done a few times a second;
 * nonzero ends it, and the result is 1.
 */
int image_copy(const char *from, const char *to, uint64_t length,
               uint64_t speed, int (*watch)(void *user, uint64_t done),
               void *user, struct error *e);

/* Has the header of a qcow2 image name its backing file so, which is not looked
 * for. */
int image_name_backing(const char *spec, const char *name,
                       libxl_disk_format format, struct error *e);
/* An empty qcow2 image of size bytes in an existing file or an export, with
 * such a backing file (NULL: none); cluster_size: bytes. */
int image_make_empty(const char *spec, uint64_t size, uint64_t cluster_size,
                     const char *backing, libxl_disk_format backing_format,
                     struct error *e);

#endif
