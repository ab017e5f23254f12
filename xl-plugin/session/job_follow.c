/* SPDX-License-Identifier: LGPL-2.1-only */
/* The store follows what has become of block jobs. */
#include "session/disk_job.h"

#include "common/files.h"
#include "layers/identity.h"
#include "offline/merge_internal.h"
#include "session/chain_copy.h"
#include "session/users.h"

static int unused(void *user, const char *path, struct error *e)
{
    return users_running(user, INVALID_DOMID, path, e);
}

static int apply(struct session *s, struct cli *cli,
                 const xl_snapshot_job *noted, const libxl_disk_job *job,
                 struct error *e)
{
    struct merge merge = { .st = s->store, .live = &s->live,
                         .domid = s->domain.domid, .unused = unused,
                         .user = cli };
    struct live_disk *live = live_find(&s->live, s->domain.domid,
                                       noted->vdev);
    xl_snapshot_domain_disk *disk = store_disk(s->store, noted->vdev);
    bool moved = false;
    int i;

    /* Where the path stayed, its file has what the references to it mean. That
     * it did not is for a base of another format than qcow2. */
    for (i = 0; i < job->num_unused; i++)
        moved |= str_same(job->unused[i], noted->from_path);
    if (moved && !str_none(noted->to_path) &&
        merge_moved(&merge, noted->from_path, noted->to_path,
                    LIBXL_DISK_FORMAT_RAW, e))
        return -1;
    if (job->type == LIBXL_DISK_JOB_TYPE_COPY)
        for (i = 0; i < job->num_unused; i++)
            if (merge_configured(s->store, job->unused[i])) {
                if (image_freeze(job->unused[i], e))
                    return -1;
                cli_say(cli, "%s, which the domain's configuration names, is "
                        "protected from being started on", job->unused[i]);
            }
    /* It was exchanged for another one since. */
    if (live && !str_none(job->path) && !str_same(live->path, job->path) &&
        !xls_same_file(live->path, job->path))
        live->replaced = true;
    /* That the disk has moved is nothing that its configuration says. */
    if (disk && !str_none(job->path)) {
        str_replace(&disk->top_path, job->path);
        disk->top_format = job->format;
    }
    identity_note_tops(s->store, &s->live, s->domain.domid);
    identity_note_alone(s->store, &s->live, s->domain.domid, noted->vdev);
    return 0;
}

int job_follow(struct session *s, struct cli *cli, struct error *e)
{
    xl_snapshot_domain *info = &s->store->info;
    libxl_snapshot_how how = { .logger = cli->logger };
    int before = info->num_jobs, i = 0, ret = 0;

    while (!ret && i < info->num_jobs) {
        const xl_snapshot_job *noted = &info->jobs[i];
        uint32_t domid = domain_runs(s->domain.domid) ? s->domain.domid
                                                      : noted->domid;
        libxl_disk_job job;
        int rc;

        libxl_disk_job_init(&job);
        rc = libxl_disk_job_info(cli->ctx, domid, noted->vdev, &how, &job);
        if (rc && rc != ERROR_DOMAIN_NOTFOUND) {
            ret = cli_error_rc(e, rc, "a job's outcome cannot be told");
        } else if (!rc && (job.phase == LIBXL_DISK_JOB_PHASE_RUNNING ||
                           job.phase == LIBXL_DISK_JOB_PHASE_READY)) {
            i++;
        } else {
            if (noted->num_layers)
                ret = chain_copy_follow(s, cli, noted, &job, e);
            if (!ret && !rc && job.phase == LIBXL_DISK_JOB_PHASE_COMPLETED &&
                live_find(&s->live, s->domain.domid, noted->vdev))
                ret = apply(s, cli, noted, &job, e);
            if (!ret)
                job_note_forget(s->store, i);
        }
        libxl_disk_job_dispose(&job);
    }
    if (!ret && info->num_jobs != before)
        ret = store_write_info(s->store, e);
    return ret;
}
