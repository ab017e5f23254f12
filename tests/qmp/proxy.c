/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/proxy.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qmp/support.h"

const char *const proxy_fault_names[PROXY_FAULTS] = {
    "none", "cut before delivery", "cut after delivery", "reply lost",
    "reply late", "executed late", "reply very late", "executed very late",
};

/* What the test and the proxy share. */
struct shared {
    atomic_int kind, n, fault;          /* what is asked for */
    atomic_int seen;                    /* messages of the kind */
    atomic_bool done, busy;
    char command[64];
};
static struct shared *shared;
static pid_t proxy_pid;

/* One direction's bytes, up to a whole message, and a descriptor that came with
 * them. */
struct text {
    char buf[1 << 20];
    size_t len;
    int fd;                     /* -1: none */
};

union control {
    struct cmsghdr align;
    char buf[CMSG_SPACE(sizeof(int))];
};

/* --- the proxy's process --- */

static int connect_to(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(un.sun_path, path);
    while (connect(fd, (struct sockaddr *)&un, sizeof(un))) {
        if (errno != EAGAIN && errno != EINTR) {
            close(fd);
            return -1;
        }
        usleep(1000);
    }
    return fd;
}

static void send_all(int fd, const char *buf, size_t len)
{
    while (len) {
        ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

        if (n < 0)
            return;             /* the peer has gone; its end says so, too */
        buf += n;
        len -= (size_t)n;
    }
}

/* The length of the first message in a text, 0 when it is not complete. */
static size_t message_length(const struct text *t)
{
    bool string = false, escaped = false;
    int depth = 0;
    size_t i;

    for (i = 0; i < t->len; i++) {
        char c = t->buf[i];

        if (string) {
            string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if (c == '"') {
            string = true;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && !--depth) {
            return i + 1;
        }
    }
    return 0;
}

/* To QEMU, with the descriptor that came. */
static void send_command(int qemu, struct text *t, size_t len)
{
    struct iovec iov = { .iov_base = t->buf, .iov_len = 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    union control control;

    if (t->fd >= 0) {
        memset(&control, 0, sizeof(control));
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.align), &t->fd, sizeof(int));
        msg.msg_control = control.buf;
        msg.msg_controllen = sizeof(control.buf);
        if (syscall(SYS_sendmsg, qemu, &msg, MSG_NOSIGNAL) != 1)
            _exit(4);
        close(t->fd);
        t->fd = -1;
    } else {
        send_all(qemu, t->buf, 1);
    }
    send_all(qemu, t->buf + 1, len - 1);
    send_all(qemu, "\n", 1);
}

static void drop_message(struct text *t, size_t len)
{
    memmove(t->buf, t->buf + len, t->len - len);
    t->len -= len;
}

/* False at the end of the connection. */
static bool receive(int fd, struct text *t)
{
    struct iovec iov = { .iov_base = t->buf + t->len,
                         .iov_len = sizeof(t->buf) - t->len };
    union control control;
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
                          .msg_control = control.buf,
                          .msg_controllen = sizeof(control.buf) };
    struct cmsghdr *c;
    ssize_t n;

    if (t->len == sizeof(t->buf))
        _exit(3);
    n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    if (n <= 0)
        return false;
    t->len += (size_t)n;
    c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&t->fd, CMSG_DATA(c), sizeof(int));
    return true;
}

static bool contains(const struct text *t, size_t len, const char *s)
{
    return memmem(t->buf, len, s, strlen(s));
}

/* Whether the message, a command, is the one to be spoiled. */
static enum proxy_fault judge(const struct text *t, size_t len)
{
    bool query = contains(t, len, "\"execute\":\"query-") ||
                 contains(t, len, "\"execute\":\"qom-get\"");
    const char *name = memmem(t->buf, len, "\"execute\":\"", 11);

    if (contains(t, len, "\"qmp_capabilities\"") ||
        query != (shared->kind == PROXY_QUERIES) ||
        ++shared->seen != shared->n)
        return PROXY_NONE;
    snprintf(shared->command, sizeof(shared->command), "%.*s",
             (int)strcspn(name + 11, "\""), name + 11);
    return shared->fault;
}

static void pause_ms(int ms)
{
    const struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

    nanosleep(&ts, NULL);
}

static int hold_ms(enum proxy_fault fault)
{
    return fault == PROXY_LONG || fault == PROXY_LONG_REPLY ? PROXY_LONG_MS
                                                            : PROXY_HOLD_MS;
}

/* Forwards QEMU's messages until its reply has come, which is left. */
static bool wait_reply(int client, int qemu, struct text *from_qemu)
{
    for (;;) {
        size_t len = message_length(from_qemu);

        if (!len) {
            if (!receive(qemu, from_qemu))
                return false;
        } else if (contains(from_qemu, len, "\"event\":") ||
                   contains(from_qemu, len, "\"event\": ")) {
            send_all(client, from_qemu->buf, len);
            drop_message(from_qemu, len);
        } else {
            return true;
        }
    }
}

/* One command that is spoiled. False: the connection ends with it. */
static bool spoil(int client, int qemu, struct text *from_client, size_t len,
                  struct text *from_qemu, enum proxy_fault fault)
{
    size_t reply;

    if (fault == PROXY_CUT_BEFORE)
        return false;
    if (fault == PROXY_LATE || fault == PROXY_LONG)
        pause_ms(hold_ms(fault));
    send_command(qemu, from_client, len);
    if (!wait_reply(client, qemu, from_qemu) || fault == PROXY_CUT_AFTER)
        return false;
    if (fault == PROXY_LATE_REPLY || fault == PROXY_LONG_REPLY)
        pause_ms(hold_ms(fault));
    reply = message_length(from_qemu);
    if (fault != PROXY_LOSE_REPLY)
        send_all(client, from_qemu->buf, reply);
    drop_message(from_qemu, reply);
    drop_message(from_client, len);
    return true;
}

/* What the client has sent; false: the connection ends. */
static bool forward_commands(int client, int qemu, struct text *from_client,
                             struct text *from_qemu)
{
    size_t len;

    while ((len = message_length(from_client))) {
        enum proxy_fault fault = judge(from_client, len);

        if (fault != PROXY_NONE) {
            bool goes_on = spoil(client, qemu, from_client, len, from_qemu,
                                 fault);

            shared->done = true;
            if (!goes_on)
                return false;
            continue;
        }
        send_command(qemu, from_client, len);
        drop_message(from_client, len);
    }
    return true;
}

static void serve(int client, int qemu)
{
    static struct text from_client, from_qemu;
    struct pollfd fds[2] = { { .fd = client, .events = POLLIN },
                             { .fd = qemu, .events = POLLIN } };

    from_client.len = from_qemu.len = 0;
    from_client.fd = from_qemu.fd = -1;
    for (;;) {
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents) {
            if (!receive(qemu, &from_qemu))
                return;
            send_all(client, from_qemu.buf, from_qemu.len);
            from_qemu.len = 0;
        }
        if (fds[0].revents &&
            (!receive(client, &from_client) ||
             !forward_commands(client, qemu, &from_client, &from_qemu)))
            return;
    }
}

static void run(int listener, const char *qemu_path)
{
    for (;;) {
        int client = accept(listener, NULL, NULL), qemu;

        if (client < 0)
            continue;
        shared->busy = true;
        qemu = connect_to(qemu_path);
        if (qemu >= 0) {
            serve(client, qemu);
            close(qemu);
        }
        close(client);
        shared->busy = false;
    }
}

/* --- the test's --- */

void proxy_start(const char *path, const char *qemu)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_not_equal(listener, -1);
    assert_true(strlen(path) < sizeof(un.sun_path));
    strcpy(un.sun_path, path);
    unlink(path);
    assert_int_equal(bind(listener, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(listener, 8), 0);
    if (!shared)
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    memset(shared, 0, sizeof(*shared));
    proxy_pid = fork();
    assert_int_not_equal(proxy_pid, -1);
    if (!proxy_pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(listener, qemu);
    }
    close(listener);
}

void proxy_stop(void)
{
    if (proxy_pid <= 0)
        return;
    kill(proxy_pid, SIGKILL);
    waitpid(proxy_pid, NULL, 0);
    proxy_pid = 0;
}

void proxy_spoil(enum proxy_kind kind, int n, enum proxy_fault fault)
{
    shared->n = 0;
    shared->kind = kind;
    shared->fault = fault;
    shared->seen = 0;
    shared->done = false;
    shared->command[0] = '\0';
    shared->n = n;
}

bool proxy_spoiled(char *command, int size)
{
    if (shared->command[0] && command)
        snprintf(command, size, "%s", shared->command);
    return shared->command[0];
}

void proxy_wait_idle(void)
{
    int i;

    for (i = 0; i < 20000; i++) {
        if (!shared->busy && (!shared->command[0] || shared->done))
            return;
        pause_ms(1);
    }
    fail_msg("the proxy does not become idle");
}
