/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/disk_job.h"

static int start(struct disk_job *d, uint32_t domid,
                 const libxl_snapshot_how *how, const void *args)
{
    if (job_note(d, NULL, NULL))
        return -1;
    return libxl_disk_pull(d->cli->ctx, domid, args, how);
}

int command_disk_pull(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "base", required_argument, NULL, 'b' },
        JOB_OPTIONS
    };
    struct disk_job d = { .cli = cli };
    libxl_disk_pull_args args = { 0 };
    int opt, code = 0;

    libxl_disk_job_init(&d.job);
    while (!code && (opt = cli_option(cli, argc, argv, options, &code)) != -1) {
        if (opt == OPT_EXIT)
            return code;
        if (opt == 'b')
            args.base = optarg;
        else
            code = job_option(&d, opt);
    }
    if (!code)
        code = job_words(&d, argc, argv, NULL);
    if (code)
        return code;
    args.vdev = (char *)d.vdev;
    args.speed = d.speed;
    code = job_run(&d, start, &args);
    libxl_disk_job_dispose(&d.job);
    return code;
}
