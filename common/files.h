/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_FILES_H
#define XLS_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/names.h"

/*
 * File operations with the care that images need: nothing that exists is
 * overwritten, symlinks are followed by the rules of common/place.h, and each
 * failure is logged with the path and a way out. Return 0, ERROR_SNAPSHOT_
 * EXISTS or ERROR_SNAPSHOT_STORAGE.
 */

/* Creates path as a new file (O_EXCL) for writing; *fd is O_CLOEXEC. like
 * (may be NULL): see xls_create_like. */
int xls_file_create(const struct xls_log *log, const char *path,
                    const char *like, int *fd);

/* Whether a new file can be made at path: absolute, nothing there, parent
 * a directory. */
int xls_file_check_new(const struct xls_log *log, const char *path);

/* Opens a regular file for reading. ERROR_SNAPSHOT_IMAGE_CORRUPT
 * when it is something else, ERROR_SNAPSHOT_STORAGE when it cannot be. */
int xls_file_open(const struct xls_log *log, const char *path, int *fd);

/*
 * A second name for a file; the new one must not exist, both on one file
 * system. id (NULL: any): which file it must be.
 *
 * What is done with names is durable when these return, which in a guest's
 * pause takes too long: there it is done _now, and xls_dir_sync follows.
 */
int xls_file_link(const struct xls_log *log, const char *path,
                  const char *new_path, const struct xls_file_id *id);
int xls_file_rename(const struct xls_log *log, const char *path,
                    const char *new_path);
int xls_file_rename_now(const struct xls_log *log, const char *path,
                        const char *new_path);
/* Like it, but ERROR_SNAPSHOT_EXISTS when something is at new_path. */
int xls_file_rename_new(const struct xls_log *log, const char *path,
                        const char *new_path);
/* An error, logged, unless path is that file. */
int xls_file_check_id(const struct xls_log *log, const char *path,
                      const struct xls_file_id *id);

/*
 * common/take_path.c: has new_path (or what it is a symlink to), where another
 * file may be, name the file at path too; at no time is there nothing at
 * new_path, unless what is there was put aside before. On its way the file bears a second name, which the caller gets
 * from xls_file_second_name and records, so that recovery finds it. id
 * (NULL: any): which file path must be.
 */
char *xls_file_second_name(const char *new_path);
/* For a journal without one: earlier versions derived it from new_path. It is
 * used where it is a name of the file at path, else a new one. */
char *xls_file_second_name_unrecorded(const char *path, const char *new_path);
int xls_file_take_path(const struct xls_log *log, const char *path,
                       const char *new_path, const char *name,
                       const struct xls_file_id *id);
/* Makes the second name: what can fail for want of space or permission. */
int xls_file_take_path_prepare(const struct xls_log *log, const char *path,
                               const char *name, const struct xls_file_id *id);
/* What the second name's file is to replace, if it is there, gets out of the
 * way, durably, under a name that follows from the second one. drop: for good;
 * missing is no failure. */
int xls_file_put_aside(const struct xls_log *log, const char *name);
char *xls_file_aside(const char *name);         /* that one; malloc'ed */
bool xls_file_is_aside(const char *name);
void xls_file_drop_aside(const struct xls_log *log, const char *name);
/* path, which is unlinked then, may have been a symlink to the file that
 * new_path is now: that other name goes, too. Not durable at once. */
int xls_file_drop_former(const struct xls_log *log, const char *path,
                         const char *new_path);
/* Whether name is one of at least two names of the regular file at path. */
bool xls_is_second_name(const char *name, const char *path);
/* Removes name when it is one, so that the file is not lost with it. */
void xls_file_drop_second_name(const struct xls_log *log, const char *name,
                               const char *path);
/* Makes the file end in at least this many bytes that hold nothing, sparse. */
int xls_file_headroom(const struct xls_log *log, const char *path,
                      uint64_t bytes);
/* Missing is no failure. */
int xls_file_unlink(const struct xls_log *log, const char *path);
int xls_file_unlink_now(const struct xls_log *log, const char *path);

/* All of it, where the file is; at an offset; all of the parts, which are
 * changed by it (path NULL: a failure is not logged). */
int xls_fd_write(const struct xls_log *log, int fd, const char *path,
                 const void *data, size_t len);
int xls_fd_write_at(const struct xls_log *log, int fd, const char *path,
                    const void *data, size_t len, uint64_t offset);
struct iovec;
int xls_fd_writev(const struct xls_log *log, int fd, const char *path,
                  struct iovec *iov, int num);
/* ERROR_SNAPSHOT_IMAGE_CORRUPT when the file ends before. */
int xls_fd_read_at(const struct xls_log *log, int fd, const char *path,
                   void *data, size_t len, uint64_t offset);
int xls_fd_sync(const struct xls_log *log, int fd, const char *path);
/* fsync of a file that another process writes. */
int xls_file_sync(const struct xls_log *log, const char *path);
/*
 * Has the kernel begin to write what it holds of a file: whoever copies much
 * into it and then has it on the disk need not wait for all at the end, nor
 * does what else is flushed in between. Promises nothing, and never fails.
 */
void xls_file_begin_sync(const char *path);
/* fsync of the directory that holds path. */
int xls_dir_sync(const struct xls_log *log, const char *path);

/*
 * Protects a frozen layer against a stray writer: the immutable flag, or
 * where the file system has none (or we may not set it) no write permission,
 * with a notice, since root writes all the same. Block devices and anything
 * else that is no regular file are left alone. Never fails the operation:
 * what cannot be protected is told.
 */
void xls_file_freeze(const struct xls_log *log, const char *path);
/* While the guest stands still: at once, but it is durable only with the other,
 * which has to follow. */
void xls_file_freeze_now(const struct xls_log *log, const char *path);
/* Lifts it again. A file that is not frozen is left as it is; one that is
 * immutable, but not by xls_file_freeze, is an error. */
int xls_file_thaw(const struct xls_log *log, const char *path);

/* Whether two paths name one inode, or one block device; false when either is
 * missing. */
bool xls_same_file(const char *a, const char *b);

#endif
