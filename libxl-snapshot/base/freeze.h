/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BASE_FREEZE_H
#define XLS_BASE_FREEZE_H

#include <stdbool.h>

/*
 * Protects a file against every writer, root too: the immutable flag, or where
 * the file system has none (or we may not set it) no write permission. What
 * is no regular file is left alone.
 *
 * Returns 0; 1 when only the permission could be taken (*why_not, if given,
 * says by its errno why); -1 with errno set when not even that.
 */
int xls_freeze(const char *path, int *why_not);
/* Lifts it again; 0, or -1 with errno set. What is not frozen stays as it
 * is. */
int xls_thaw(const char *path);
/* Whether it is protected in one of these ways. */
bool xls_frozen(const char *path);

#endif
