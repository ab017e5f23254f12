/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/disk_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

static int parse_speed(struct disk_job *d, const char *text)
{
    unsigned long long n;
    char *end;
    int shift = 0;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (*end == 'K' || *end == 'M' || *end == 'G')
        shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 30;
    if (text[0] < '0' || text[0] > '9' || errno || end[shift ? 1 : 0] ||
        n > (unsigned long long)INT64_MAX >> shift)
        return cli_usage(d->cli, "\"%s\" is no number of bytes per second",
                         text);
    d->speed = n << shift;
    return 0;
}

int job_option(struct disk_job *d, int opt)
{
    if (opt == JOB_SPEED)
        return parse_speed(d, optarg);
    d->async = true;
    return 0;
}

int job_words(struct disk_job *d, int argc, char **argv, const char **target)
{
    int words = argc - optind, wanted = target ? 3 : 2;

    if (words < wanted)
        return cli_usage(d->cli, target ? "a domain, a disk and a target are "
                         "needed" : "a domain and a disk are needed");
    if (words > wanted)
        return cli_usage(d->cli, "too many words");
    d->domain = argv[optind];
    d->vdev = argv[optind + 1];
    if (target)
        *target = argv[optind + 2];
    return 0;
}

static int report(void *user, const libxl_snapshot_progress *progress)
{
    struct disk_job *d = user;

    return progress_report(&d->progress, progress);
}

static libxl_snapshot_how make_how(struct disk_job *d)
{
    return (libxl_snapshot_how){ .logger = d->cli->logger, .user = d,
                                 .layer_users = job_layer_users,
                                 .progress = report };
}

void job_print(struct disk_job *d)
{
    const libxl_disk_job *j = &d->job;
    char *text;
    int i;

    if (d->cli->json) {
        text = libxl_disk_job_to_json(d->cli->ctx, (libxl_disk_job *)j);
        if (text)
            puts(text);
        else
            cli_say(d->cli, "the job cannot be put into JSON: a name in it is "
                    "not UTF-8");
        free(text);
        return;
    }
    if (j->phase == LIBXL_DISK_JOB_PHASE_NONE) {
        printf("There has been no job on %s of %s.\n", d->vdev, d->domain);
        return;
    }
    printf("The %s on %s of %s is %s",
           libxl_disk_job_type_to_string(j->type), d->vdev, d->domain,
           libxl_disk_job_phase_to_string(j->phase));
    if (j->phase == LIBXL_DISK_JOB_PHASE_RUNNING)
        printf(": %llu of %llu bytes", (unsigned long long)j->offset,
               (unsigned long long)j->length);
    printf("%s%s.\n", j->error ? ": " : "", j->error ? j->error : "");
    if (j->phase == LIBXL_DISK_JOB_PHASE_READY)
        printf("xl disk-job %s %s --pivot goes over to the other side, "
               "--abort does not.\n", d->domain, d->vdev);
    if (j->phase == LIBXL_DISK_JOB_PHASE_CANCELLED && j->target)
        printf("%s is %s.\n", j->target, j->target_complete
                   ? "a complete copy" : "not complete");
    for (i = 0; i < j->num_unused; i++)
        printf("No longer in use by it: %s\n", j->unused[i]);
}

/* Has the store follow, after an end. */
static void follow(struct disk_job *d)
{
    struct error e = { 0 };
    struct session s;

    if (session_open(d->cli, d->domain, true, &s, &e))
        cli_say(d->cli, "%s", e.text);
    error_clear(&e);
    session_close(&s);
}

static int ended(struct disk_job *d, bool wanted)
{
    follow(d);
    job_print(d);
    return wanted ? EXIT_OK : EXIT_FAILED;
}

static int cancel(struct disk_job *d, uint32_t domid,
                  const libxl_snapshot_how *how)
{
    int rc = libxl_disk_job_abort(d->cli->ctx, domid, d->vdev, 0, how,
                                  &d->job);

    cli_say(d->cli, rc ? "could not be cancelled: %s" : "cancelled%s",
            rc ? libxl_snapshot_strerror(rc) : "");
    ended(d, false);
    return EXIT_FAILED;
}

int job_wait(struct disk_job *d)
{
    libxl_snapshot_how how = make_how(d);
    struct domain domain = { 0 };
    struct error e = { 0 };
    int rc;

    if (cli_domain(d->cli, d->domain, true, &domain, &e))
        return cli_fail(d->cli, &e);
    free(domain.name);
    progress_start(&d->progress);
    d->progress.lines = true;
    rc = libxl_disk_job_wait(d->cli->ctx, domain.domid, d->vdev, &how,
                             &d->job);
    if (!rc && d->job.phase == LIBXL_DISK_JOB_PHASE_READY &&
        (d->pivot || d->finish))
        rc = libxl_disk_job_abort(d->cli->ctx, domain.domid, d->vdev,
                                  d->pivot ? LIBXL_DISK_JOB_ABORT_PIVOT : 0,
                                  &how, &d->job);
    progress_end(&d->progress);
    if (rc == ERROR_ABORTED)
        return cancel(d, domain.domid, &how);
    if (rc) {
        cli_error_rc(&e, rc, "the job could not be waited for or ended");
        return cli_fail(d->cli, &e);
    }
    if (d->job.phase == LIBXL_DISK_JOB_PHASE_READY) {
        job_print(d);
        return EXIT_OK;
    }
    return ended(d, d->job.phase == LIBXL_DISK_JOB_PHASE_COMPLETED ||
                        (d->finish && d->job.target_complete));
}

int job_run(struct disk_job *d,
            int (*start)(struct disk_job *d, uint32_t domid,
                         const libxl_snapshot_how *how, const void *args),
            const void *args)
{
    libxl_snapshot_how how = make_how(d);
    struct error e = { 0 };
    int code = 0, rc;

    if (session_open(d->cli, d->domain, true, &d->s, &e)) {
        code = cli_fail(d->cli, &e);
    } else {
        rc = start(d, d->s.domain.domid, &how, args);
        if (rc) {
            if (!d->error.text)
                cli_error_rc(&d->error, rc, "the job was not begun");
            code = cli_fail(d->cli, &d->error);
        }
        if (rc && d->noted && !outcome_unknown(rc)) {
            job_note_forget(d->s.store, d->s.store->info.num_jobs - 1);
            if (store_write_info(d->s.store, &e))
                cli_say(d->cli, "%s", e.text);
            error_clear(&e);
        }
    }
    /* Others may work on the domain while it runs. */
    session_close(&d->s);
    if (code)
        return code;
    if (!d->async)
        return job_wait(d);
    if (!d->cli->json)
        printf("Begun; xl disk-job %s %s tells how it goes on.\n", d->domain,
               d->vdev);
    return EXIT_OK;
}
