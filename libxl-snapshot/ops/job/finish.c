/* SPDX-License-Identifier: LGPL-2.1-only */
/* What follows QEMU's part of a job: once, by whoever comes first. */
#include "ops/job/job.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block/job.h"
#include "common/alloc.h"
#include "common/files.h"
#include "intent/journal.h"
#include "session/change.h"
#include "xen/domain.h"

static void set_text(char **s, const char *value)
{
    free(*s);
    *s = xls_strdup(value);
}

static void add_unused(void *user, const char *path)
{
    libxl_disk_job *job = user;

    job->unused = xls_realloc(job->unused, job->num_unused + 1,
                              sizeof(*job->unused));
    job->unused[job->num_unused++] = xls_strdup(path);
}

static void set_unused(struct xls_disk_job *j)
{
    while (j->job.num_unused)
        free(j->job.unused[--j->job.num_unused]);
    xls_merge_unused(&j->merge, add_unused, &j->job);
}

static void set_top(struct xls_disk_job *j, const struct xls_disk *disk)
{
    if (!disk->num_layers)
        return;
    set_text(&j->job.path, disk->layers[0].path);
    j->job.format = xls_driver_format(disk->layers[0].driver);
}

static void set_outcome(struct xls_disk_job *j, bool changed)
{
    if (changed) {
        j->job.phase = LIBXL_DISK_JOB_PHASE_COMPLETED;
        j->job.offset = j->job.length;
        set_unused(j);
    } else if (j->cancelling) {
        j->job.phase = LIBXL_DISK_JOB_PHASE_CANCELLED;
        j->job.target_complete =
            j->merge.copy && j->cancelling && j->was_ready && !j->job.error;
    } else {
        j->job.phase = LIBXL_DISK_JOB_PHASE_FAILED;
        if (!j->job.error)
            j->job.error = xls_strdup("QEMU does not know the job: it was not "
                                      "begun, or another program ended it");
    }
    if (j->job.phase != LIBXL_DISK_JOB_PHASE_FAILED)
        set_text(&j->job.error, NULL);
}

static void set_lost(struct xls_disk_job *j, char *why)
{
    j->job.phase = LIBXL_DISK_JOB_PHASE_LOST;
    free(j->job.error);
    j->job.error = why;
}

/* Nothing shows on which side the disk is. */
static void set_unknown(struct xls_disk_job *j, const char *why)
{
    set_lost(j, xls_asprintf("%s under the job, and it is not known whether the "
                             "job had completed: keep the files of both sides",
                             why));
}

/* A job that waits for its end comes to it. */
static int finalize(struct xls_op *op, const struct xls_disk *disk,
                    struct xls_disk_job *j)
{
    int rc;

    if (j->cancelling)
        return xls_job_cancel(op, j->id);
    rc = xls_merge_finalize(op, disk, &j->merge, j->id);
    if (rc == ERROR_SNAPSHOT_QEMU) {
        /* Nothing has changed then, and the reason is in the log. */
        rc = xls_job_cancel(op, j->id);
        set_text(&j->job.error, "QEMU could not finish the job");
    }
    return rc;
}

/* Where QEMU's part is over, QEMU may forget the job; why it failed is kept
 * first. *pending: it waits for its end. */
static int end(struct xls_op *op, struct xls_disk_job *j, bool *pending)
{
    struct xls_job_state state;
    int rc;

    *pending = false;
    rc = xls_job_query(op, j->id, &state);
    if (rc)
        return rc;
    *pending = state.pending;
    if (state.concluded && state.error && !j->ending) {
        set_text(&j->job.error, state.error);
        j->ending = true;
        rc = xls_disk_job_write(op, j);
    }
    if (!rc && state.concluded)
        rc = xls_job_dismiss(op, j->id);
    xls_job_state_dispose(&state);
    return rc;
}

/* QEMU's nodes may not be asked for as long as one of its jobs is concluded
 * (see xls_block_query): those of the other disks are dismissed, too. */
static int end_others(struct xls_op *op, const struct xls_disk_job *mine)
{
    char **paths = xls_disk_job_files(op->uuid, op->domid, -1), **p;
    bool pending;
    int rc = 0;

    for (p = paths; p && *p && !rc; p++) {
        struct xls_disk_job j;

        if (!strcmp(*p, mine->path))
            continue;
        rc = xls_disk_job_read(op, *p, &j);
        if (!rc && j.this_boot && xls_disk_job_active(&j))
            rc = end(op, &j, &pending);
        xls_disk_job_dispose(&j);
    }
    xls_disk_job_files_free(paths);
    return rc;
}

/* The pivot, and where QEMU refused it, whether the job goes on. */
static int pivot(struct xls_op *op, const struct xls_disk *disk,
                 struct xls_disk_job *j, bool *changed, bool *goes_on)
{
    enum xls_outcome outcome;
    struct xls_job_state state;
    int rc;

    if (!j->pivoting) {
        j->pivoting = true;
        j->paused = op->info.paused;
        rc = xls_disk_job_write(op, j);
        if (rc) {
            /* Nothing has been done, so the job waits on. */
            j->pivoting = false;
            *goes_on = true;
            return rc;
        }
    }
    outcome = xls_merge_pivot(op, disk, &j->merge, j->id, &rc);
    *changed = outcome == XLS_COMPLETED;
    if (outcome != XLS_WAITS)
        return rc;
    if (xls_job_query(op, j->id, &state))
        return xls_op_doubt(op, "asking for the block job after its pivot");
    *goes_on = state.there && !state.concluded;
    if (!state.there)
        set_text(&j->job.error, "QEMU could not go over to the other side");
    xls_job_state_dispose(&state);
    if (*goes_on) {
        j->pivoting = false;
        xls_disk_job_write(op, j);
    }
    return rc;
}

/* The process that began the pivot was killed before it could do that. */
static void go_on(struct xls_op *op, const struct xls_disk_job *j)
{
    if (j->pivoting && !xls_op_refresh(op) && op->info.paused && !j->paused)
        xls_domain_unpause(op);
}

int xls_disk_job_finish(struct xls_op *op, struct xls_disk_job *j,
                        bool pivot_now)
{
    struct xls_disks disks = { 0 };
    struct xls_disk *disk;
    bool changed = false, goes_on = false, pending = false;
    enum xls_outcome outcome;
    int pivot_rc = 0, rc;

    rc = pivot_now ? 0 : end(op, j, &pending);
    if (!rc)
        rc = end_others(op, j);
    if (!rc)
        rc = xls_disks_load(op, &disks);
    if (rc)
        goto out;
    disk = xls_disks_find(&disks, j->job.vdev);
    if (!disk) {
        rc = xls_disk_job_lost(op, j);
        goto out;
    }
    if (!disk->num_layers) {
        XLS_ERROR(&op->log, "disk %s: QEMU does not show its backing chain, so "
                  "the outcome of its block job is not known (%s); no file is "
                  "touched", j->job.vdev, disk->why_not ? disk->why_not : "");
        rc = ERROR_SNAPSHOT_INCOMPLETE;
        goto out;
    }
    if (pivot_now)
        pivot_rc = pivot(op, disk, j, &changed, &goes_on);
    go_on(op, j);
    if (goes_on || op->in_doubt) {
        rc = pivot_rc;
        goto out;
    }
    if (pending)
        rc = finalize(op, disk, j);
    if (!rc)
        rc = xls_disks_requery(op, &disks);
    if (!rc && (!pivot_now || pivot_rc)) {
        outcome = xls_merge_finish(op, disk, &j->merge);
        changed = outcome == XLS_COMPLETED;
        rc = outcome == XLS_UNKNOWN ? ERROR_SNAPSHOT_INCOMPLETE : 0;
    }
    if (!rc)
        rc = xls_disks_requery(op, &disks);
    xls_op_qmp_close(op);
    if (rc) {
        XLS_ERROR(&op->log, "disk %s: its block job has ended, but names or "
                  "records could not follow; the next command tries again",
                  j->job.vdev);
        rc = ERROR_SNAPSHOT_INCOMPLETE;
        goto out;
    }
    if (changed || xls_merge_is_before(disk, &j->merge))
        set_outcome(j, changed);
    else
        set_unknown(j, "the disk was exchanged for another one");
    set_top(j, disk);
    /* Until it is noted, the next command finds the same once more. */
    if (xls_disk_job_write(op, j))
        rc = ERROR_SNAPSHOT_INCOMPLETE;
    else if (!changed)
        rc = pivot_rc;

out:
    xls_disks_dispose(&disks);
    return rc;
}

/* Whether a file is in the chain, by what it was when that is recorded, or by
 * its name. */
static bool is_in_chain(const struct xls_disk *disk, const char *path,
                        const struct xls_file_id *id)
{
    int i;

    if (!id->ino)
        return xls_disk_layer(disk, path) >= 0;
    for (i = 0; i < disk->num_layers; i++)
        if (xls_is_file(disk->layers[i].path, id))
            return true;
    return false;
}

/* Whether the job was of a domain with another uuid. */
static bool is_foreign(const struct xls_op *op, const char *path)
{
    return strncmp(strrchr(path, '/') + 1, op->uuid, strlen(op->uuid));
}

/*
 * Whether the job had completed before the domain went, by what its successor
 * runs on. disk NULL: there is none.
 */
static enum xls_done had_completed(const struct xls_disk_job *j,
                                   const struct xls_disk *disk)
{
    const struct xls_merge *merge = &j->merge;
    bool layer, child;

    if (!disk || !disk->num_layers)
        return xls_merge_pivots(merge) && !j->pivoting ? XLS_NOT_DONE
                                                     : XLS_CANNOT_TELL;
    /* The names alone do not show who has taken whose. */
    if (merge->keep_child_path &&
        (!merge->layer_id.ino || !merge->child_id.ino))
        return XLS_CANNOT_TELL;
    layer = is_in_chain(disk, merge->layer_path, &merge->layer_id);
    child = is_in_chain(disk, merge->child_path, &merge->child_id);
    /* Somebody has taken the copy for another domain. */
    if (merge->copy && !j->pivoting && !child)
        return XLS_CANNOT_TELL;
    if (merge->backward ? layer && !child : !layer && child)
        return XLS_DONE;
    return child && (layer || merge->copy) ? XLS_NOT_DONE : XLS_CANNOT_TELL;
}

int xls_disk_job_lost(struct xls_op *op, struct xls_disk_job *j)
{
    const struct xls_merge *merge = &j->merge;
    struct xls_disks disks = { 0 };
    struct xls_disk *disk = NULL;
    bool successor = op->domid != XLS_NO_DOMID && op->domid != j->domid;
    const char *why = successor ? "the domain was restarted"
                      : op->domid == j->domid
                          ? "the disk was detached or QEMU ended"
                          : "the domain was destroyed";
    enum xls_done done;

    xls_merge_protect(op, merge);
    if (successor && !xls_disks_load(op, &disks))
        disk = xls_disks_find(&disks, j->job.vdev);
    if (disk && disk->num_layers)
        set_top(j, disk);
    done = had_completed(j, disk);
    if (done == XLS_DONE)
        set_outcome(j, true);
    else if (done == XLS_NOT_DONE)
        set_lost(j, xls_asprintf("%s under the job", why));
    else
        set_unknown(j, why);
    xls_disks_dispose(&disks);
    xls_op_qmp_close(op);
    /* A successor's chain may show it yet. */
    return done == XLS_CANNOT_TELL && !successor ? 0
                                                 : xls_disk_job_write(op, j);
}

/* One of the domain as it runs now. */
static int finish_mine(struct xls_op *op, struct xls_disk_job *j)
{
    bool ended;
    int rc;

    rc = xls_disk_job_query(op, j, &ended);
    if (rc)
        return rc;
    if (!ended)
        return j->pivoting ? xls_disk_job_finish(op, j, true) : 0;
    return op->qmp ? xls_disk_job_finish(op, j, false)
                   : xls_disk_job_lost(op, j);
}

/* One of an earlier life becomes this one's, for whoever asks. */
static int inherit(struct xls_op *op, struct xls_disk_job *j, int devid)
{
    char *old = j->path, *mine;
    struct xls_disk_job newer;
    int rc;

    if (xls_disk_job_active(j)) {
        rc = xls_disk_job_lost(op, j);
        if (rc)
            return rc;
    }
    if (op->domid == XLS_NO_DOMID)
        return 0;
    mine = xls_disk_job_path(op, op->domid, devid);
    rc = xls_disk_job_read(op, mine, &newer);
    if (!rc && !newer.path) {
        j->path = mine;
        j->domid = op->domid;
        rc = xls_disk_job_write(op, j);
        j->path = old;
    }
    if (!rc)
        rc = xls_file_unlink(&op->log, old);
    xls_disk_job_dispose(&newer);
    free(mine);
    return rc;
}

/* In the name of a job's file. */
static int devid_of(const char *path)
{
    const char *dot = strrchr(path, '.');

    while (dot > path && dot[-1] != '.')
        dot--;
    return atoi(dot);
}

static bool is_one_of(const char *path, const struct xls_merge *merge)
{
    return path &&
           ((merge->layer_id.ino && xls_was_file(path, &merge->layer_id)) ||
            (merge->child_id.ino && xls_was_file(path, &merge->child_id)));
}

/* Other files may have the names by now, of a domain that was made anew. */
static bool has_its_files(const struct xls_disk_job *j)
{
    const struct xls_merge *merge = &j->merge;

    return (!merge->layer_id.ino && !merge->child_id.ino) ||
           is_one_of(merge->layer_path, merge) ||
           is_one_of(merge->child_path, merge);
}

/* Both are files of this host, and neither is there any more. */
static bool has_lost_its_files(const struct xls_disk_job *j)
{
    return j->merge.layer_id.ino && j->merge.child_id.ino &&
           !has_its_files(j);
}

static int handle(struct xls_op *op, const char *path)
{
    struct xls_disk_job j;
    int rc;

    rc = xls_disk_job_read(op, path, &j);
    if (rc || !j.path)
        goto out;
    if (j.this_boot && j.domid == op->domid) {
        if (xls_disk_job_active(&j))
            rc = op->info.dying ? xls_disk_job_lost(op, &j)
                                : finish_mine(op, &j);
    } else if (!j.this_boot || !xls_journal_lives(op, j.domid)) {
        if (has_its_files(&j))
            rc = inherit(op, &j, devid_of(path));
        else if (has_lost_its_files(&j))
            rc = xls_file_unlink(&op->log, path);
    }

out:
    xls_disk_job_dispose(&j);
    return rc;
}

/*
 * A file of another uuid: of a domain that had this one's disks, maybe. That of a
 * domain that has ended, and whose images are gone, is of no use to anybody.
 */
static int handle_foreign(struct xls_op *op, const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    struct xls_json *content = NULL;
    struct xls_disk_job j;
    int rc;

    if (xls_journal_read(op, path, &content))
        return 0;
    rc = xls_disk_job_read(op, path, &j);
    if (rc || !j.path)
        rc = 0;
    else if (has_its_files(&j) &&
             xls_journal_is_inherited(op, name, content))
        rc = inherit(op, &j, devid_of(path));
    else if (has_lost_its_files(&j) && xls_journal_is_abandoned(op, name))
        rc = xls_file_unlink(&op->log, path);
    xls_disk_job_dispose(&j);
    xls_json_free(content);
    return rc;
}

int xls_disk_jobs_finish(struct xls_op *op)
{
    char **paths = xls_disk_job_files(NULL, XLS_NO_DOMID, -1), **p;
    int rc = 0;

    for (p = paths; p && *p && !rc; p++)
        rc = is_foreign(op, *p) ? handle_foreign(op, *p) : handle(op, *p);
    xls_disk_job_files_free(paths);
    xls_op_qmp_close(op);
    return rc;
}

int xls_disk_jobs_finish_unlocked(struct xls_op *op)
{
    int rc;

    rc = xls_op_lock(op, op->domid, &op->lock_fd);
    if (rc)
        return rc;
    rc = xls_disk_jobs_finish(op);
    xls_op_unlock(op);
    return rc;
}

int xls_disk_jobs_load(struct xls_op *op, struct xls_disks *disks)
{
    int rc;

    rc = xls_disks_load(op, disks);
    if (rc != ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE)
        return rc;
    rc = xls_op_lock(op, op->domid, &op->lock_fd);
    if (rc)
        return rc;
    rc = xls_disk_jobs_finish(op);
    if (!rc)
        rc = xls_disks_load(op, disks);
    xls_op_unlock(op);
    return rc;
}
