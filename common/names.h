/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_NAMES_H
#define XLS_COMMON_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Names of files, by the rules of common/place.h. The last part of a path is a
 * symlink only followed where that is said. Each returns 0, or -1 with errno
 * set. Unless sync is false, the change is on the disk then.
 */

/*
 * Which file something was done with; ino 0: any. An inode's number is used again
 * once its file is gone, and a device's after a start of the host: where the file
 * system says when a file was made, that and the inode tell two files apart;
 * otherwise the device and the inode do.
 */
struct xls_file_id {
    dev_t dev;
    ino_t ino;
    uint64_t born_ns;           /* since 1970; 0: not known */
};
bool xls_same_id(const struct xls_file_id *a, const struct xls_file_id *b);
/* As statx(2) looks at it. Only a regular file has a birth: a device's node is made
 * anew at each start of the host. */
int xls_identify_at(int dir, const char *name, int flags,
                    struct xls_file_id *id);
/* path is followed. */
int xls_identify(const char *path, struct xls_file_id *id);
void xls_identify_fd(int fd, struct xls_file_id *id);
/* Whether path, followed, is that file; false also when it cannot be found
 * out. */
bool xls_is_file(const char *path, const struct xls_file_id *id);
/* The same of an id from before the host was started, perhaps: the device may
 * have another number. */
bool xls_was_file(const char *path, const struct xls_file_id *id);

/* path is followed; new_path must not exist. ESTALE: path is not, or not any
 * more, the file id (NULL: any). */
int xls_link(const char *path, const char *new_path,
             const struct xls_file_id *id);
enum xls_rename {
    XLS_RENAME_OVER,            /* in the place of what is at new_path */
    XLS_RENAME_NEW,             /* EEXIST if something is */
};
/* Where what follows depends on it, without sync, and then xls_sync_directory:
 * a failure of either is another one. */
int xls_rename(const char *path, const char *new_path, enum xls_rename how,
               bool sync);
int xls_unlink(const char *path, bool sync);

/* The directory that path is in. A file system that cannot do that does it by
 * itself, or nothing can be done about it. */
int xls_sync_directory(const char *path);
int xls_sync_directory_fd(int dir);

/* The type of the file system that path is on, such as "vfat"; malloc'ed, NULL
 * if it is not known. */
char *xls_file_system(const char *path);

#endif
