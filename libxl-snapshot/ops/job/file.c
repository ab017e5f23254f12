/* SPDX-License-Identifier: LGPL-2.1-only */
#include "ops/job/job.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "intent/journal.h"
#include "session/paths.h"

void xls_disk_job_dispose(struct xls_disk_job *j)
{
    free(j->path);
    free(j->id);
    libxl_disk_job_dispose(&j->job);
    xls_merge_dispose(&j->merge);
    memset(j, 0, sizeof(*j));
}

bool xls_disk_job_active(const struct xls_disk_job *j)
{
    return j->path && (j->job.phase == LIBXL_DISK_JOB_PHASE_RUNNING ||
                       j->job.phase == LIBXL_DISK_JOB_PHASE_READY);
}

char *xls_disk_job_path(const struct xls_op *op, uint32_t domid, int devid)
{
    return xls_asprintf("%s/%s.%u.%d.job", XLS_STATE_DIR, op->uuid, domid,
                        devid);
}

static char *text(const struct xls_json *o, const char *key)
{
    return xls_strdup(xls_json_get_str(o, key));
}

static int from_json(struct xls_op *op, const struct xls_json *o,
                     struct xls_disk_job *j)
{
    char *job = xls_json_print(xls_json_get(o, "job"), false);
    char *error = NULL;
    uint64_t domid;
    int rc;

    rc = libxl_disk_job_from_json(op->ctx, &j->job, job, &error);
    if (!rc)
        rc = xls_merge_from_json(xls_json_get(o, XLS_MERGE_KEY), &j->merge);
    j->id = text(o, "id");
    j->this_boot = xls_journal_of_this_boot(o);
    j->cancelling = xls_json_get_bool(o, "cancelling", false);
    j->pivoting = xls_json_get_bool(o, "pivoting", false);
    j->ending = xls_json_get_bool(o, "ending", false);
    j->was_ready = xls_json_get_bool(o, "was_ready", false);
    j->paused = xls_json_get_bool(o, "paused", false);
    if (!xls_json_get_uint(o, "domid", &domid) || !j->id || !j->job.vdev)
        rc = ERROR_SNAPSHOT_INCOMPLETE;
    j->domid = (uint32_t)domid;
    if (rc)
        XLS_ERROR(&op->log, "the file %s of a block job is not of this "
                  "version or damaged%s%s; remove it when no job runs",
                  j->path, error ? ": " : "", error ? error : "");
    free(error);
    free(job);
    return rc ? ERROR_SNAPSHOT_INCOMPLETE : 0;
}

int xls_disk_job_read(struct xls_op *op, const char *path,
                      struct xls_disk_job *j)
{
    struct xls_json *o;
    int rc;

    memset(j, 0, sizeof(*j));
    libxl_disk_job_init(&j->job);
    if (access(path, F_OK) && errno == ENOENT)
        return 0;
    rc = xls_journal_read(op, path, &o);
    if (rc)
        return rc;
    j->path = xls_strdup(path);
    rc = from_json(op, o, j);
    xls_json_free(o);
    return rc;
}

int xls_disk_job_write(struct xls_op *op, const struct xls_disk_job *j)
{
    struct xls_json *o = xls_journal_new(op, "job");
    int rc;

    xls_json_set_int(o, "domid", j->domid);
    xls_json_set_bool(o, "paused", j->paused);
    xls_json_set_str(o, "id", j->id);
    xls_json_set(o, "job", xls_json_of_text(
        libxl_disk_job_to_json(op->ctx, &j->job), &xls_json_limits_file));
    xls_json_set(o, XLS_MERGE_KEY, xls_merge_json(&j->merge));
    xls_json_set_bool(o, "cancelling", j->cancelling);
    xls_json_set_bool(o, "pivoting", j->pivoting);
    xls_json_set_bool(o, "ending", j->ending);
    xls_json_set_bool(o, "was_ready", j->was_ready);
    rc = xls_journal_write_to(op, j->path, o);
    xls_json_free(o);
    return rc;
}

/* Whether a file's name is of a job of these; see xls_disk_job_files. */
static bool matches(const char *name, const char *uuid, uint32_t domid,
                    int devid)
{
    char its_uuid[40], end;
    unsigned its_domid;
    int its_devid;

    return sscanf(name, "%36[0-9a-f-].%u.%d.jo%c", its_uuid, &its_domid,
                  &its_devid, &end) == 4 &&
           end == 'b' && name[strlen(name) - 1] == 'b' &&
           (!uuid || !strcmp(its_uuid, uuid)) &&
           (domid == XLS_NO_DOMID || domid == its_domid) &&
           (devid < 0 || devid == its_devid);
}

char **xls_disk_job_files(const char *uuid, uint32_t domid, int devid)
{
    DIR *dir = opendir(XLS_STATE_DIR);
    struct dirent *entry;
    char **paths = NULL;
    size_t num = 0;

    while (dir && (entry = readdir(dir))) {
        if (!matches(entry->d_name, uuid, domid, devid))
            continue;
        paths = xls_realloc(paths, num + 2, sizeof(*paths));
        paths[num++] = xls_asprintf("%s/%s", XLS_STATE_DIR, entry->d_name);
        paths[num] = NULL;
    }
    if (dir)
        closedir(dir);
    return paths;
}

void xls_disk_job_files_free(char **paths)
{
    char **p;

    for (p = paths; p && *p; p++)
        free(*p);
    free(paths);
}

int xls_disk_jobs_none(struct xls_op *op)
{
    char **paths = xls_disk_job_files(op->uuid, op->domid, -1), **p;
    int rc = 0;

    for (p = paths; p && *p && !rc; p++) {
        struct xls_disk_job j;

        rc = xls_disk_job_read(op, *p, &j);
        if (!rc && xls_disk_job_active(&j)) {
            XLS_ERROR(&op->log, "a block job runs on disk %s of domain %s; "
                      "wait for its end or cancel it", j.job.vdev, op->name);
            rc = ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE;
        }
        xls_disk_job_dispose(&j);
    }
    xls_disk_job_files_free(paths);
    return rc;
}
