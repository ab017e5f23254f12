/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/memory.h"

#include <stdlib.h>

#include "cli/progress.h"
#include "common/files.h"
#include "layers/savefile.h"
#include "util/capture.h"

/* A call that may take long, and what the library says of its failure. */
struct call {
    struct progress progress;
    struct capture capture;
    libxl_snapshot_how how;
};

static void begin(struct call *call, struct cli *cli)
{
    capture_start(&call->capture, cli->logger);
    call->how = (libxl_snapshot_how){ .logger = &call->capture.logger,
                                      .progress = progress_report,
                                      .user = &call->progress };
    progress_start(&call->progress);
}

static int fail(const struct capture *capture, int rc, const char *what,
                struct error *e)
{
    char *said = capture_text(capture);

    if (rc == ERROR_ABORTED)
        error_set(e, "cancelled; nothing has changed");
    else
        error_set(e, "%s%s", what, *said ? said : libxl_snapshot_strerror(rc));
    free(said);
    return -1;
}

static int end(struct call *call, int rc, const char *what, struct error *e)
{
    int ret;

    progress_end(&call->progress);
    ret = rc ? fail(&call->capture, rc, what, e) : 0;
    capture_end(&call->capture);
    return ret;
}

int memory_info(struct cli *cli, const char *path,
                libxl_snapshot_memory_info *info, struct error *e)
{
    struct capture capture;
    const libxl_snapshot_how how = { .logger = &capture.logger };
    int rc, ret;

    if (cli_libxl(cli, e))
        return -1;
    capture_start(&capture, cli->logger);
    rc = libxl_snapshot_memory_get_info(cli->ctx, path, &how, info);
    ret = rc ? fail(&capture, rc, "", e) : 0;
    capture_end(&capture);
    return ret;
}

int memory_verify(struct cli *cli, const char *path, struct strings *faults,
                  struct error *e)
{
    struct call call;
    int i, rc;

    if (cli_libxl(cli, e))
        return -1;
    begin(&call, cli);
    rc = libxl_snapshot_memory_verify(cli->ctx, path, &call.how);
    if (rc == ERROR_ABORTED)
        return end(&call, rc, "", e);
    for (i = 0; rc && i < call.capture.errors.num; i++)
        strings_add(faults, call.capture.errors.v[i]);
    if (rc && !faults->num)
        strings_add(faults, libxl_snapshot_strerror(rc));
    return end(&call, 0, "", e);
}

int memory_export(struct cli *cli, const char *path, const char *to,
                  struct error *e)
{
    struct call call;
    int rc;

    if (cli_libxl(cli, e))
        return -1;
    begin(&call, cli);
    rc = libxl_snapshot_memory_export(cli->ctx, path, to, &call.how);
    return end(&call, rc, "the export failed: ", e);
}

int memory_import(struct cli *cli, const char *from, const char *path,
                  struct error *e)
{
    struct call call;
    int rc;

    if (cli_libxl(cli, e))
        return -1;
    begin(&call, cli);
    rc = libxl_snapshot_memory_import(cli->ctx, from, path, NULL, MEMORY_LEVEL,
                                      &call.how);
    return end(&call, rc, "the import failed: ", e);
}

static const libxl_device_disk *find_disk(const libxl_domain_config *config,
                                          const char *vdev)
{
    int i;

    for (i = 0; i < config->num_disks; i++)
        if (str_same(config->disks[i].vdev, vdev))
            return &config->disks[i];
    return NULL;
}

static int compare(const char *path, const libxl_domain_config *config,
                   const xl_snapshot_record *rec, struct error *e)
{
    int i;

    for (i = 0; i < rec->num_disks; i++) {
        const xl_snapshot_disk *d = &rec->disks[i];
        const libxl_device_disk *named = find_disk(config, d->vdev);
        const char *file = named ? named->pdev_path : NULL;

        if (d->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL ||
            str_same(file, d->layer_path) ||
            (file && xls_same_file(file, d->layer_path)))
            continue;
        return error_set(e, "disk %s is %s by the configuration in %s, and %s "
                         "in snapshot %s", d->vdev, file ? file : "not there",
                         path, d->layer_path, rec->name);
    }
    return 0;
}

int memory_fits(struct cli *cli, const char *path,
                const xl_snapshot_record *rec, struct error *e)
{
    libxl_domain_config config;
    char *json;
    int rc, ret;

    if (savefile_config(path, &json, e))
        return -1;
    libxl_domain_config_init(&config);
    rc = libxl_domain_config_from_json(cli->ctx, &config, json);
    ret = rc ? error_set(e, "the configuration in %s cannot be used: %s",
                         path, libxl_snapshot_strerror(rc))
             : compare(path, &config, rec, e);
    libxl_domain_config_dispose(&config);
    free(json);
    return ret;
}
