/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_SUPERVISE_SHUTDOWN_H
#define PLUGIN_SUPERVISE_SHUTDOWN_H

#include <stdint.h>

#include <libxl.h>

struct supervisor {
    libxl_ctx *ctx;
    const char *name;
    uint32_t domid;
    libxl_domain_config config;
    libxl_evgen_domain_death *death;
    libxl_evgen_disk_eject **ejects;
    int num_ejects;
    char *lock_path;
    int lock;
};

/* To the domain's log. */
void supervisor_log(const struct supervisor *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Reads the domain's configuration, which has its actions. */
int supervisor_reload(struct supervisor *s);

/* Does what the configuration says for this reason of a shutdown, up to the
 * old domain's end. */
enum next { NEXT_GO_ON, NEXT_RESTART, NEXT_END };
enum next supervisor_shutdown(struct supervisor *s,
                              libxl_shutdown_reason reason);
/* After NEXT_RESTART: makes and starts the new domain. */
int supervisor_restart(struct supervisor *s);

#endif
