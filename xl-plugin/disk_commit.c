/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/disk_job.h"

#include <stdio.h>

/* The layers by their names, for what the store says of them. */
struct commit {
    libxl_disk_commit_args args;
    char from[4096], to[4096];
};

static int start(struct disk_job *d, uint32_t domid,
                 const libxl_snapshot_how *how, const void *user)
{
    struct commit *c = (struct commit *)user;
    const struct live_disk *live = live_find(&d->s.live, domid, d->vdev);
    const char *top = c->args.top ? c->args.top : live ? live->path : "";
    struct error ignored = { 0 };
    struct image image = { 0 };

    snprintf(c->from, sizeof(c->from), "%s", top);
    if (c->args.base)
        snprintf(c->to, sizeof(c->to), "%s", c->args.base);
    else if (!image_info(top, LIBXL_DISK_FORMAT_QCOW2, &image, &ignored))
        snprintf(c->to, sizeof(c->to), "%s",
                 image.backing ? image.backing : "");
    image_dispose(&image);
    error_clear(&ignored);
    return libxl_disk_commit(d->cli->ctx, domid, &c->args, how);
}

int command_disk_commit(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "top", required_argument, NULL, 't' },
        { "base", required_argument, NULL, 'b' },
        JOB_OPTIONS
    };
    struct disk_job d = { .cli = cli, .pivot = true };
    struct commit c = { 0 };
    int opt, code = 0;

    libxl_disk_job_init(&d.job);
    while (!code && (opt = cli_option(cli, argc, argv, options, &code)) != -1) {
        if (opt == OPT_EXIT)
            return code;
        if (opt == 't')
            c.args.top = optarg;
        else if (opt == 'b')
            c.args.base = optarg;
        else
            code = job_option(&d, opt);
    }
    if (!code)
        code = job_words(&d, argc, argv, NULL);
    if (code)
        return code;
    c.args.vdev = (char *)d.vdev;
    c.args.speed = d.speed;
    code = job_run(&d, start, &c, c.from, c.to);
    libxl_disk_job_dispose(&d.job);
    return code;
}
