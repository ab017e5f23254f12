/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_IMAGE_H
#define PLUGIN_LAYERS_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <libxl_snapshot.h>

#include "util/error.h"
#include "util/strings.h"

/*
 * Image files, through qemu-img. Every path must be absolute: so none can be
 * taken for an option or for a protocol ("nbd:…", "json:…"), and what a
 * format is is always said, so that the content of a raw image never decides.
 *
 * Nothing here may be used on an image that a running domain writes, but
 * image_info, image_chain, image_map and image_check.
 */

/* One layer of a chain. */
struct image {
    char *path;
    libxl_disk_format format;
    char *backing;              /* NULL for none */
    libxl_disk_format backing_format;
    char *data_file;            /* qcow2: another file that has its data; NULL
                                 * for none */
    bool relative;              /* the header names it relatively */
    bool damaged;               /* the header marks the image as such */
    uint64_t virtual_size, actual_size;
    uint64_t cluster_size;      /* 0: of no qcow2 image */
    struct strings internal;    /* names of its internal snapshots */
    struct strings internal_ids;        /* their IDs, in the same order */
};

int image_info(const char *path, libxl_disk_format format, struct image *image,
               struct error *e);
/* All layers, the top first. */
int image_chain(const char *path, libxl_disk_format format,
                struct image **layers, int *num, struct error *e);
/* An error when one of the layers has its data in a file besides its own, which
 * nothing here handles. */
int image_check_data_files(const struct image *layers, int num,
                           struct error *e);
void image_dispose(struct image *image);
void image_list_free(struct image *layers, int num);

/* A new qcow2 on backing, with backing's owner and mode; path must not
 * exist. */
int image_create_overlay(const char *path, const char *backing,
                         libxl_disk_format backing_format, struct error *e);
/* Makes backing (NULL: none) what path is based on; what it shows stays the
 * same, data is copied for it. rename_only: just the header is changed, for a
 * backing file with the same content. */
int image_rebase(const char *path, const char *backing,
                 libxl_disk_format backing_format, bool rename_only,
                 struct error *e);
/* Writes the data of path (qcow2) into backing, the file that its header names
 * as backing file, whatever name that has now. */
int image_commit(const char *path, const char *backing,
                 libxl_disk_format backing_format, struct error *e);
/* Frees the space that an interrupted qemu-img has left unused in a qcow2. */
int image_repair_leaks(const char *path, struct error *e);

/* What is wrong with the image's metadata; nothing where the format has no such
 * check. */
struct image_check {
    uint64_t errors;
    uint64_t leaks;             /* clusters that nothing uses: lost space */
};
int image_check(const char *path, libxl_disk_format format,
                struct image_check *found, struct error *e);

/* A new empty file at path, which must not exist, as xls_create_like makes
 * it. */
int image_reserve(const char *path, const char *like, struct error *e);
int image_sync(const char *path, struct error *e);

/* Where data is that an image shows; in bytes. */
struct image_extent {
    uint64_t start, length;
    uint64_t depth;             /* the layer that has it; 0: path itself */
};
int image_map(const char *path, libxl_disk_format format,
              struct image_extent **extents, int *num, struct error *e);

/* How many of the image's internal snapshots have a name: QEMU lets several. */
int image_internal_named(const struct image *image, const char *name);
/* Each is an error unless exactly one internal snapshot has the name; one whose
 * ID reads like it does not matter. */
int image_internal_apply(const char *path, const char *name, struct error *e);
int image_internal_delete(const char *path, const char *name,
                          struct error *e);
/* A new, independent qcow2 with the state of an internal snapshot. */
int image_internal_extract(const char *path, const char *name,
                           const char *new_path, struct error *e);

/*
 * Protects a frozen layer from a stray writer: the immutable flag, or where
 * the file system has none, no write permission. Lifting: also before a file
 * is renamed or unlinked. Anything but a regular file is left alone.
 */
int image_freeze(const char *path, struct error *e);
/* For a file that is known to be a frozen layer: one that is open for writing
 * is left alone; one that an earlier version protected gets its mark. */
int image_freeze_again(const char *path, struct error *e);
/* The mark alone, where it is protected. */
int image_mark(const char *path, struct error *e);
/* An error for one that is immutable, but not by image_freeze. */
int image_thaw(const char *path, struct error *e);
/* The same, durable only with the change of its name that follows at once. */
int image_thaw_now(const char *path, struct error *e);
bool image_frozen(const char *path);
/* Why nothing keeps a program of root's, such as QEMU, from writing a frozen
 * layer: a part of a sentence, malloc'ed. NULL: it is immutable. */
char *image_unprotected(const char *path);

/* Whether two paths lead to one file; false when one is missing. */
bool image_same(const char *a, const char *b);

#endif
