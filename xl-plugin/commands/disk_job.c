/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/disk_job.h"

#include <stdlib.h>

enum what { INFO = 1, WAIT, ABORT, PIVOT, SPEED };

/* Under the store's lock, as all that changes the domain. */
static int change(struct disk_job *d, enum what what, struct error *e)
{
    libxl_snapshot_how how = { .logger = d->cli->logger };
    unsigned flags = what == PIVOT ? LIBXL_DISK_JOB_ABORT_PIVOT
                     : d->async ? LIBXL_DISK_JOB_ABORT_ASYNC : 0;
    int ret, rc;

    ret = session_open(d->cli, d->domain, true, &d->s, e);
    if (!ret) {
        /* The guest stands still for a pivot. */
        progress_start(&d->progress);
        rc = what == SPEED
                 ? libxl_disk_job_set_speed(d->cli->ctx, d->s.domain.domid,
                                            d->vdev, d->speed, &how)
                 : libxl_disk_job_abort(d->cli->ctx, d->s.domain.domid,
                                        d->vdev, flags, &how, &d->job);
        progress_end(&d->progress);
        if (rc)
            ret = cli_error_rc(e, rc, "the job stays as it is");
    }
    session_close(&d->s);
    if (ret || what == SPEED)
        return ret;
    /* What has ended, the store follows. */
    ret = session_open(d->cli, d->domain, true, &d->s, e);
    session_close(&d->s);
    return ret;
}

static int info(struct disk_job *d, struct error *e)
{
    libxl_snapshot_how how = { .logger = d->cli->logger };
    struct domain domain = { 0 };
    char *end;
    int rc;

    /* A domain that is gone is known by its id alone. */
    if (cli_domain(d->cli, d->domain, true, &domain, e)) {
        domain.domid = strtoul(d->domain, &end, 10);
        if (*end || !d->cli->ctx)
            return -1;
        error_clear(e);
    }
    free(domain.name);
    rc = libxl_disk_job_info(d->cli->ctx, domain.domid, d->vdev, &how,
                             &d->job);
    return rc ? cli_error_rc(e, rc, "the job cannot be told of") : 0;
}

int command_disk_job(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "info", no_argument, NULL, INFO },
        { "wait", no_argument, NULL, WAIT },
        { "abort", no_argument, NULL, ABORT },
        { "pivot", no_argument, NULL, PIVOT },
        JOB_OPTIONS
    };
    struct disk_job d = { .cli = cli };
    struct error e = { 0 };
    enum what what = 0;
    int opt, code = 0;

    libxl_disk_job_init(&d.job);
    while (!code && (opt = cli_option(cli, argc, argv, options, &code)) != -1) {
        enum what this = opt == JOB_SPEED ? SPEED : (enum what)opt;

        if (opt == OPT_EXIT)
            return code;
        if (opt >= JOB_SPEED)
            code = job_option(&d, opt);
        if (opt != JOB_ASYNC && !code && what)
            code = cli_usage(cli, "one thing at a time");
        if (opt != JOB_ASYNC)
            what = this;
    }
    if (!code && d.async && what != ABORT)
        code = cli_usage(cli, "--async goes with --abort");
    if (!code)
        code = job_words(&d, argc, argv, NULL);
    if (code)
        return code;
    if (what == WAIT) {
        code = job_wait(&d);
    } else if (what > WAIT ? change(&d, what, &e) : info(&d, &e)) {
        code = cli_fail(cli, &e);
    } else if (what != SPEED) {
        job_print(&d);
    }
    libxl_disk_job_dispose(&d.job);
    return code;
}
