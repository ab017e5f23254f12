/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_STORE_FILES_H
#define PLUGIN_STORE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

/*
 * The store's directories and files. Everything is reached through an open
 * directory, no symlink is followed below the root's parent, and what belongs
 * to another user or can be written by others is refused: the files name
 * paths that root will unlink.
 *
 * path is that of the directory, for messages.
 */

/* Opens the directory name in the directory at (AT_FDCWD with an absolute
 * name for the first one, where symlinks of the system are followed); create:
 * makes it, 0700. Returns the descriptor, -1 on error, -2 when it does not
 * exist and create is not set. */
int store_dir_open(int at, const char *name, const char *path, bool create,
                   struct error *e);

/* Reads a whole file, at most 4 MiB, NUL-terminated. *text is NULL when there
 * is no such file. */
int store_file_read(int dir, const char *path, const char *name, char **text,
                    size_t *len, struct error *e);

/* Replaces a file in one step, mode 0600; file and directory are synced. */
int store_file_write(int dir, const char *path, const char *name,
                     const char *text, struct error *e);

/* Missing is no failure. */
int store_file_remove(int dir, const char *path, const char *name,
                      struct error *e);

struct store;
/* Calls f for each file of the store's directory until it fails. */
int store_each_file(struct store *st,
                    int (*f)(struct store *st, const char *file,
                             struct error *e),
                    struct error *e);

#endif
