/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_PLACE_H
#define XLS_COMMON_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * The directory of a file, opened, and the file's name there, for the *at
 * functions. Whoever may write a directory of the path meanwhile cannot lead
 * them elsewhere.
 *
 * A symlink is followed if root or this user made it or alone could have
 * made it. One of another user is followed only to what is that user's own,
 * in a directory of that user; otherwise errno is ELOOP.
 */
struct xls_place {
    int dir;                    /* O_PATH; -1: none */
    char *name;
};

/* follow: a symlink that is the last part of path is followed, too; nothing
 * may be there. Returns 0, or -1 with errno set; then there is nothing to
 * close. */
int xls_place_open(const char *path, bool follow, struct xls_place *place);
/* Leaves errno as it is. */
void xls_place_close(struct xls_place *place);
/* open(2) of the file: O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK are added. */
int xls_place_fd(const struct xls_place *place, int flags, mode_t mode);
/* The path without symlinks; malloc'ed, NULL with errno set on failure. */
char *xls_place_path(const struct xls_place *place);

/* These in one: like open(2) and realpath(3), with the above rules. The file
 * must exist. */
int xls_open(const char *path, int flags);
char *xls_real_path(const char *path);

#endif
