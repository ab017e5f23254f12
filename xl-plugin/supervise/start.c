/* SPDX-License-Identifier: LGPL-2.1-only */
#include "supervise/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"

#define READY_MS 10000

static void keep_open(int fd)
{
    fcntl(fd, F_SETFD, 0);
}

/* Becomes "xl-snapshot supervise NAME DOMID READY-FD HOLD-FD PIDFD..." with
 * stdio to the domain's log and no other file open. A fresh program: nothing
 * of this process's libxl context may be used in a child. */
static void become_supervisor(const char *name, uint32_t domid,
                              const struct watchers *w, int ready, int hold)
{
    char *log = xls_asprintf("/var/log/xen/xl-%s.log", name);
    char **argv = xls_calloc(w->num + 7, sizeof(*argv));
    int null, out, i, n = 0;

    null = open("/dev/null", O_RDONLY);
    out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0644);
    if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(out, 2) < 0 || chdir("/"))
        _exit(1);
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC))
        _exit(1);
    argv[n++] = xls_strdup("xl-snapshot");
    argv[n++] = xls_strdup("supervise");
    argv[n++] = xls_strdup(name);
    argv[n++] = xls_asprintf("%u", domid);
    argv[n++] = xls_asprintf("%d", ready);
    keep_open(ready);
    argv[n++] = xls_asprintf("%d", hold);
    if (hold >= 0)
        keep_open(hold);
    for (i = 0; i < w->num; i++) {
        argv[n++] = xls_asprintf("%d", w->fds[i]);
        keep_open(w->fds[i]);
    }
    execv("/proc/self/exe", argv);
    _exit(1);
}

void supervise_release(struct watchers *w)
{
    if (w->hold >= 0)
        close(w->hold);
    w->hold = -1;
}

int supervise_start(const char *name, uint32_t domid, struct watchers *w,
                    struct error *e)
{
    static const struct watchers none = { .hold = -1 };
    struct pollfd poller = { .events = POLLIN };
    int ready[2], hold[2] = { -1, -1 }, ret;
    pid_t pid;
    char c;

    if (strchr(name, '/'))
        return error_set(e, "no log file can be named after %s", name);
    if (pipe2(ready, O_CLOEXEC))
        return error_errno(e, "cannot start a supervisor");
    if (w && pipe2(hold, O_CLOEXEC)) {
        close(ready[0]);
        close(ready[1]);
        return error_errno(e, "cannot start a supervisor");
    }
    pid = fork();
    if (pid == 0) {
        /* Twice, so that it is nobody's child and no session's leader. */
        setsid();
        pid = fork();
        if (pid == 0)
            become_supervisor(name, domid, w ? w : &none, ready[1],
                              hold[0]);
        _exit(pid < 0);
    }
    close(ready[1]);
    if (w) {
        close(hold[0]);
        supervise_release(w);
        w->hold = hold[1];
    }
    if (pid < 0) {
        close(ready[0]);
        return error_errno(e, "cannot start a supervisor");
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    poller.fd = ready[0];
    if (poll(&poller, 1, READY_MS) == 1 && read(ready[0], &c, 1) == 1)
        ret = 0;
    else
        ret = error_set(e, "the supervisor of %s did not start; see "
                        "/var/log/xen/xl-%s.log", name, name);
    close(ready[0]);
    return ret;
}
