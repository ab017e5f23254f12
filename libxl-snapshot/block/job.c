/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/job.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/files.h"

#define POLL_FIRST_MS   1
#define POLL_MAX_MS     100
#define CANCEL_MS       60000

/* How long QEMU's socket is kept to be told at once. Whoever else wants it
 * waits for as long, and every look disturbs the copying. */
#define LISTEN_MS       100

static struct xls_json *id_arg(const char *id)
{
    return xls_json_set_str(xls_json_object(), "id", id);
}

/* The job's entry of query-jobs in *jobs, NULL when there is none. */
static int query(struct xls_op *op, const char *id, struct xls_json **jobs,
                 const struct xls_json **job)
{
    size_t i;
    int rc;

    *job = NULL;
    rc = xls_op_ask(op, "asking QEMU for its jobs", "query-jobs", NULL, jobs);
    if (rc)
        return rc;
    for (i = 0; i < xls_json_len(*jobs); i++) {
        const char *s = xls_json_get_str(xls_json_at(*jobs, i), "id");

        if (s && !strcmp(s, id))
            *job = xls_json_at(*jobs, i);
    }
    return 0;
}

enum xls_done xls_job_is_there(struct xls_op *op, const char *id)
{
    struct xls_json *jobs = NULL;
    const struct xls_json *job;
    int rc = query(op, id, &jobs, &job);
    bool there = job != NULL;

    xls_json_free(jobs);
    return rc ? XLS_CANNOT_TELL : there ? XLS_DONE : XLS_NOT_DONE;
}

/* For xls_op_change: it no longer waits for job-finalize. */
static enum xls_done is_finalized(struct xls_op *op, const char *id)
{
    struct xls_job_state state;
    bool pending;

    if (xls_job_query(op, id, &state))
        return XLS_CANNOT_TELL;
    pending = state.pending;
    xls_job_state_dispose(&state);
    return pending ? XLS_NOT_DONE : XLS_DONE;
}

int xls_job_query(struct xls_op *op, const char *id,
                  struct xls_job_state *state)
{
    struct xls_json *jobs = NULL;
    const struct xls_json *job = NULL;
    const char *status;
    size_t i;
    int rc;

    memset(state, 0, sizeof(*state));
    rc = xls_op_ask(op, "asking QEMU for its block jobs", "query-block-jobs",
                    NULL, &jobs);
    if (rc)
        return rc;
    for (i = 0; i < xls_json_len(jobs) && !job; i++) {
        const char *s = xls_json_get_str(xls_json_at(jobs, i), "device");

        if (s && !strcmp(s, id))
            job = xls_json_at(jobs, i);
    }
    if (job) {
        status = xls_json_get_str(job, "status");
        state->there = true;
        state->ready = status && !strcmp(status, "ready");
        state->pending = status && !strcmp(status, "pending");
        state->concluded = status && !strcmp(status, "concluded");
        state->error = xls_strdup(xls_json_get_str(job, "error"));
        xls_json_get_uint(job, "offset", &state->offset);
        xls_json_get_uint(job, "len", &state->length);
        xls_json_get_uint(job, "speed", &state->speed);
    }
    xls_json_free(jobs);
    return 0;
}

void xls_job_state_dispose(struct xls_job_state *state)
{
    free(state->error);
    state->error = NULL;
}

int xls_job_finalize(struct xls_op *op, const char *id)
{
    return xls_op_change(op, "finishing a block job", "job-finalize",
                         id_arg(id), is_finalized, id);
}

/* For xls_op_change. */
static enum xls_done is_dismissed(struct xls_op *op, const char *id)
{
    enum xls_done there = xls_job_is_there(op, id);

    return there == XLS_DONE ? XLS_NOT_DONE
           : there == XLS_NOT_DONE ? XLS_DONE : XLS_CANNOT_TELL;
}

int xls_job_dismiss(struct xls_op *op, const char *id)
{
    return xls_op_change(op, "dismissing a block job", "job-dismiss",
                         id_arg(id), is_dismissed, id);
}

static struct xls_json *stop_args(const char *id, bool force)
{
    struct xls_json *args = xls_json_object();

    xls_json_set_str(args, "device", id);
    return xls_json_set_bool(args, "force", force);
}

int xls_job_stop(struct xls_op *op, const char *id, bool force)
{
    return xls_op_change(op, "cancelling a block job", "block-job-cancel",
                         stop_args(id, force), NULL, NULL);
}

/* One look: 1 when the job is where it is wanted, 0 when not yet. */
static int check(struct xls_op *op, const char *id, enum xls_job_until until,
                 const char *what, const char *phase, bool *cancel)
{
    struct xls_json *jobs = NULL;
    const struct xls_json *job;
    const char *status, *error;
    uint64_t done = 0, total = 0;
    int rc;

    rc = query(op, id, &jobs, &job);
    if (rc)
        goto out;
    if (!job) {
        XLS_ERROR(&op->log, "%s: QEMU no longer knows the job", what);
        rc = ERROR_SNAPSHOT_QEMU;
        goto out;
    }
    status = xls_json_get_str(job, "status");
    error = xls_json_get_str(job, "error");
    if (status && !strcmp(status, "concluded")) {
        if (error)
            XLS_ERROR(&op->log, "%s: %s", what, error);
        rc = xls_job_dismiss(op, id);
        rc = op->in_doubt ? ERROR_SNAPSHOT_INCOMPLETE
             : error ? ERROR_SNAPSHOT_QEMU : rc ? rc : 1;
        goto out;
    }
    if (status && ((until == XLS_JOB_READY && !strcmp(status, "ready")) ||
                   (until == XLS_JOB_PENDING && !strcmp(status, "pending")))) {
        rc = 1;
        goto out;
    }
    if (xls_json_get_uint(job, "current-progress", &done) &&
        xls_json_get_uint(job, "total-progress", &total))
        *cancel = phase && xls_op_progress(op, phase, done, total);
    rc = 0;

out:
    xls_json_free(jobs);
    return rc;
}

static bool is_news_of(const struct xls_json *event, const char *id)
{
    const char *name = xls_json_get_str(event, "event");
    const char *of = xls_json_get_str(xls_json_get(event, "data"), "id");

    return name && of && !strcmp(name, "JOB_STATUS_CHANGE") && !strcmp(of, id);
}

bool xls_job_listen(struct xls_op *op, const char *id)
{
    uint64_t now = xls_now_us(), until = now + LISTEN_MS * 1000ull;
    struct xls_json *event = NULL;
    bool news = false;

    while (op->qmp && !news && now < until &&
           !xls_qmp_event(op->qmp, (unsigned)((until - now + 999) / 1000),
                          &event)) {
        news = is_news_of(event, id);
        xls_json_free(event);
        now = xls_now_us();
    }
    return news;
}

void xls_job_pause(struct xls_op *op, const char *id, struct xls_poll *poll,
                   const char *written)
{
    uint64_t heard_us;

    if (xls_job_listen(op, id))
        return;
    xls_op_qmp_close(op);
    heard_us = xls_now_us();
    if (written)
        xls_file_begin_sync(written);
    xls_poll_pause(poll, heard_us);
}

int xls_job_wait(struct xls_op *op, const char *id, enum xls_job_until until,
                 const char *what, const char *phase, const char *written)
{
    struct xls_poll poll = { .ms = POLL_FIRST_MS, .max_ms = POLL_MAX_MS };
    bool cancel = false;
    int rc;

    for (;;) {
        rc = check(op, id, until, what, phase, &cancel);
        if (rc)
            return rc > 0 ? 0 : xls_unanswered(rc) ? xls_op_doubt(op, what)
                                                   : rc;
        if (cancel) {
            rc = xls_job_cancel(op, id);
            return rc ? rc : ERROR_ABORTED;
        }
        xls_job_pause(op, id, &poll, written);
    }
}

int xls_job_cancel(struct xls_op *op, const char *id)
{
    static const char what[] = "cancelling a block job";
    struct xls_poll poll = { .ms = POLL_FIRST_MS, .max_ms = POLL_MAX_MS };
    uint64_t until = xls_now_us() + CANCEL_MS * 1000ull;
    struct xls_json *jobs = NULL;
    const struct xls_json *job;
    bool told = false, gone;
    const char *status;
    int rc;

    do {
        if (query(op, id, &jobs, &job))
            return xls_op_doubt(op, what);
        status = xls_json_get_str(job, "status");
        gone = !job;
        if (job && status && !strcmp(status, "concluded")) {
            rc = xls_job_dismiss(op, id);
            gone = !rc;
        } else if (job && !told) {
            /* A soft cancel of a ready mirror would complete it. What refuses
             * it has ended by itself, or is not a block job. */
            rc = xls_op_try(op, what, "block-job-cancel", stop_args(id, true),
                            NULL, NULL);
            told = true;
        } else {
            rc = 0;
        }
        xls_json_free(jobs);
        jobs = NULL;
        if (gone)
            return 0;
        if (op->in_doubt || xls_unanswered(rc))
            return xls_op_doubt(op, what);
        xls_job_pause(op, id, &poll, NULL);
    } while (xls_now_us() < until);
    XLS_WARN(&op->log, "block job %s does not end", id);
    return xls_op_doubt(op, what);
}
