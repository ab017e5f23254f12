/* SPDX-License-Identifier: LGPL-2.1-only */
/* The supervisor's process. What it does at a shutdown is what xl does. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "supervise/shutdown.h"

/* How long watchers have to end after the suspension, ms. */
#define WATCHERS_MS 30000

static void arm_ejects(struct supervisor *s)
{
    int i;

    s->num_ejects = s->config.num_disks;
    s->ejects = xls_calloc(s->num_ejects, sizeof(*s->ejects));
    for (i = 0; i < s->num_ejects; i++)
        if (s->config.disks[i].removable &&
            libxl_evenable_disk_eject(s->ctx, s->domid,
                                      s->config.disks[i].vdev, 0,
                                      &s->ejects[i]))
            supervisor_log(s, "cannot watch for ejects of %s",
                           s->config.disks[i].vdev);
}

static void disarm(struct supervisor *s)
{
    libxl_event *event;
    int i;

    if (s->death)
        libxl_evdisable_domain_death(s->ctx, s->death);
    s->death = NULL;
    for (i = 0; i < s->num_ejects; i++)
        if (s->ejects[i])
            libxl_evdisable_disk_eject(s->ctx, s->ejects[i]);
    free(s->ejects);
    s->ejects = NULL;
    s->num_ejects = 0;
    /* Of the domain that was. */
    while (!libxl_event_check(s->ctx, &event, LIBXL_EVENTMASK_ALL, NULL,
                              NULL))
        libxl_event_free(s->ctx, event);
}

static int arm(struct supervisor *s)
{
    int rc;

    rc = libxl_evenable_domain_death(s->ctx, s->domid, 0, &s->death);
    if (rc) {
        supervisor_log(s, "cannot watch domain %u: %s", s->domid,
                       libxl_snapshot_strerror(rc));
        return rc;
    }
    arm_ejects(s);
    return 0;
}

/* The new registration comes before the old one goes: a fresh one alone would
 * at once report the suspended state again. */
static int rearm_death(struct supervisor *s)
{
    libxl_evgen_domain_death *death;
    int rc;

    rc = libxl_evenable_domain_death(s->ctx, s->domid, 0, &death);
    if (rc)
        return rc;
    libxl_evdisable_domain_death(s->ctx, s->death);
    s->death = death;
    return 0;
}

/* One supervisor per domain; the file goes with it. */
static bool take_lock(struct supervisor *s)
{
    struct stat held, there;

    s->lock_path = xls_asprintf("/run/xen/xl-snapshot-supervisor.%u.lock",
                                s->domid);
    for (;;) {
        s->lock = open(s->lock_path, O_RDWR | O_CREAT | O_NOFOLLOW |
                       O_CLOEXEC, 0600);
        if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB))
            return false;
        if (!fstat(s->lock, &held) && !stat(s->lock_path, &there) &&
            held.st_ino == there.st_ino)
            return true;
        close(s->lock);
    }
}

static void drop_lock(struct supervisor *s)
{
    if (s->lock >= 0) {
        unlink(s->lock_path);
        close(s->lock);
    }
    s->lock = -1;
    free(s->lock_path);
    s->lock_path = NULL;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/*
 * Whether all that watched the domain before have ended. While the other end
 * of hold is open, the domain may still be suspended, and they end then.
 */
static bool watchers_ended(int hold, const int *fds, int num)
{
    struct pollfd *pollers = xls_calloc(num + 1, sizeof(*pollers));
    uint64_t end = 0, now = 0;
    int i, left = num;

    for (i = 0; i <= num; i++)
        pollers[i] = (struct pollfd){ .fd = i < num ? fds[i] : hold,
                                      .events = POLLIN };
    while (left) {
        int n = poll(pollers, num + 1,
                     !end ? -1 : now < end ? (int)(end - now) : 0);

        now = now_ms();
        if (n < 0 && errno != EINTR)
            break;
        if (n == 0)
            break;
        for (i = 0; n > 0 && i <= num; i++) {
            if (!pollers[i].revents)
                continue;
            /* poll leaves it out from now on. */
            pollers[i].fd = -1;
            if (i < num)
                left--;
            else
                end = now + WATCHERS_MS;
        }
    }
    free(pollers);
    return !left;
}

/* Returns 0 to go on, 1 to end. */
static int handle(struct supervisor *s, libxl_event *event)
{
    switch (event->type) {
    case LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN:
        switch (supervisor_shutdown(
                    s, event->u.domain_shutdown.shutdown_reason)) {
        case NEXT_GO_ON:
            return rearm_death(s) ? 1 : 0;
        case NEXT_RESTART:
            disarm(s);
            drop_lock(s);
            if (supervisor_restart(s) || !take_lock(s))
                return 1;
            return arm(s) ? 1 : 0;
        case NEXT_END:
            break;
        }
        return 1;
    case LIBXL_EVENT_TYPE_DOMAIN_DEATH:
        supervisor_log(s, "domain %u has been destroyed", s->domid);
        return 1;
    case LIBXL_EVENT_TYPE_DISK_EJECT:
        /* As xl does: the drive is given back what the guest put out. */
        libxl_cdrom_insert(s->ctx, s->domid, &event->u.disk_eject.disk, NULL);
        return 0;
    default:
        return 0;
    }
}

static int watch(struct supervisor *s)
{
    for (;;) {
        libxl_event *event;
        int end, rc;

        rc = libxl_event_wait(s->ctx, &event, LIBXL_EVENTMASK_ALL, NULL,
                              NULL);
        if (rc) {
            supervisor_log(s, "no more events of domain %u: %s", s->domid,
                           libxl_snapshot_strerror(rc));
            return EXIT_FAILED;
        }
        end = event->domid == s->domid ? handle(s, event) : 0;
        libxl_event_free(s->ctx, event);
        if (end)
            return EXIT_OK;
    }
}

static int supervise(struct supervisor *s, int ready, int hold,
                     const int *fds, int num)
{
    if (supervisor_reload(s) || arm(s))
        return EXIT_FAILED;
    if (write(ready, "R", 1) != 1)
        supervisor_log(s, "whoever started this is gone");
    close(ready);
    if (!watchers_ended(hold, fds, num)) {
        supervisor_log(s, "domain %u is still watched by the process that "
                       "did; nothing to do", s->domid);
        return EXIT_OK;
    }
    if (!take_lock(s)) {
        supervisor_log(s, "domain %u has a supervisor", s->domid);
        return EXIT_OK;
    }
    supervisor_log(s, "waiting for domain %s (domid %u) to die [pid %d]",
                   s->name, s->domid, getpid());
    return watch(s);
}

int command_supervise(struct cli *cli, int argc, char **argv)
{
    struct supervisor s = { .lock = -1 };
    struct error e = { 0 };
    int *fds, i, code;

    if (argc < 5)
        return EXIT_USAGE;
    fds = xls_calloc(argc, sizeof(*fds));
    for (i = 5; i < argc; i++)
        fds[i - 5] = atoi(argv[i]);
    s.name = argv[1];
    s.domid = strtoul(argv[2], NULL, 10);
    libxl_domain_config_init(&s.config);
    if (cli_libxl(cli, &e)) {
        code = cli_fail(cli, &e);
    } else {
        s.ctx = cli->ctx;
        code = supervise(&s, atoi(argv[3]), atoi(argv[4]), fds, argc - 5);
        disarm(&s);
        drop_lock(&s);
    }
    libxl_domain_config_dispose(&s.config);
    free(fds);
    return code;
}
