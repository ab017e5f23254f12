/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Preloaded into a process, kills it right after the N-th time that it changed
 * something: a name in the file system, the state of QEMU by a command, or that
 * of a domain by libxl.
 * N is KILLAT in the environment; the process's own children are left alone.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libxl.h>

static long left;
static pid_t self;

__attribute__((constructor)) static void start(void)
{
    const char *n = getenv("KILLAT");

    left = n ? atol(n) : 0;
    self = getpid();
    unsetenv("LD_PRELOAD");
}

/* libxl destroys a domain in a child, which is a copy of this process. */
static void changed(void)
{
    if (left && getpid() == self && !--left)
        kill(self, SIGKILL);
}

/* Calls the real function of that name. */
#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

int link(const char *from, const char *to)
{
    int r = REAL(link)(from, to);

    changed();
    return r;
}

int rename(const char *from, const char *to)
{
    int r = REAL(rename)(from, to);

    changed();
    return r;
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to,
              unsigned flags)
{
    int r = REAL(renameat2)(from_dir, from, to_dir, to, flags);

    changed();
    return r;
}

int unlink(const char *path)
{
    int r = REAL(unlink)(path);

    changed();
    return r;
}

static int is_command(const struct msghdr *msg)
{
    static const char *const asking[] = { "\"query-", "\"qmp_capabilities\"",
                                          "\"qom-" };
    const struct iovec *v = msg->msg_iov;
    size_t i;

    if (msg->msg_iovlen != 1 ||
        !memmem(v->iov_base, v->iov_len, "\"execute\"", 9))
        return 0;
    for (i = 0; i < sizeof(asking) / sizeof(asking[0]); i++)
        if (memmem(v->iov_base, v->iov_len, asking[i], strlen(asking[i])))
            return 0;
    return 1;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    ssize_t r = REAL(sendmsg)(fd, msg, flags);

    if (is_command(msg))
        changed();
    return r;
}

/* What changes a domain: after the call that does it and waits for its end. */
#define DOMAIN_CALL(name, parameters, arguments)                              \
    int name parameters                                                       \
    {                                                                         \
        int r = REAL(name) arguments;                                         \
                                                                              \
        changed();                                                            \
        return r;                                                             \
    }

DOMAIN_CALL(libxl_domain_pause,
            (libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *how),
            (ctx, domid, how))
DOMAIN_CALL(libxl_domain_unpause,
            (libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *how),
            (ctx, domid, how))
DOMAIN_CALL(libxl_domain_destroy,
            (libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *how),
            (ctx, domid, how))
DOMAIN_CALL(libxl_domain_rename,
            (libxl_ctx *ctx, uint32_t domid, const char *from, const char *to),
            (ctx, domid, from, to))
DOMAIN_CALL(libxl_domain_create_new,
            (libxl_ctx *ctx, libxl_domain_config *config, uint32_t *domid,
             const libxl_asyncop_how *how,
             const libxl_asyncprogress_how *console),
            (ctx, config, domid, how, console))
DOMAIN_CALL(libxl_domain_create_restore,
            (libxl_ctx *ctx, libxl_domain_config *config, uint32_t *domid,
             int fd, int send_back_fd,
             const libxl_domain_restore_params *params,
             const libxl_asyncop_how *how,
             const libxl_asyncprogress_how *console),
            (ctx, config, domid, fd, send_back_fd, params, how, console))
