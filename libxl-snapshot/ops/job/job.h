/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_JOB_H
#define XLS_JOB_H

#include "merge/merge.h"
#include "session/op.h"

/*
 * A block job that outlives the call that started it. What is known of it is
 * one JSON file per disk beside the journals, "<uuid>.<domid>.<devid>.job",
 * written before QEMU is told, and read, together with what QEMU says, by
 * whoever asks. The file stays when the job has ended, for its outcome, until
 * the next one on that disk.
 */
struct xls_disk_job {
    char *path;                 /* of the file */
    char *id;                   /* QEMU's */
    uint32_t domid;
    bool this_boot;
    libxl_disk_job job;         /* phase is RUNNING until all has been done
                                 * that has to follow */
    struct xls_merge merge;
    bool cancelling;            /* it was told to end without a pivot */
    bool pivoting;              /* … with one */
    bool ending;                /* its outcome is known and in error, so QEMU
                                 * may forget it */
    bool was_ready;
    bool paused;                /* the domain, before the pivot */
};

void xls_disk_job_dispose(struct xls_disk_job *j);
bool xls_disk_job_active(const struct xls_disk_job *j);

/* ops/job/file.c */

/* The file of the disk's job; malloc'ed. */
char *xls_disk_job_path(const struct xls_op *op, uint32_t domid, int devid);
/* j is empty (path is NULL) when there is no such file; to be disposed of in
 * either case. */
int xls_disk_job_read(struct xls_op *op, const char *path,
                      struct xls_disk_job *j);
int xls_disk_job_write(struct xls_op *op, const struct xls_disk_job *j);
/* ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE, logged, when a job of op's domain has not
 * ended by its file. */
int xls_disk_jobs_none(struct xls_op *op);
/*
 * The files of jobs: all of a uuid (NULL: any), of a domid (XLS_NO_DOMID: any)
 * and of a disk (-1: any). Malloc'ed, and each path in it, NULL at the end;
 * NULL when there are none.
 */
char **xls_disk_job_files(const char *uuid, uint32_t domid, int devid);
void xls_disk_job_files_free(char **paths);

/*
 * ops/job/start.c: begin writes the file of the job that the merge is, on a
 * disk that xls_disks_named gave, and takes the merge in every case; go starts
 * it. When go fails, or drop is called instead, nothing is left of it, unless
 * the operation is in doubt: then the next query finds out. j is to be disposed
 * of.
 */
int xls_disk_job_begin(struct xls_op *op, const struct xls_disk *disk,
                       libxl_disk_job_type type, struct xls_merge *merge,
                       uint64_t speed, struct xls_disk_job *j);
int xls_disk_job_go(struct xls_op *op, const struct xls_disk *disk,
                    struct xls_disk_job *j);
void xls_disk_job_drop(struct xls_op *op, struct xls_disk_job *j);
/* begin and go. */
int xls_disk_job_start(struct xls_op *op, const struct xls_disk *disk,
                       libxl_disk_job_type type, struct xls_merge *merge,
                       uint64_t speed);
/* Logged when it is more than QEMU takes. */
int xls_disk_job_check_speed(struct xls_op *op, uint64_t speed);

/* ops/job/query.c */

/* Brings j->job up to what QEMU says, for a job that is active by its file.
 * *ended: it is not under way in QEMU, so that xls_disk_job_finish is due. */
int xls_disk_job_query(struct xls_op *op, struct xls_disk_job *j, bool *ended);
/* ops/job/finish.c */

/*
 * With the domain locked: does what is due after its jobs' ends, and completes a
 * pivot that was begun, of all jobs of op's uuid: those of earlier lives of
 * the domain are lost.
 */
int xls_disk_jobs_finish(struct xls_op *op);
/* Takes the lock for it. */
int xls_disk_jobs_finish_unlocked(struct xls_op *op);
/* xls_disks_load of a domain that is not locked: does so first where that is
 * due. */
int xls_disk_jobs_load(struct xls_op *op, struct xls_disks *disks);
/* Of one job on the domain as it runs now that QEMU has ended, or, with
 * pivot, that is ready. */
int xls_disk_job_finish(struct xls_op *op, struct xls_disk_job *j, bool pivot);
/* Of one whose domain is not there any more. */
int xls_disk_job_lost(struct xls_op *op, struct xls_disk_job *j);

#endif
