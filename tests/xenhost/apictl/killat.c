/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Preloaded into a process, kills it right after the N-th time that it changed
 * something: a name in the file system, the state of QEMU by a command, or that
 * of a domain by libxl.
 * N is KILLAT in the environment; the process's own children are left alone.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libxl.h>

#include "name_changes.h"

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
CHANGING(libxl_domain_pause,
         (libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *how),
         (ctx, domid, how))
CHANGING(libxl_domain_unpause,
         (libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *how),
         (ctx, domid, how))
CHANGING(libxl_domain_destroy,
         (libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *how),
         (ctx, domid, how))
CHANGING(libxl_domain_rename,
         (libxl_ctx *ctx, uint32_t domid, const char *from, const char *to),
         (ctx, domid, from, to))
CHANGING(libxl_domain_create_new,
         (libxl_ctx *ctx, libxl_domain_config *config, uint32_t *domid,
          const libxl_asyncop_how *how,
          const libxl_asyncprogress_how *console),
         (ctx, config, domid, how, console))
CHANGING(libxl_domain_create_restore,
         (libxl_ctx *ctx, libxl_domain_config *config, uint32_t *domid,
          int fd, int send_back_fd,
          const libxl_domain_restore_params *params,
          const libxl_asyncop_how *how,
          const libxl_asyncprogress_how *console),
         (ctx, config, domid, fd, send_back_fd, params, how, console))
