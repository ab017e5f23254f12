/* SPDX-License-Identifier: LGPL-2.1-only */
#include "intent/journal.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "block/job.h"
#include "common/alloc.h"
#include "common/files.h"
#include "merge/merge.h"
#include "ops/create/create.h"
#include "ops/job/job.h"
#include "ops/revert/revert.h"
#include "session/change.h"
#include "session/paths.h"
#include "xen/domain.h"

/* Whether a job has a file, and with it goes on without a process. */
static bool has_file(struct xls_op *op, const char *id)
{
    char **paths = xls_disk_job_files(op->uuid, op->domid, -1), **p;
    bool has = false;

    for (p = paths; p && *p && !has; p++) {
        struct xls_disk_job j;

        /* One that cannot be read may be anyone's. */
        has = xls_disk_job_read(op, *p, &j) || (j.id && !strcmp(j.id, id));
        xls_disk_job_dispose(&j);
    }
    xls_disk_job_files_free(paths);
    return has;
}

/* Jobs that a killed process waited for go on in QEMU; with the domain's lock
 * held, none of these has an owner. */
static int drop_orphan_jobs(struct xls_op *op)
{
    struct xls_json *jobs = NULL;
    size_t i;
    int rc;

    rc = xls_op_ask(op, "asking QEMU for its jobs", "query-jobs", NULL, &jobs);
    /* Without a QEMU there are none. */
    if (rc && xls_op_qemu_gone(op))
        return 0;
    for (i = 0; i < xls_json_len(jobs) && !rc; i++) {
        const char *id = xls_json_get_str(xls_json_at(jobs, i), "id");

        if (id && !strncmp(id, "xls-", 4) && !has_file(op, id))
            rc = xls_job_cancel(op, id);
    }
    xls_json_free(jobs);
    return rc;
}

static int recover_create(struct xls_op *op, const struct xls_json *journal)
{
    /* It may have been on its way back already. */
    int rc = xls_merge_recover(op, journal);

    return rc ? rc : xls_create_undo_killed(op, journal);
}

/* A revert is about two domains: see handle. */
static const struct recovery {
    const char *operation;
    const char *what, *now;     /* "… of domain X was interrupted; …" */
    /* On the domain as it runs now. */
    int (*finish)(struct xls_op *op, const struct xls_json *journal);
    /* The domain was started anew since: the files may be in use in another way
     * by now, and only what nobody can use is removed. */
    int (*tidy)(struct xls_op *op, const struct xls_json *journal);
} recoveries[] = {
    { "create", "a snapshot", "taking back what was done of it",
      recover_create, xls_create_tidy_killed },
    { "delete", "the deletion of a snapshot", "putting its disks in order",
      xls_merge_recover, xls_merge_tidy },
};

static const struct recovery *find(const char *operation)
{
    size_t i;

    for (i = 0; i < sizeof(recoveries) / sizeof(recoveries[0]); i++)
        if (operation && !strcmp(operation, recoveries[i].operation))
            return &recoveries[i];
    return NULL;
}

static int of_another_version(struct xls_op *op)
{
    XLS_ERROR(&op->log, "the journal of an interrupted operation on domain %s, "
              "in " XLS_STATE_DIR ", is not of this version; recover it with "
              "the one that wrote it", op->name);
    return ERROR_SNAPSHOT_INCOMPLETE;
}

static int finish(struct xls_op *op, const struct recovery *r,
                  const struct xls_json *journal)
{
    bool paused = xls_json_get_bool(journal, "paused", false);
    int rc, rc_info;

    XLS_NOTICE(&op->log, "%s of domain %s was interrupted; %s", r->what,
               op->name, r->now);
    rc = drop_orphan_jobs(op);
    if (!rc)
        rc = r->finish(op, journal);
    if (xls_unanswered(rc))
        rc = xls_op_doubt(op, "recovery");
    rc_info = xls_op_refresh(op);
    /* The killed process may have paused it for the moment of the switch. */
    if (!rc_info && op->info.paused && !paused)
        xls_domain_unpause(op);
    return rc ? rc : xls_op_refresh(op);
}

static bool alive(struct xls_op *op, const struct xls_json *journal)
{
    uint64_t domid;

    return xls_journal_of_this_boot(journal) &&
           xls_json_get_uint(journal, "domid", &domid) &&
           xls_journal_lives(op, domid);
}

/* A journal of the domain's uuid, or of a domain that had its disks. */
static int handle(struct xls_op *op, const char *path, bool mine)
{
    const char *name = strrchr(path, '/') + 1, *operation;
    bool foreign = strncmp(name, op->uuid, strlen(op->uuid)), revert;
    const struct recovery *r;
    struct xls_json *journal;
    int rc;

    rc = xls_journal_read(op, path, &journal);
    if (rc)
        return mine ? rc : 0;
    operation = xls_json_get_str(journal, "operation");
    revert = operation && !strcmp(operation, "revert");
    r = find(operation);
    /* It is about two domains, whichever of them this is. */
    if (revert && xls_journal_of_this_boot(journal) &&
        xls_revert_built(op, journal))
        foreign = false;
    if (foreign && !xls_journal_is_inherited(op, name, journal))
        goto out;
    if (revert) {
        rc = xls_revert_recover(op, path, journal, foreign ||
                                    !xls_journal_of_this_boot(journal));
    } else if (!foreign && alive(op, journal)) {
        /* Another one's is for the next operation on that domain. */
        if (!mine)
            goto out;
        rc = r ? finish(op, r, journal) : of_another_version(op);
    } else {
        rc = r ? r->tidy(op, journal) : of_another_version(op);
    }
    if (!rc)
        rc = xls_file_unlink(&op->log, path);

out:
    xls_json_free(journal);
    return rc;
}

int xls_recover(struct xls_op *op)
{
    char *mine = xls_journal_path(op->uuid, op->domid);
    struct dirent *entry;
    DIR *dir = opendir(XLS_STATE_DIR);
    int rc = 0;

    while (dir && !rc && (entry = readdir(dir))) {
        const char *end = strrchr(entry->d_name, '.');
        char *path = xls_asprintf("%s/%s", XLS_STATE_DIR, entry->d_name);

        if (end && !strcmp(end, ".json"))
            rc = handle(op, path, !strcmp(path, mine));
        /* A journal that was cut off before it got its name. */
        else if (end && !strcmp(end, ".new") &&
                 xls_journal_is_abandoned(op, entry->d_name))
            rc = xls_file_unlink(&op->log, path);
        free(path);
    }
    if (dir)
        closedir(dir);
    free(mine);
    return rc ? rc : xls_disk_jobs_finish(op);
}
