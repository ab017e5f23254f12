/* SPDX-License-Identifier: LGPL-2.1-only */
#include "xlcreate/start_lock.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>

#define POLL_MS 200
#define MAX_FD 4096             /* far above what this program opens */

static bool is_there(libxl_ctx *ctx, const char *domain)
{
    libxl_domain_config config;
    uint32_t domid;
    bool there;

    if (libxl_name_to_domid(ctx, domain, &domid))
        return false;
    libxl_domain_config_init(&config);
    there = !libxl_retrieve_domain_configuration(ctx, domid, &config, NULL);
    libxl_domain_config_dispose(&config);
    return there;
}

static void wait_started(int xl, const char *domain)
{
    struct pollfd ended = { .fd = xl, .events = POLLIN };
    xentoollog_logger_stdiostream *logger;
    libxl_ctx *ctx = NULL;

    logger = xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    if (!logger || libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0,
                                   (xentoollog_logger *)logger))
        ctx = NULL;
    while (!poll(&ended, 1, POLL_MS) && !(ctx && is_there(ctx, domain)))
        ;
}

/* Nothing that xl's caller waits for, such as a pipe, stays open here. */
static void keep_only(int a, int b)
{
    int null = open("/dev/null", O_RDWR), fd;

    for (fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
    for (fd = 3; fd < MAX_FD; fd++)
        if (fd != a && fd != b)
            close(fd);
}

void start_lock_hold(int lock, const char *domain)
{
    int xl = (int)syscall(SYS_pidfd_open, getpid(), 0);
    pid_t pid = xl < 0 ? -1 : fork();

    if (pid == 0) {
        setsid();
        /* Not a child of xl, which would have to wait for it. */
        if (fork())
            _exit(0);
        signal(SIGHUP, SIG_IGN);
        keep_only(lock, xl);
        wait_started(xl, domain);
        _exit(0);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
    if (xl >= 0)
        close(xl);
}
