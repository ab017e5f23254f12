/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"

#define MAX_OUT (16u << 20)
#define MAX_ERR 2000
#define WATCH_MS 200

/* Asks from time to time whether the program is to go on. */
struct watch {
    int (*f)(void *user, const char *text);
    void *user;
    bool ended;                 /* it is not */
};

struct sink {
    int fd;
    char *text;
    size_t len, max;
};

static int held = -1;

void run_hold(int lock)
{
    held = lock;
}

static void child(const char *const argv[], pid_t parent, int out, int err)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    /* The parent may have ended before this was asked for. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(126);
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    if (held >= 0)
        fcntl(held, F_SETFD, 0);
    setenv("LC_ALL", "C", 1);
    execvp(argv[0], (char *const *)argv);
    dprintf(2, "%s", errno == ENOENT ? "there is no such program in PATH"
                                     : strerror(errno));
    _exit(127);
}

/* Takes what there is; past max it is thrown away, so that the child ends. */
static bool drain(struct sink *s)
{
    char buf[16384];
    ssize_t r = read(s->fd, buf, sizeof(buf));
    size_t take;

    if (r < 0)
        return errno == EINTR;
    if (r == 0)
        return false;
    take = (size_t)r < s->max - s->len ? (size_t)r : s->max - s->len;
    s->text = xls_realloc(s->text, s->len + take + 1, 1);
    memcpy(s->text + s->len, buf, take);
    s->len += take;
    s->text[s->len] = 0;
    return true;
}

static void look(struct watch *w, struct sink *out, pid_t pid)
{
    /* It needs no more than the end. */
    if (out->len > 512) {
        memmove(out->text, out->text + out->len - 64, 65);
        out->len = 64;
    }
    if (!w->ended && w->f(w->user, out->text)) {
        w->ended = true;
        kill(pid, SIGTERM);
    }
}

static void collect(struct sink sinks[2], struct watch *w, pid_t pid)
{
    struct pollfd fds[2] = {
        { .fd = sinks[0].fd, .events = POLLIN },
        { .fd = sinks[1].fd, .events = POLLIN },
    };
    int i;

    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int r = poll(fds, 2, w ? WATCH_MS : -1);

        if (w)
            look(w, &sinks[0], pid);
        if (r < 0)
            continue;
        for (i = 0; i < 2; i++)
            if (fds[i].fd >= 0 && fds[i].revents && !drain(&sinks[i]))
                fds[i].fd = -1;
    }
}

static int result(const char *name, int status, char *text, struct error *e)
{
    char *p;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    for (p = text; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = p[1] ? ' ' : 0;
    if (WIFSIGNALED(status))
        return error_set(e, "%s was ended by signal %d (%s)", name,
                         WTERMSIG(status), strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) == 127 && !strncmp(name, "qemu-img", 8))
        return error_set(e, "%s: %s; install qemu-utils", name, text);
    return error_set(e, "%s (exit status %d)",
                     *text ? text : name, WEXITSTATUS(status));
}

/* Whether it told what it found; 126 and 127 are child()'s. */
static bool is_finding(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) >= 2 &&
           WEXITSTATUS(status) < 126;
}

/* found: NULL, or what run_status is for. */
static int run_any(const char *const argv[], char **out, size_t *len,
                   struct watch *w, int *found, struct error *e)
{
    struct sink sinks[2] = {
        { .fd = -1, .text = xls_strdup(""), .max = MAX_OUT },
        { .fd = -1, .text = xls_strdup(""), .max = MAX_ERR },
    };
    int outs[2] = { -1, -1 }, errs[2] = { -1, -1 };
    int status, ret;
    pid_t pid = -1, self = getpid();

    if (pipe2(outs, O_CLOEXEC) || pipe2(errs, O_CLOEXEC) ||
        (pid = fork()) < 0) {
        ret = error_errno(e, "cannot start %s", argv[0]);
        goto out;
    }
    if (pid == 0)
        child(argv, self, outs[1], errs[1]);
    close(outs[1]);
    close(errs[1]);
    outs[1] = errs[1] = -1;
    sinks[0].fd = outs[0];
    sinks[1].fd = errs[0];
    collect(sinks, w, pid);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (found && is_finding(status)) {
        *found = WEXITSTATUS(status);
        ret = 0;
    } else {
        ret = w && w->ended ? 1 : result(argv[0], status, sinks[1].text, e);
    }
    if (!ret && out) {
        *out = sinks[0].text;
        *len = sinks[0].len;
        sinks[0].text = NULL;
    }

out:
    if (outs[0] >= 0)
        close(outs[0]);
    if (outs[1] >= 0)
        close(outs[1]);
    if (errs[0] >= 0)
        close(errs[0]);
    if (errs[1] >= 0)
        close(errs[1]);
    free(sinks[0].text);
    free(sinks[1].text);
    return ret;
}

int run(const char *const argv[], char **out, size_t *len, struct error *e)
{
    return run_any(argv, out, len, NULL, NULL, e);
}

int run_status(const char *const argv[], int *status, char **out, size_t *len,
               struct error *e)
{
    *status = 0;
    return run_any(argv, out, len, NULL, status, e);
}

int run_watched(const char *const argv[],
                int (*watch)(void *user, const char *text), void *user,
                struct error *e)
{
    struct watch w = { .f = watch, .user = user };

    return run_any(argv, NULL, NULL, &w, NULL, e);
}

int run_json(const char *const argv[], struct xls_json **v, struct error *e)
{
    char *text = NULL, *what = NULL;
    size_t len;

    *v = NULL;
    if (run(argv, &text, &len, e))
        return -1;
    *v = xls_json_parse(text, len, &xls_json_limits_qmp, &what);
    if (!*v)
        error_set(e, "%s %s: %s", argv[0], argv[1], what);
    free(what);
    free(text);
    return *v ? 0 : -1;
}
