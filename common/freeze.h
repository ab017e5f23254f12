/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_FREEZE_H
#define XLS_COMMON_FREEZE_H

#include <stdbool.h>

/*
 * Protects a file against every writer, root too: the immutable flag, or where
 * the file system has none (or we may not set it) no write permission. What
 * is no regular file is left alone.
 *
 * A file that was protected here bears the extended attribute
 * trusted.xlsnapshot, by which it is known from one that an administrator
 * protected. Its value is the file's permissions as they were.
 */

enum xls_frozen {
    XLS_FROZEN_ERROR = -1,      /* errno is set */
    XLS_FROZEN,
    XLS_FROZEN_WEAKLY,          /* only the permission could be taken */
    XLS_FROZEN_OTHERS,          /* thaw: it is immutable, but not by this */
};

/* sync: the protection is on the disk when this returns; that also flushes the
 * file. *why_not, if given, is the errno that explains XLS_FROZEN_WEAKLY. */
enum xls_frozen xls_freeze(const char *path, bool sync, int *why_not);
/* The same for a file that is known to be a frozen layer: one that an earlier
 * version protected gets its mark. Does nothing for one that is in order, or
 * that somebody has open for writing. */
enum xls_frozen xls_freeze_again(const char *path);
/* Lifts it again, durably. What is not frozen, and what has no write permission
 * without our doing, stays as it is. */
enum xls_frozen xls_thaw(const char *path);
/* The same, durable only with what follows: where the file is given another name
 * at once, so that a power cut does not leave it writable under this one. */
enum xls_frozen xls_thaw_now(const char *path);
/* Whether it is protected in one of these ways, by whomever. */
bool xls_frozen(const char *path);

/* For a message about XLS_FROZEN_OTHERS; two arguments: the path. */
#define XLS_FROZEN_OTHERS_TEXT \
    "%s is immutable, and not by a snapshot: the protection that an " \
    "administrator set is not lifted; if the file may be changed: chattr -i %s"

#endif
