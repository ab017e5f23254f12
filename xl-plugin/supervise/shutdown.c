/* SPDX-License-Identifier: LGPL-2.1-only */
#include "supervise/shutdown.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"

#define DUMP_DIR "/var/lib/xen/dump"

void supervisor_log(const struct supervisor *s, const char *fmt, ...)
{
    va_list al;

    (void)s;
    fputs("xl-snapshot: ", stderr);
    va_start(al, fmt);
    vfprintf(stderr, fmt, al);
    va_end(al);
    fputc('\n', stderr);
}

int supervisor_reload(struct supervisor *s)
{
    libxl_domain_config config;
    uint8_t *data = NULL;
    int rc, len = 0;

    libxl_domain_config_init(&config);
    rc = libxl_retrieve_domain_configuration(s->ctx, s->domid, &config, NULL);
    if (rc) {
        supervisor_log(s, "cannot read the configuration of domain %u: %s",
                       s->domid, libxl_snapshot_strerror(rc));
        libxl_domain_config_dispose(&config);
        return rc;
    }
    libxl_domain_config_dispose(&s->config);
    s->config = config;

    /* What "xl config-update" leaves is in xl's own syntax. */
    if (!libxl_userdata_retrieve(s->ctx, s->domid, "xl", &data, &len) && len)
        supervisor_log(s, "the configuration given to xl config-update is "
                       "used when the domain is next made by xl, not at a "
                       "restart by this process");
    free(data);
    return 0;
}

static libxl_action_on_shutdown choose(struct supervisor *s,
                                       libxl_shutdown_reason reason)
{
    switch (reason) {
    case LIBXL_SHUTDOWN_REASON_POWEROFF:
        return s->config.on_poweroff;
    case LIBXL_SHUTDOWN_REASON_REBOOT:
        return s->config.on_reboot;
    case LIBXL_SHUTDOWN_REASON_CRASH:
        return s->config.on_crash;
    case LIBXL_SHUTDOWN_REASON_WATCHDOG:
        return s->config.on_watchdog;
    case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
        return s->config.on_soft_reset;
    default:
        supervisor_log(s, "unknown reason of a shutdown: %d", reason);
        return LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
    }
}

static void dump_core(struct supervisor *s)
{
    char *path = xls_asprintf(DUMP_DIR "/%s", s->name);
    int rc;

    supervisor_log(s, "dumping core to %s", path);
    if (mkdir(DUMP_DIR, 0700) && errno != EEXIST)
        supervisor_log(s, "cannot make " DUMP_DIR ": %s", strerror(errno));
    rc = libxl_domain_core_dump(s->ctx, s->domid, path, NULL);
    if (rc)
        supervisor_log(s, "the core dump failed: %s",
                       libxl_snapshot_strerror(rc));
    free(path);
}

/* Keeps the domain that was under another name and uuid. */
static int preserve(struct supervisor *s)
{
    time_t now = time(NULL);
    libxl_uuid uuid;
    char suffix[32];
    struct tm tm;
    int rc;

    if (!gmtime_r(&now, &tm) ||
        !strftime(suffix, sizeof(suffix), "-%Y%m%dT%H%MZ", &tm))
        return ERROR_FAIL;
    libxl_uuid_generate(&uuid);
    rc = libxl_domain_preserve(s->ctx, s->domid, &s->config.c_info, suffix,
                               uuid);
    if (rc)
        supervisor_log(s, "cannot rename domain %u: %s", s->domid,
                       libxl_snapshot_strerror(rc));
    return rc;
}

static void destroy(struct supervisor *s)
{
    int rc;

    supervisor_log(s, "destroying domain %u", s->domid);
    rc = libxl_domain_destroy(s->ctx, s->domid, NULL);
    if (rc)
        supervisor_log(s, "cannot destroy domain %u: %s", s->domid,
                       libxl_snapshot_strerror(rc));
    s->domid = INVALID_DOMID;
}

enum next supervisor_shutdown(struct supervisor *s,
                              libxl_shutdown_reason reason)
{
    libxl_action_on_shutdown action;

    supervisor_log(s, "domain %u has shut down, reason %s", s->domid,
                   libxl_shutdown_reason_to_string(reason));
    if (reason == LIBXL_SHUTDOWN_REASON_SUSPEND)
        return NEXT_GO_ON;
    /* As it is at its end; disks and actions may have changed. When it cannot
     * be read, what was known before must do. */
    supervisor_reload(s);
    action = choose(s, reason);
    supervisor_log(s, "action: %s",
                   libxl_action_on_shutdown_to_string(action));

    switch (action) {
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY:
        dump_core(s);
        /* fall through */
    case LIBXL_ACTION_ON_SHUTDOWN_DESTROY:
        destroy(s);
        return NEXT_END;
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART:
        dump_core(s);
        /* fall through */
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART:
        destroy(s);
        return NEXT_RESTART;
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME:
        if (preserve(s))
            return NEXT_END;
        s->domid = INVALID_DOMID;
        return NEXT_RESTART;
    case LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET:
        return NEXT_RESTART;
    case LIBXL_ACTION_ON_SHUTDOWN_PRESERVE:
        return NEXT_END;
    }
    return NEXT_END;
}

int supervisor_restart(struct supervisor *s)
{
    int rc;

    /* As xl: without a pause making the domain again fails at times, and a
     * guest that crashes as it boots does not keep the host busy. */
    supervisor_log(s, "starting the domain again");
    sleep(2);
    if (s->domid != (uint32_t)INVALID_DOMID) {
        rc = libxl_domain_soft_reset(s->ctx, &s->config, s->domid, NULL,
                                     NULL);
    } else {
        s->config.c_info.domid = INVALID_DOMID;
        rc = libxl_domain_create_new(s->ctx, &s->config, &s->domid, NULL,
                                     NULL);
    }
    if (!rc)
        rc = libxl_domain_unpause(s->ctx, s->domid, NULL);
    if (rc) {
        supervisor_log(s, "the domain cannot be started: %s",
                       libxl_snapshot_strerror(rc));
        if (s->domid != (uint32_t)INVALID_DOMID)
            libxl_domain_destroy(s->ctx, s->domid, NULL);
        return rc;
    }
    supervisor_log(s, "domain %s is now domid %u", s->name, s->domid);
    return 0;
}
