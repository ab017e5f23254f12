/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/pid_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "common/process.h"

#define POLL_MS 50

/* flock, tried again and again. */
static int lock(int fd, unsigned wait_ms)
{
    const struct timespec pause = { 0, POLL_MS * 1000000L };
    unsigned waited = 0;

    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || waited >= wait_ms)
            return -1;
        nanosleep(&pause, NULL);
        waited += POLL_MS;
    }
    return 0;
}

static char *read_holder(int fd)
{
    char pid[32] = "";
    ssize_t len = pread(fd, pid, sizeof(pid) - 1, 0);

    pid[len > 0 ? strspn(pid, "0123456789") : 0] = '\0';
    return xls_process(pid, "another snapshot command");
}

enum xls_lock xls_pid_lock(int dir, const char *name, unsigned wait_ms, int *fd,
                           char **holder)
{
    enum xls_lock result = XLS_LOCK_TAKEN;
    int saved;

    *holder = NULL;
    *fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*fd < 0)
        return XLS_LOCK_ERROR;
    if (lock(*fd, wait_ms)) {
        result = errno == EWOULDBLOCK || errno == EINTR ? XLS_LOCK_BUSY
                                                        : XLS_LOCK_ERROR;
        if (result == XLS_LOCK_BUSY)
            *holder = read_holder(*fd);
    } else if (ftruncate(*fd, 0) || dprintf(*fd, "%d\n", getpid()) < 0) {
        result = XLS_LOCK_ERROR;
    }
    if (result != XLS_LOCK_TAKEN) {
        saved = errno;
        close(*fd);
        *fd = -1;
        errno = saved;
    }
    return result;
}
