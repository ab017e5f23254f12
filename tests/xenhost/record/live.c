/* SPDX-License-Identifier: LGPL-2.1-only */
/* Preloaded into `xl save`, which can't be told to, saves the guest live. */
#define _GNU_SOURCE
#include <dlfcn.h>

#include <libxl.h>

int libxl_domain_suspend(libxl_ctx *ctx, uint32_t domid, int fd, int flags,
                         const libxl_asyncop_how *ao_how)
{
    typeof(&libxl_domain_suspend) real =
        dlsym(RTLD_NEXT, "libxl_domain_suspend");

    return real(ctx, domid, fd, flags | LIBXL_SUSPEND_LIVE, ao_how);
}
