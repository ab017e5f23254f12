/* SPDX-License-Identifier: LGPL-2.1-only */
/* An image as one end of a pipe, by a thread of its own. */
#ifndef XLS_MEMIMAGE_PIPE_H
#define XLS_MEMIMAGE_PIPE_H

#include "memimage/image.h"

struct xls_image_pipe;

/* What is written to *fd, which is closed by the end, goes into the image. What
 * the image cannot take is taken nevertheless, and dropped. */
int xls_image_fill(const struct xls_log *log, struct xls_image_writer *w,
                   struct xls_image_pipe **pipe, int *fd);
/* The image takes no more, and has said why. */
bool xls_image_fill_failed(struct xls_image_pipe *pipe);

/* *fd gives the image's content, from an offset on. */
int xls_image_feed(const struct xls_log *log, struct xls_image *image,
                   uint64_t from, struct xls_image_pipe **pipe, int *fd);

/* Closes the fd and waits until all that was written is in the image, or the
 * thread knows that nobody reads any more. What it says. */
int xls_image_pipe_end(struct xls_image_pipe *pipe);    /* NULL is fine */

#endif
