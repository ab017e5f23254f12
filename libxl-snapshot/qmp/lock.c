/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"

/*
 * libxl's lock around the QMP socket, by libxl's rules (libxl__ev_slowlock):
 * flock(2) on a file that its holder removes before letting go. So a lock on
 * a file that is no longer the one at the path is no lock, and the file has
 * to be opened anew.
 */

#define MAX_BACK_OFF_MS 16

static bool is_at_path(int fd, const char *path)
{
    struct stat by_fd, by_path;

    return !fstat(fd, &by_fd) && !stat(path, &by_path) &&
           by_fd.st_dev == by_path.st_dev && by_fd.st_ino == by_path.st_ino;
}

int xls_qmp__lock(const struct xls_log *log, const char *path,
                  uint64_t deadline, struct xls_qmp_lock *lock)
{
    unsigned ms = 1;
    int fd = -1, r, rc;

    for (;;) {
        if (fd < 0) {
            fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
            if (fd < 0) {
                XLS_ERRORE(log, "cannot open libxl's lock %s", path);
                rc = ERROR_SNAPSHOT_QMP;
                goto out;
            }
        }
        r = flock(fd, LOCK_EX | LOCK_NB);
        if (!r && is_at_path(fd, path)) {
            lock->fd = fd;
            lock->path = xls_strdup(path);
            return 0;
        }
        if (r && errno != EWOULDBLOCK && errno != EINTR) {
            XLS_ERRORE(log, "cannot lock %s", path);
            rc = ERROR_SNAPSHOT_QMP;
            goto out;
        }
        if (!xls_qmp__left_ms(deadline)) {
            XLS_ERROR(log, "%s: another process keeps the lock on QEMU's"
                      " monitor", path);
            rc = ERROR_TIMEDOUT;
            goto out;
        }
        if (!is_at_path(fd, path)) {
            close(fd);
            fd = -1;
        } else {
            xls_qmp__back_off(&ms, deadline);
            if (ms > MAX_BACK_OFF_MS)
                ms = MAX_BACK_OFF_MS;
        }
    }

out:
    if (fd >= 0)
        close(fd);
    return rc;
}

/*
 * The file goes first: after the unlock another process may have locked it
 * already. It stays when it is not ours: libxl removes the file, locked or
 * not, together with the domain.
 */
void xls_qmp__unlock(struct xls_qmp_lock *lock)
{
    if (lock->fd < 0)
        return;
    if (is_at_path(lock->fd, lock->path))
        unlink(lock->path);
    /* not left to close(2): a child forked meanwhile may have the file too */
    flock(lock->fd, LOCK_UN);
    close(lock->fd);
    free(lock->path);
    lock->fd = -1;
    lock->path = NULL;
}
