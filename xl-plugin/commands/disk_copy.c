/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/chain_copy.h"

#include <string.h>

static int start(struct disk_job *d, uint32_t domid,
                 const libxl_snapshot_how *how, const void *args)
{
    if (job_note(d, NULL, NULL))
        return -1;
    return libxl_disk_copy(d->cli->ctx, domid, args, how);
}

static int start_chain(struct disk_job *d, uint32_t domid,
                       const libxl_snapshot_how *how, const void *args)
{
    const libxl_disk_copy_args *a = args;

    return chain_copy_start(d, domid, a->target, a->speed, how);
}

static int parse_format(struct disk_job *d, const char *text,
                        libxl_disk_format *format)
{
    if (!strcmp(text, "raw"))
        *format = LIBXL_DISK_FORMAT_RAW;
    else if (!strcmp(text, "qcow2"))
        *format = LIBXL_DISK_FORMAT_QCOW2;
    else
        return cli_usage(d->cli, "a copy is of format raw or qcow2, not "
                         "\"%s\"", text);
    return 0;
}

static int option(struct disk_job *d, libxl_disk_copy_args *args,
                  bool *chain, int opt)
{
    switch (opt) {
    case 'c':
        *chain = true;
        break;
    case 'p':
        d->pivot = true;
        break;
    case 'f':
        d->finish = true;
        break;
    case 's':
        args->shallow = true;
        break;
    case 'r':
        args->reuse_external = true;
        break;
    case 'k':
        args->keep_path = true;
        break;
    case 'F':
        return parse_format(d, optarg, &args->format);
    default:
        return job_option(d, opt);
    }
    return 0;
}

int command_disk_copy(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "pivot", no_argument, NULL, 'p' },
        { "finish", no_argument, NULL, 'f' },
        { "shallow", no_argument, NULL, 's' },
        { "reuse-external", no_argument, NULL, 'r' },
        { "keep-path", no_argument, NULL, 'k' },
        { "chain", no_argument, NULL, 'c' },
        { "format", required_argument, NULL, 'F' },
        JOB_OPTIONS
    };
    struct disk_job d = { .cli = cli };
    libxl_disk_copy_args args;
    const char *target = NULL;
    bool chain = false;
    int opt, code = 0;

    libxl_disk_job_init(&d.job);
    libxl_disk_copy_args_init(&args);
    while (!code && (opt = cli_option(cli, argc, argv, options, &code)) != -1) {
        if (opt == OPT_EXIT)
            return code;
        code = option(&d, &args, &chain, opt);
    }
    if (!code && d.pivot + d.finish + d.async > 1)
        code = cli_usage(cli, "--pivot, --finish and --async exclude each "
                         "other");
    if (!code && chain && (args.shallow || args.reuse_external ||
                           args.keep_path || args.format))
        code = cli_usage(cli, "--chain decides by itself what --shallow, "
                         "--reuse-external, --keep-path and --format say");
    if (!code)
        code = job_words(&d, argc, argv, &target);
    if (code)
        return code;
    args.vdev = (char *)d.vdev;
    args.target = (char *)target;
    args.speed = d.speed;
    code = job_run(&d, chain ? start_chain : start, &args);
    libxl_disk_job_dispose(&d.job);
    return code;
}
