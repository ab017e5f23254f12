/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_DISKIMAGE_SPEC_H
#define XLS_DISKIMAGE_SPEC_H

#include <stdbool.h>

/*
 * What the name of a backing file means that the header of the image at path
 * has: *file is its path on this host (malloc'ed), or NULL. Returns false when
 * it names no file of this host, such as an NBD export; true with NULL when it
 * may name one, but which cannot be told.
 */
bool xls_spec_path(const char *path, const char *name, char **file);

/* The path in a name: itself, or what "json:" wraps, as written by QEMU, or by
 * an admin with dotted keys: {"driver":"qcow2","file.filename":"/a"}.
 * malloc'ed, NULL when there is none. */
char *xls_spec_file(const char *name);

#endif
