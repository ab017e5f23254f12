/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the store has of block jobs while they run. */
#include "session/disk_job.h"

#include <string.h>

#include "common/alloc.h"
#include "layers/identity.h"

xl_snapshot_job *job_note_new(struct disk_job *d, const char *from,
                              const char *to)
{
    xl_snapshot_domain *info = &d->s.store->info;
    xl_snapshot_job *job;

    /* What the domain's configuration names, as long as that is known. */
    identity_note_tops(d->s.store, &d->s.live, d->s.domain.domid);
    info->jobs = xls_realloc(info->jobs, info->num_jobs + 1,
                             sizeof(*info->jobs));
    job = &info->jobs[info->num_jobs++];
    xl_snapshot_job_init(job);
    job->vdev = xls_strdup(d->vdev);
    job->domid = d->s.domain.domid;
    job->from_path = xls_strdup(from);
    job->to_path = xls_strdup(to);
    return job;
}

int job_note_write(struct disk_job *d)
{
    if (store_write_info(d->s.store, &d->error))
        return -1;
    d->noted = true;
    return 0;
}

int job_note(struct disk_job *d, const char *from, const char *to)
{
    job_note_new(d, from, to);
    return job_note_write(d);
}

void job_note_forget(struct store *st, int i)
{
    xl_snapshot_domain *info = &st->info;

    xl_snapshot_job_dispose(&info->jobs[i]);
    info->num_jobs--;
    memmove(&info->jobs[i], &info->jobs[i + 1],
            (info->num_jobs - i) * sizeof(*info->jobs));
}
