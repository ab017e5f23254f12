/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_PID_LOCK_H
#define XLS_COMMON_PID_LOCK_H

/*
 * A lock between processes: flock(2) of a file, mode 0600, that says which
 * process has it, for the message of those that wait. It ends with the last
 * descriptor of the file.
 */
enum xls_lock {
    XLS_LOCK_TAKEN,
    XLS_LOCK_BUSY,
    XLS_LOCK_ERROR,             /* errno is set */
};
/*
 * Takes it, waiting for up to so many milliseconds; name as for openat(2),
 * without links. XLS_LOCK_TAKEN: *fd, O_CLOEXEC. XLS_LOCK_BUSY: *holder
 * (malloc'ed), such as "xl-snapshot (process 12)".
 */
enum xls_lock xls_pid_lock(int dir, const char *name, unsigned wait_ms, int *fd,
                           char **holder);

#endif
