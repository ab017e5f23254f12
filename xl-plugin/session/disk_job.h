/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_SESSION_DISK_JOB_H
#define PLUGIN_SESSION_DISK_JOB_H

#include "cli/cli.h"
#include "cli/progress.h"

/* A command about a block job: its words and what it found. */
struct disk_job {
    struct cli *cli;
    const char *domain, *vdev;
    uint64_t speed;
    bool async;
    bool pivot;                 /* when ready, go over to the other side */
    bool finish;                /* when ready, end without that */
    bool noted;                 /* in the store */
    struct error error;         /* why it was not begun */
    struct session s;           /* open while the store is locked */
    struct progress progress;
    libxl_disk_job job;
};

enum { JOB_SPEED = 1000, JOB_ASYNC };
#define JOB_OPTIONS { "speed", required_argument, NULL, JOB_SPEED }, \
                    { "async", no_argument, NULL, JOB_ASYNC }, \
                    CLI_OPTIONS

/* Handles one of JOB_OPTIONS; 0 or EXIT_USAGE. */
int job_option(struct disk_job *d, int opt);
/* The words DOMAIN VDEV and, with target, TARGET. */
int job_words(struct disk_job *d, int argc, char **argv, const char **target);

/*
 * Opens the store, has start call the library, and waits for the job and ends it
 * as d says. Returns the exit code. start calls job_note before the library, and
 * returns an error of libxl's or the library's, or any with d->error set.
 */
int job_run(struct disk_job *d,
            int (*start)(struct disk_job *d, uint32_t domid,
                         const libxl_snapshot_how *how, const void *args),
            const void *args);
/* session/job_note.c: notes in the store that a job begins; -1 and d->error. from, to: see
 * xl_snapshot_job; may be NULL. */
int job_note(struct disk_job *d, const char *from, const char *to);
/* The same in two steps; the note is valid until the next one. */
xl_snapshot_job *job_note_new(struct disk_job *d, const char *from,
                              const char *to);
int job_note_write(struct disk_job *d);
/* The i-th note goes, in memory only. */
void job_note_forget(struct store *st, int i);

/* From where it runs: waits, and ends it. Returns the exit code. */
int job_wait(struct disk_job *d);
void job_print(struct disk_job *d);

/* session/job_follow.c: brings the store up to what has become of jobs; for session_open. */
int job_follow(struct session *s, struct cli *cli, struct error *e);

/* session/disk_users.c: libxl_snapshot_how's layer_users, of a struct disk_job
 * whose session is open. */
int job_layer_users(void *user, uint32_t domid, const char *vdev,
                    const char *path, char **users);

#endif
