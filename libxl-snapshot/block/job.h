/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_JOB_H
#define XLS_BLOCK_JOB_H

#include "session/change.h"
#include "session/op.h"

/*
 * Jobs of QEMU that this library starts: with ids of its own, without
 * auto-dismiss, so that an outcome is never lost, and waited for here. QEMU's
 * socket is released again and again while waiting, so that libxl and xl can
 * use it.
 */

enum xls_job_until {
    XLS_JOB_CONCLUDED,
    XLS_JOB_PENDING,    /* all but the end is done; or concluded, with an
                         * error */
    XLS_JOB_READY,      /* or concluded, with an error */
};

/*
 * Waits until the job is where it is wanted; a job that failed is an
 * ERROR_SNAPSHOT_QEMU, logged as "<what>: <QEMU's words>", and dismissed. A
 * concluded job is dismissed. Where QEMU does not answer, the operation is in
 * doubt. phase (may be NULL) makes it report progress; when that asks for an
 * end, the job is cancelled, dismissed, and the result is ERROR_ABORTED. written
 * (may be NULL) is the file that it writes much into.
 */
int xls_job_wait(struct xls_op *op, const char *id, enum xls_job_until until,
                 const char *what, const char *phase, const char *written);

/* Waits for QEMU to say that the state of the job is another one than when it
 * was looked at on this connection; gives up after 100 ms. */
bool xls_job_listen(struct xls_op *op, const char *id);
struct xls_poll;
/* Does, and when nothing is said, leaves QEMU to others for a while, in which
 * what was written (may be NULL) begins to go to the disk. */
void xls_job_pause(struct xls_op *op, const char *id, struct xls_poll *poll,
                   const char *written);

/* What QEMU says of a block job. */
struct xls_job_state {
    bool there;                 /* QEMU knows it */
    bool ready, pending, concluded;
    char *error;                /* of a concluded one that failed */
    uint64_t offset, length, speed;
};
int xls_job_query(struct xls_op *op, const char *id,
                  struct xls_job_state *state);
void xls_job_state_dispose(struct xls_job_state *state);

/* Has a pending job come to its end. */
int xls_job_finalize(struct xls_op *op, const char *id);
/* QEMU forgets a concluded job. */
int xls_job_dismiss(struct xls_op *op, const char *id);
/* Tells a job to end. force: at once, rather than, for one that is ready, with
 * all copied. */
int xls_job_stop(struct xls_op *op, const char *id, bool force);

/* Cancels a job, waits for its end and dismisses it. A job that is not there
 * is fine. On failure it may be there, and the operation is in doubt. */
int xls_job_cancel(struct xls_op *op, const char *id);

/* For xls_op_change: whether QEMU knows a job of this id. */
enum xls_done xls_job_is_there(struct xls_op *op, const char *id);

#endif
