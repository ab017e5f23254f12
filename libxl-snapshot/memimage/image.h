/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Memory images: what `xl save` writes, with each page stored once, packed,
 * checked, and where it is known from an earlier image, referred to there.
 * FORMAT.md specifies the file.
 */
#ifndef XLS_MEMIMAGE_H
#define XLS_MEMIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log.h"
#include "memimage/format.h"

/* An image that is open for reading, with all that it is based on. */
struct xls_image;

/*
 * Opens it and checks its index, so that all its parts are known and in place;
 * their content is checked when it is used, and by xls_image_verify.
 * ERROR_SNAPSHOT_IMAGE_CORRUPT: it is none, or damaged, or an image that it is
 * based on is, or is not the one that it was. ERROR_SNAPSHOT_STORAGE: it, or
 * one that it is based on, cannot be opened.
 */
int xls_image_open(const struct xls_log *log, const char *path,
                   struct xls_image **image);
void xls_image_close(struct xls_image *image);          /* NULL is fine */

/* Whether the file begins like one; its end is not looked at. */
bool xls_image_is(const char *path);

/* In host byte order. */
const struct image_info *xls_image_info(const struct xls_image *image);
const struct image_header *xls_image_header(const struct xls_image *image);
const char *xls_image_parent_name(const struct xls_image *image); /* or NULL */
struct xls_image *xls_image_parent(const struct xls_image *image); /* or NULL */
uint64_t xls_image_file_size(const struct xls_image *image);
const char *xls_image_path(const struct xls_image *image);
const char *xls_image_name(const struct xls_image *image); /* without folder */
unsigned xls_image_depth(const struct xls_image *image);  /* images below it */

/* Asked and told while something goes on, in bytes; nonzero ends it with
 * ERROR_ABORTED. */
typedef int xls_image_progress(void *user, uint64_t done, uint64_t total);

struct xls_image_read_how {
    unsigned threads;           /* 0: as many as serve */
    bool everything;            /* verify: also what only a child will need */
    xls_image_progress *progress;       /* or NULL */
    void *user;
};

/* Checks every block that giving the content back needs, in all images. */
int xls_image_verify(struct xls_image *image,
                     const struct xls_image_read_how *how);

/* Writes the content, from an offset on, to a file or pipe, called name in
 * messages; NULL: when it cannot be written, none is logged. */
int xls_image_read(struct xls_image *image, uint64_t from, int fd,
                   const char *name, const struct xls_image_read_how *how);
/* The same, and compares it with the image's checksum of it. fd may be -1. */
int xls_image_read_checked(struct xls_image *image, int fd, const char *name,
                           const struct xls_image_read_how *how);
/* Gives the content, checked like that, piece by piece to a function. */
struct iovec;
typedef int xls_image_sink(void *user, struct iovec *iov, int num);
int xls_image_pour(struct xls_image *image, xls_image_sink *sink, void *user,
                   const struct xls_image_read_how *how);

struct xls_image_write_how {
    int level;                  /* of zstd, 1 to 19; 0: nothing is packed */
    unsigned threads;           /* 0: as many as serve */
    bool hurry;                 /* rather store larger than keep the source
                                 * waiting */
    struct xls_image *parent;   /* what it is based on, or NULL */
    struct xls_image *same;     /* the content is this one's, or NULL */
};

struct xls_image_writer;

/* Into a new, empty file, called path in messages. The parent stays open, and
 * is needed, until the writer is freed; it must be in the same directory as
 * the image is going to be. */
int xls_image_writer_new(const struct xls_log *log, int fd, const char *path,
                         const struct xls_image_write_how *how,
                         struct xls_image_writer **writer);
void xls_image_writer_free(struct xls_image_writer *w); /* NULL is fine */
/* More of the content. */
int xls_image_write(struct xls_image_writer *w, const void *data, size_t len);
/* Content taken so far; from another thread, too. */
uint64_t xls_image_write_taken(struct xls_image_writer *w);
/* No more comes; without it, the file is no image. */
int xls_image_write_end(struct xls_image_writer *w);
/* Takes the content from a pipe or file until its end. */
int xls_image_write_from(struct xls_image_writer *w, int fd, const char *name);

#endif
