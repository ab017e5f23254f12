/* SPDX-License-Identifier: LGPL-2.1-only */
#include "api/disk_job_begin.h"
#include "block/job.h"
#include "common/clock.h"
#include "common/files.h"
#include "session/change.h"

#define POLL_FIRST_MS   20
#define POLL_MAX_MS     500

/* How long QEMU may take to end a job that it is told to cancel. */
#define CANCEL_MS       120000

/* job, which may be NULL, becomes what is known. */
static void report(libxl_ctx *ctx, const struct xls_disk_job *j,
                   libxl_disk_job *job)
{
    if (!job)
        return;
    libxl_disk_job_dispose(job);
    libxl_disk_job_init(job);
    if (j->path)
        libxl_disk_job_copy(ctx, job, &j->job);
}

static int not_found(struct xls_op *op, const char *vdev)
{
    XLS_ERROR(&op->log, "no block job on disk %s of domain %s is known", vdev,
              op->name);
    return ERROR_NOTFOUND;
}

int libxl_disk_job_info(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                        const libxl_snapshot_how *how, libxl_disk_job *job)
{
    struct xls_disk_job j;
    struct xls_op op;
    int rc;

    rc = xls_disk_job_current(&op, __func__, ctx, domid, vdev, how, false, &j);
    if (!rc)
        report(ctx, &j, job);
    xls_disk_job_dispose(&j);
    xls_op_end(&op);
    return rc;
}

int libxl_disk_job_set_speed(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                             uint64_t speed, const libxl_snapshot_how *how)
{
    struct xls_json *args = xls_json_object();
    struct xls_disk_job j;
    struct xls_op op;
    int rc;

    rc = xls_disk_job_current(&op, __func__, ctx, domid, vdev, how, true, &j);
    if (!rc && !xls_disk_job_active(&j))
        rc = not_found(&op, vdev);
    if (!rc)
        rc = xls_disk_job_check_speed(&op, speed);
    if (rc) {
        xls_json_free(args);
    } else {
        xls_json_set_str(args, "device", j.id);
        xls_json_set(args, "speed", xls_json_uint(speed));
        rc = xls_op_change(&op, "limiting the block job",
                           "block-job-set-speed", args, NULL, NULL);
    }
    xls_disk_job_dispose(&j);
    xls_op_end(&op);
    return rc;
}

static int pivot(struct xls_op *op, struct xls_disk_job *j)
{
    if (j->job.phase == LIBXL_DISK_JOB_PHASE_READY && j->job.pivotable)
        return xls_disk_job_finish(op, j, true);
    XLS_ERROR(&op->log, "disk %s: its block job %s",
              j->job.vdev, !xls_disk_job_active(j) ? "has ended"
              : j->job.pivotable ? "is not ready to pivot yet"
                                 : "ends by itself and has no pivot");
    return ERROR_SNAPSHOT_BLOCK_JOB_NOT_READY;
}

static int wait_for_end(struct xls_op *op, struct xls_disk_job *j)
{
    struct xls_poll poll = { .ms = POLL_FIRST_MS, .max_ms = POLL_MAX_MS };
    uint64_t until = xls_now_us() + CANCEL_MS * 1000ull;
    bool ended = false;
    int rc;

    do {
        rc = xls_disk_job_query(op, j, &ended);
        if (rc)
            return rc;
        if (ended)
            return op->qmp ? xls_disk_job_finish(op, j, false)
                           : xls_disk_job_lost(op, j);
        xls_job_pause(op, j->id, &poll, NULL);
    } while (xls_now_us() < until);
    XLS_ERROR(&op->log, "disk %s: its block job was told to end and has not "
              "within %d s", j->job.vdev, CANCEL_MS / 1000);
    return ERROR_TIMEDOUT;
}

static int cancel(struct xls_op *op, struct xls_disk_job *j, bool async)
{
    bool ready = j->job.phase == LIBXL_DISK_JOB_PHASE_READY;
    int rc;

    if (!xls_disk_job_active(j))
        return 0;
    j->cancelling = true;
    j->was_ready = ready;
    rc = xls_disk_job_write(op, j);
    /* A copy that is ready ends as a copy of this moment. */
    if (!rc)
        rc = xls_job_stop(op, j->id, !(j->merge.copy && ready));
    return rc || async ? rc : wait_for_end(op, j);
}

int libxl_disk_job_abort(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                         unsigned flags, const libxl_snapshot_how *how,
                         libxl_disk_job *job)
{
    const unsigned async = LIBXL_DISK_JOB_ABORT_ASYNC;
    const unsigned with_pivot = LIBXL_DISK_JOB_ABORT_PIVOT;
    struct xls_disk_job j;
    struct xls_op op;
    int rc;

    if (flags & ~(async | with_pivot) || flags == (async | with_pivot)) {
        xls_op_open_inactive(&op, __func__, ctx, how);
        XLS_ERROR(&op.log, "flags %#x: %s", flags,
                  flags == (async | with_pivot)
                      ? "ASYNC and PIVOT exclude each other: the guest stands "
                        "still for a pivot until it is over"
                      : "only ASYNC and PIVOT are known");
        return ERROR_INVAL;
    }
    rc = xls_disk_job_current(&op, __func__, ctx, domid, vdev, how, true, &j);
    if (!rc && !j.path)
        rc = not_found(&op, vdev);
    if (!rc)
        rc = flags == with_pivot ? pivot(&op, &j)
                                 : cancel(&op, &j, flags == async);
    report(ctx, &j, job);
    xls_disk_job_dispose(&j);
    xls_op_end(&op);
    return rc;
}

static const char *phase_word(libxl_disk_job_type type)
{
    return type == LIBXL_DISK_JOB_TYPE_PULL ? "pull"
           : type == LIBXL_DISK_JOB_TYPE_COMMIT ? "commit" : "copy";
}

int libxl_disk_job_wait(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                        const libxl_snapshot_how *how, libxl_disk_job *job)
{
    struct xls_poll poll = { .ms = POLL_FIRST_MS, .max_ms = POLL_MAX_MS };
    struct xls_disk_job j;
    bool over, none, news;
    uint64_t heard_us;
    struct xls_op op;
    int rc;

    for (;;) {
        rc = xls_disk_job_current(&op, __func__, ctx, domid, vdev, how, false,
                                  &j);
        none = !rc && !j.path;
        over = j.job.phase != LIBXL_DISK_JOB_PHASE_RUNNING;
        if (none)
            rc = not_found(&op, vdev);
        news = !rc && !over && xls_job_listen(&op, j.id);
        xls_op_qmp_close(&op);
        heard_us = xls_now_us();
        if (!rc && !over)
            xls_file_begin_sync(xls_merge_written(&j.merge));
        if (!rc && xls_op_progress(&op, phase_word(j.job.type), j.job.offset,
                                   j.job.length) && !over)
            rc = ERROR_ABORTED;
        report(ctx, &j, job);
        xls_disk_job_dispose(&j);
        xls_op_end(&op);
        if (rc || over)
            return rc;
        if (!news)
            xls_poll_pause(&poll, heard_us);
    }
}
