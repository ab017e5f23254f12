/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_MARK_H
#define XLS_COMMON_MARK_H

#include <stdbool.h>

/* Whether the file bears the mark of a frozen layer of a snapshot, which
 * common/freeze.c sets with the protection. Not every file system has such
 * marks. */
bool xls_marked(const char *path);

#endif
