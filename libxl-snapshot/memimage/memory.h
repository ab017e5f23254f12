/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MEMORY_H
#define XLS_MEMORY_H

#include "memimage/image.h"
#include "session/op.h"

/*
 * Opens what an image at path may be based on, which must be in the same
 * directory. *parent is NULL where more than chain images would be needed to
 * bring the new one back.
 */
int xls_memory_open_parent(const struct xls_log *log, const char *path,
                           const char *parent_path, unsigned chain,
                           struct xls_image **parent);

/* Whether a plain file's stream goes to its end; *size is the file's. */
int xls_memory_walk(const struct xls_log *log, const char *path,
                    bool *complete, uint64_t *size);

/* ERROR_SNAPSHOT_IMAGE_CORRUPT, logged, unless it does. */
int xls_memory_must_be_complete(const struct xls_log *log, const char *path,
                                bool complete);
int xls_memory_check_level(const struct xls_log *log, int level);

/* A new file that gets its name when it is complete. Until then its name is one
 * of xls_unique_path. */
struct xls_memory_new {
    const struct xls_log *log;
    const char *path;
    char *tmp;
    int fd;
};
int xls_memory_new_begin(const struct xls_log *log, const char *path,
                         struct xls_memory_new *file);
/* rc nonzero: removes it, and returns rc. replace: path is there, and this
 * takes its place. */
int xls_memory_new_end(struct xls_memory_new *file, bool replace, int rc);

#endif
