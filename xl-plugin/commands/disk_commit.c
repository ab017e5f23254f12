/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/files.h"
#include "common/mark.h"
#include "session/disk_job.h"

static bool is_recorded(const struct store *st, const char *path)
{
    int i, j;

    for (i = 0; i < st->num_records; i++)
        for (j = 0; j < st->records[i]->num_disks; j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];

            if (d->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL &&
                (str_same(d->layer_path, path) ||
                 xls_same_file(d->layer_path, path)))
                return true;
        }
    return false;
}

/* Whether the base may be written: a layer of the domain's own snapshots, or
 * one that is named and forced. */
static int check_base(struct disk_job *d, const char *base,
                      libxl_disk_commit_args *args)
{
    if (args->force && !args->base)
        return error_set(&d->error, "--force needs --base, the layer that may "
                         "be written");
    if (args->force || str_none(base) || xls_marked(base))
        return 0;
    if (!is_recorded(d->s.store, base))
        return error_set(&d->error, "disk %s: %s is not a layer of the "
                         "snapshots of %s, and other images may be based on "
                         "it, such as clones on a golden image; to write it "
                         "all the same: --base=%s --force", d->vdev, base,
                         d->domain, base);
    args->base = (char *)base;
    args->force = true;
    return 0;
}

static int start(struct disk_job *d, uint32_t domid,
                 const libxl_snapshot_how *how, const void *with)
{
    libxl_disk_commit_args args = *(const libxl_disk_commit_args *)with;
    const struct live_disk *live = live_find(&d->s.live, domid, d->vdev);
    const char *top = args.top ? args.top : live ? live->path : "";
    const char *base = args.base;
    struct error ignored = { 0 };
    struct image image = { 0 };
    int ret;

    if (!base && !image_info(top, LIBXL_DISK_FORMAT_QCOW2, &image, &ignored))
        base = image.backing;
    error_clear(&ignored);
    ret = check_base(d, base, &args);
    if (!ret)
        ret = job_note(d, top, base);
    if (!ret)
        ret = libxl_disk_commit(d->cli->ctx, domid, &args, how);
    image_dispose(&image);
    return ret;
}

int command_disk_commit(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "top", required_argument, NULL, 't' },
        { "base", required_argument, NULL, 'b' },
        { "force", no_argument, NULL, 'f' },
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
        else if (opt == 'f')
            args.force = true;
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
