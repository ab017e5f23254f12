/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Events of block jobs. QEMU serves one client at a time, so nobody can listen
 * to it all the time: the descriptor is that of a timer, and each time QEMU is
 * looked at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "api/disk_job_begin.h"
#include "block/vdev.h"
#include "common/alloc.h"

#define DEFAULT_MS  500
#define MIN_MS      50
#define MAX_MS      60000

/* What was told last of a disk's job. */
struct told {
    int devid;
    char *id;
    libxl_disk_job_phase phase;
};

struct libxl_disk_job_events {
    libxl_ctx *ctx;
    uint32_t domid;
    char *vdev;                 /* NULL: all disks */
    libxl_snapshot_how how;
    int fd;
    struct told *told;
    int num_told;
};

static struct told *find_told(libxl_disk_job_events *e, int devid)
{
    int i;

    for (i = 0; i < e->num_told; i++)
        if (e->told[i].devid == devid)
            return &e->told[i];
    e->told = xls_realloc(e->told, e->num_told + 1, sizeof(*e->told));
    e->told[e->num_told] = (struct told){ .devid = devid };
    return &e->told[e->num_told++];
}

static bool worth_telling(libxl_disk_job_phase phase)
{
    return phase != LIBXL_DISK_JOB_PHASE_NONE &&
           phase != LIBXL_DISK_JOB_PHASE_RUNNING;
}

/* Looks at one disk's job: 1 when there is something to tell, which it notes as
 * told. */
static int look(libxl_disk_job_events *e, const char *vdev,
                libxl_disk_job *job)
{
    libxl_disk_job_phase before;
    struct xls_disk_job j;
    struct told *told;
    struct xls_op op;
    int rc;

    rc = xls_disk_job_current(&op, "libxl_disk_job_events_next", e->ctx,
                              e->domid, vdev, &e->how, false, &j);
    if (!rc && j.path) {
        told = find_told(e, xls_vdev_number(vdev));
        before = told->phase;
        if (!told->id || strcmp(told->id, j.id)) {
            free(told->id);
            told->id = xls_strdup(j.id);
            before = LIBXL_DISK_JOB_PHASE_RUNNING;
        }
        told->phase = j.job.phase;
        if (j.job.phase != before && worth_telling(j.job.phase)) {
            libxl_disk_job_dispose(job);
            libxl_disk_job_copy(e->ctx, job, &j.job);
            rc = 1;
        }
    }
    xls_disk_job_dispose(&j);
    xls_op_end(&op);
    return rc;
}

/* The vdevs of the domain's jobs (or the one asked for), NULL at the end. */
static char **disks_with_jobs(libxl_disk_job_events *e)
{
    char **files, **f, **vdevs = xls_calloc(1, sizeof(*vdevs));
    char *uuid = NULL;
    int devid = e->vdev ? xls_vdev_number(e->vdev) : -1, num = 0;
    struct xls_op op;

    /* Those of an earlier life of the domain, too. */
    if (!xls_op_open(&op, "libxl_disk_job_events_next", e->ctx, e->domid,
                     NULL)) {
        uuid = xls_strdup(op.uuid);
        xls_op_end(&op);
    }
    xls_op_open_inactive(&op, "libxl_disk_job_events_next", e->ctx, &e->how);
    files = xls_disk_job_files(uuid, uuid ? XLS_NO_DOMID : e->domid, devid);
    for (f = files; f && *f; f++) {
        struct xls_disk_job j;

        if (!xls_disk_job_read(&op, *f, &j) && j.path) {
            vdevs = xls_realloc(vdevs, num + 2, sizeof(*vdevs));
            vdevs[num++] = xls_strdup(j.job.vdev);
            vdevs[num] = NULL;
        }
        xls_disk_job_dispose(&j);
    }
    xls_disk_job_files_free(files);
    free(uuid);
    return vdevs;
}

static int next(libxl_disk_job_events *e, libxl_disk_job *job)
{
    char **vdevs = disks_with_jobs(e), **v;
    int rc = 0;

    for (v = vdevs; *v && !rc; v++)
        rc = look(e, *v, job);
    xls_disk_job_files_free(vdevs);
    return rc;
}

int libxl_disk_job_events_open(libxl_ctx *ctx, uint32_t domid,
                               const char *vdev, unsigned interval_ms,
                               const libxl_snapshot_how *how,
                               libxl_disk_job_events **events)
{
    unsigned ms = interval_ms ? interval_ms : DEFAULT_MS;
    struct itimerspec every = { 0 };
    libxl_disk_job_events *e;
    libxl_disk_job ignored;
    struct xls_op op;
    int i, rc;

    *events = NULL;
    rc = xls_op_open(&op, __func__, ctx, domid, how);
    if (rc)
        return rc;
    if (ms < MIN_MS || ms > MAX_MS) {
        XLS_ERROR(&op.log, "an interval of %u ms is not within %d to %d", ms,
                  MIN_MS, MAX_MS);
        rc = ERROR_INVAL;
    } else if (vdev && xls_vdev_number(vdev) < 0) {
        XLS_ERROR(&op.log, "\"%s\" is no name of a disk", vdev);
        rc = ERROR_SNAPSHOT_DISK_UNSUPPORTED;
    }
    if (rc)
        goto out;
    e = xls_calloc(1, sizeof(*e));
    e->ctx = ctx;
    e->domid = domid;
    e->vdev = xls_strdup(vdev);
    if (how)
        e->how = *how;
    e->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    every.it_interval.tv_sec = every.it_value.tv_sec = ms / 1000;
    every.it_interval.tv_nsec = every.it_value.tv_nsec = ms % 1000 * 1000000L;
    if (e->fd < 0 || timerfd_settime(e->fd, 0, &every, NULL)) {
        XLS_ERRORE(&op.log, "cannot make a timer");
        libxl_disk_job_events_close(e);
        rc = ERROR_FAIL;
        goto out;
    }
    /* What has ended before is not told; what is ready now is. */
    libxl_disk_job_init(&ignored);
    do {
        rc = next(e, &ignored);
    } while (rc > 0);
    for (i = 0; i < e->num_told; i++)
        if (e->told[i].phase == LIBXL_DISK_JOB_PHASE_READY)
            e->told[i].phase = LIBXL_DISK_JOB_PHASE_RUNNING;
    libxl_disk_job_dispose(&ignored);
    if (rc)
        libxl_disk_job_events_close(e);
    else
        *events = e;

out:
    xls_op_end(&op);
    return rc;
}

int libxl_disk_job_events_fd(const libxl_disk_job_events *e)
{
    return e->fd;
}

int libxl_disk_job_events_next(libxl_disk_job_events *e, libxl_disk_job *job)
{
    int rc = next(e, job);
    uint64_t ticks;

    if (rc > 0)
        return 0;
    /* Not before: what is still to tell keeps the descriptor readable. */
    if (read(e->fd, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
        return ERROR_FAIL;
    return rc ? rc : ERROR_NOT_READY;
}

void libxl_disk_job_events_close(libxl_disk_job_events *e)
{
    int i;

    if (!e)
        return;
    if (e->fd >= 0)
        close(e->fd);
    for (i = 0; i < e->num_told; i++)
        free(e->told[i].id);
    free(e->told);
    free(e->vdev);
    free(e);
}
