/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_LIKE_H
#define XLS_COMMON_LIKE_H

/*
 * Creates a file (O_EXCL, no symlink followed) for reading and writing. like
 * (may be NULL): it gets the owner, group, permissions, ACL and SELinux label
 * of that file, where that is a regular one; otherwise its mode is 0600.
 * Returns the file descriptor, or -1 with errno set; *failed is what could not
 * be done, as in "cannot <failed>", and of which file.
 */
struct xls_failed {
    const char *what, *path;
};
int xls_create_like(const char *path, const char *like,
                    struct xls_failed *failed);

#endif
