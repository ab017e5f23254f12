/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_QMP_LATE_JOBS_H
#define XLS_TESTS_QMP_LATE_JOBS_H

/* Block jobs, of which a message is spoiled at the start or the end. */
#include "qmp/late_support.h"

#define DEPTH 3

static UNUSED void start(void)
{
    chain_start(1, DEPTH);
}

/* Whatever state it is in, the job comes to an end, and a pivot if it can. */
static UNUSED void finish(void)
{
    libxl_disk_job job;
    int tries;

    for (tries = 0; tries < 3; tries++) {
        libxl_disk_job_init(&job);
        if (host_call(libxl_disk_job_info(host_ctx, host.domid, "xvda",
                                          &host_how, &job)))
            fail_msg("%s: %s", late_what, vm_logged());
        if (job.phase == LIBXL_DISK_JOB_PHASE_RUNNING &&
            host_call(libxl_disk_job_wait(host_ctx, host.domid, "xvda",
                                          &host_how, &job)))
            fail_msg("%s: %s", late_what, vm_logged());
        if (job.phase == LIBXL_DISK_JOB_PHASE_READY &&
            do_abort(LIBXL_DISK_JOB_ABORT_PIVOT))
            fail_msg("%s: %s", late_what, vm_logged());
        if (job.phase == LIBXL_DISK_JOB_PHASE_LOST)
            fail_msg("%s: %s", late_what, job.error);
        libxl_disk_job_dispose(&job);
    }
}

static UNUSED int start_commit(void)
{
    libxl_disk_commit_args args = { .vdev = (char *)"xvda" };

    return libxl_disk_commit(host_ctx, host.domid, &args, &host_how);
}

static UNUSED int start_commit_of_frozen(void)
{
    char *top = layer_path(2), *base = layer_path(1);
    libxl_disk_commit_args args = { .vdev = (char *)"xvda", .top = top,
                                    .base = base };
    int rc = libxl_disk_commit(host_ctx, host.domid, &args, &host_how);

    free(top);
    free(base);
    return rc;
}

static UNUSED int start_pull(void)
{
    libxl_disk_pull_args args = { .vdev = (char *)"xvda" };

    return libxl_disk_pull(host_ctx, host.domid, &args, &host_how);
}

static UNUSED int start_copy(bool keep_path)
{
    char *target = xls_asprintf("%s/copy", host.images);
    libxl_disk_copy_args args = {
        .vdev = (char *)"xvda", .target = target, .keep_path = keep_path,
        .format = LIBXL_DISK_FORMAT_QCOW2,
    };
    int rc = libxl_disk_copy(host_ctx, host.domid, &args, &host_how);

    free(target);
    return rc;
}

static UNUSED int start_copy_with_path(void)
{
    return start_copy(true);
}

static UNUSED int start_copy_with_new_path(void)
{
    return start_copy(false);
}

/* --- what is spoiled is the end --- */

static UNUSED void ready(int (*begin)(void))
{
    libxl_disk_job job;

    start();
    host_away();
    if (begin())
        fail_msg("%s", vm_logged());
    libxl_disk_job_init(&job);
    if (libxl_disk_job_wait(host_ctx, host.domid, "xvda", &host_how, &job))
        fail_msg("%s", vm_logged());
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_READY);
    libxl_disk_job_dispose(&job);
    host_back(0);
}

static UNUSED void commit_ready(void)
{
    ready(start_commit);
}

static UNUSED void copy_ready(void)
{
    ready(start_copy_with_path);
}

static UNUSED void new_copy_ready(void)
{
    ready(start_copy_with_new_path);
}

static UNUSED int pivot(void)
{
    return libxl_disk_job_abort(host_ctx, host.domid, "xvda",
                                LIBXL_DISK_JOB_ABORT_PIVOT, &host_how, NULL);
}

static UNUSED int cancel(void)
{
    return libxl_disk_job_abort(host_ctx, host.domid, "xvda", 0, &host_how,
                                NULL);
}

/* QEMU's part is over, or waits for its end. */
static UNUSED void ended(int (*begin)(void), const char *status)
{
    struct xls_json *jobs;

    start();
    host_away();
    if (begin())
        fail_msg("%s", vm_logged());
    host_back(0);
    jobs = vm_run(host.vm, "query-jobs", NULL);
    vm_wait_job(host.vm, xls_json_get_str(xls_json_at(jobs, 0), "id"), status);
    xls_json_free(jobs);
}

static UNUSED void pull_ended(void)
{
    ended(start_pull, "pending");
}

static UNUSED void commit_ended(void)
{
    ended(start_commit_of_frozen, "concluded");
}

static UNUSED int info(void)
{
    libxl_disk_job job;
    int rc;

    libxl_disk_job_init(&job);
    rc = libxl_disk_job_info(host_ctx, host.domid, "xvda", &host_how, &job);
    libxl_disk_job_dispose(&job);
    return rc;
}

#endif
