/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/internal.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int xls_qmp__die(struct xls_qmp *qmp, const char *fmt, ...)
{
    char why[256];
    va_list al;

    va_start(al, fmt);
    vsnprintf(why, sizeof(why), fmt, al);
    va_end(al);
    qmp->dead = true;
    XLS_ERROR(qmp->log, "QEMU's monitor %s: %s", qmp->socket_path, why);
    return ERROR_SNAPSHOT_QMP;
}

int xls_qmp__connect(struct xls_qmp *qmp, uint64_t deadline)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    unsigned ms = 1;

    if (strlen(qmp->socket_path) >= sizeof(un.sun_path))
        return xls_qmp__die(qmp, "longer than the %zu bytes of a socket path",
                            sizeof(un.sun_path) - 1);
    strcpy(un.sun_path, qmp->socket_path);
    qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (qmp->fd < 0)
        return xls_qmp__die(qmp, "socket: %s", strerror(errno));
    while (connect(qmp->fd, (struct sockaddr *)&un, sizeof(un))) {
        /* a UNIX socket's full backlog is EAGAIN, and there is no poll(2)
         * for room in it */
        if (errno != EAGAIN && errno != EINTR)
            return xls_qmp__die(qmp, "cannot connect: %s", strerror(errno));
        if (!xls_qmp__left_ms(deadline))
            return ERROR_TIMEDOUT;
        xls_qmp__back_off(&ms, deadline);
    }
    return 0;
}

/* Waits until the socket is ready, or broken, which the next call on it will
 * tell. */
static int wait_for(struct xls_qmp *qmp, short events, uint64_t deadline)
{
    struct pollfd pfd = { .fd = qmp->fd, .events = events };
    int r, ms;

    do {
        ms = xls_qmp__left_ms(deadline);
        if (!ms)
            return ERROR_TIMEDOUT;
        r = poll(&pfd, 1, ms);
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        return xls_qmp__die(qmp, "poll: %s", strerror(errno));
    return r ? 0 : ERROR_TIMEDOUT;
}

int xls_qmp__send(struct xls_qmp *qmp, const char *text, int pass_fd,
                  uint64_t deadline)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } control;
    size_t len = strlen(text);
    int rc;

    while (len) {
        struct iovec iov = { .iov_base = (char *)text, .iov_len = len };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (pass_fd >= 0) {
            memset(&control, 0, sizeof(control));
            control.align.cmsg_level = SOL_SOCKET;
            control.align.cmsg_type = SCM_RIGHTS;
            control.align.cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(&control.align), &pass_fd, sizeof(int));
            msg.msg_control = control.buf;
            msg.msg_controllen = sizeof(control.buf);
        }
        n = sendmsg(qmp->fd, &msg, MSG_NOSIGNAL);
        if (n >= 0) {
            text += n;
            len -= (size_t)n;
            pass_fd = -1;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return xls_qmp__die(qmp, "cannot send: %s", strerror(errno));
        rc = wait_for(qmp, POLLOUT, deadline);
        if (rc)
            return rc;
    }
    return 0;
}

int xls_qmp__drain(struct xls_qmp *qmp, uint64_t deadline)
{
    unsigned ms = 1;
    int unread;

    while (!ioctl(qmp->fd, SIOCOUTQ, &unread) && unread) {
        if (!xls_qmp__left_ms(deadline))
            return ERROR_TIMEDOUT;
        xls_qmp__back_off(&ms, deadline);
    }
    return 0;
}

/* Parses what has been received; 1: *message is set. */
static int parse_received(struct xls_qmp *qmp, struct xls_json **message)
{
    struct xls_json *v = NULL;
    char *error = NULL;
    size_t used;
    int r, rc;

    r = xls_json_stream_feed(qmp->stream, qmp->buf + qmp->buf_at,
                             qmp->buf_len - qmp->buf_at, &used, &v, &error);
    qmp->buf_at += used;
    qmp->partial_bytes += used;
    if (r < 0) {
        rc = xls_qmp__die(qmp, "sent bad JSON: %s", error);
        free(error);
        return rc;
    }
    if (!r)
        return 0;
    if (v->type != XLS_JSON_OBJECT) {
        xls_json_free(v);
        return xls_qmp__die(qmp, "sent JSON that is not an object");
    }
    qmp->message_bytes = qmp->partial_bytes;
    qmp->partial_bytes = 0;
    *message = v;
    return 1;
}

int xls_qmp__receive(struct xls_qmp *qmp, uint64_t deadline,
                     struct xls_json **message)
{
    bool received = false;
    ssize_t n;
    int rc;

    for (;;) {
        if (qmp->buf_at < qmp->buf_len) {
            rc = parse_received(qmp, message);
            if (rc)
                return rc < 0 ? rc : 0;
        }
        /* bytes that never end must not outlast the deadline */
        if (received && !xls_qmp__left_ms(deadline))
            return ERROR_TIMEDOUT;
        n = recv(qmp->fd, qmp->buf, sizeof(qmp->buf), 0);
        if (n > 0) {
            qmp->received_us = xls_now_us();
            qmp->buf_at = 0;
            qmp->buf_len = (size_t)n;
            received = true;
            continue;
        }
        if (!n || errno == ECONNRESET)
            return xls_qmp__die(qmp, "closed the connection");
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return xls_qmp__die(qmp, "cannot receive: %s", strerror(errno));
        rc = wait_for(qmp, POLLIN, deadline);
        if (rc)
            return rc;
    }
}
