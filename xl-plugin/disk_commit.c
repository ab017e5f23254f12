/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/disk_job.h"

static int start(struct disk_job *d, uint32_t domid,
                 const libxl_snapshot_how *how, const void *args)
{
    const libxl_disk_commit_args *a = args;
    const struct live_disk *live = live_find(&d->s.live, domid, d->vdev);
    const char *top = a->top ? a->top : live ? live->path : "";
    const char *base = a->base;
    struct error ignored = { 0 };
    struct image image = { 0 };
    int ret;

    if (!base && !image_info(top, LIBXL_DISK_FORMAT_QCOW2, &image, &ignored))
        base = image.backing;
    error_clear(&ignored);
    ret = job_note(d, top, base);
    image_dispose(&image);
    return ret ? ret : libxl_disk_commit(d->cli->ctx, domid, a, how);
}

int command_disk_commit(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "top", required_argument, NULL, 't' },
        { "base", required_argument, NULL, 'b' },
        JOB_OPTIONS
    };
    struct disk_job d = { .cli = cli, .pivot = true };
    libxl_disk_commit_args args = { 0 };
    int opt, code = 0;

    libxl_disk_job_init(&d.job);
    while (!code && (opt = cli_option(cli, argc, argv, options, &code)) != -1) {
        if (opt == OPT_EXIT)
            return code;
        if (opt == 't')
            args.top = optarg;
        else if (opt == 'b')
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
