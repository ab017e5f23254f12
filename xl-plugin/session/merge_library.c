/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/merge_library.h"

#include <unistd.h>

#include "common/alloc.h"
#include "session/memory.h"
#include "session/users.h"

static int report(void *user, const libxl_snapshot_progress *progress)
{
    struct merge_library *f = user;

    return progress_report(&f->progress, progress);
}

static int call(struct merge_library *f, libxl_domain_snapshot_args *args,
                libxl_domain_snapshot_result *result, struct error *e)
{
    libxl_snapshot_how how = { .logger = f->cli->logger, .progress = report,
                               .user = f };
    libxl_disk_snapshot *d = args->disks;
    int rc;

    progress_start(&f->progress);
    rc = libxl_domain_snapshot_delete(f->cli->ctx, f->s->domain.domid, args,
                                      &how, result);
    /* An older QEMU can merge some layers one way only. */
    if (rc == ERROR_SNAPSHOT_DISK_UNSUPPORTED &&
        d->merge == LIBXL_SNAPSHOT_MERGE_BACKWARD) {
        cli_say(f->cli, "disk %s: merging forward instead", d->disk.vdev);
        d->merge = LIBXL_SNAPSHOT_MERGE_FORWARD;
        rc = libxl_domain_snapshot_delete(f->cli->ctx, f->s->domain.domid,
                                          args, &how, result);
    }
    progress_end(&f->progress);
    if (rc == ERROR_ABORTED)
        return error_set(e, "cancelled; the snapshot is deleted, but its "
                         "layers stay until the next snapshot-delete of %s",
                         f->s->domain.name);
    return rc ? cli_error_rc(e, rc, "the layer could not be merged") : 0;
}

static libxl_disk_snapshot *one_disk(libxl_domain_snapshot_args *args,
                                     const char *vdev,
                                     libxl_snapshot_method method)
{
    libxl_domain_snapshot_args_init(args);
    args->disks = xls_calloc(1, sizeof(*args->disks));
    args->num_disks = 1;
    libxl_disk_snapshot_init(args->disks);
    args->disks->disk.vdev = xls_strdup(vdev);
    args->disks->method = method;
    return args->disks;
}

static int external(void *user, const char *vdev, const char *layer,
                    libxl_snapshot_merge merge, struct merge_result *r,
                    struct error *e)
{
    libxl_domain_snapshot_result result;
    libxl_domain_snapshot_args args;
    libxl_disk_snapshot *d;
    int ret;

    d = one_disk(&args, vdev, LIBXL_SNAPSHOT_METHOD_EXTERNAL);
    d->external_path = xls_strdup(layer);
    d->merge = merge;
    /* The store has it as a layer of this domain's snapshots. */
    d->force = true;
    libxl_domain_snapshot_result_init(&result);
    ret = call(user, &args, &result, e);
    if (!ret && result.num_disks) {
        r->top_path = xls_strdup(result.disks[0].path);
        r->top_format = result.disks[0].format;
        r->unused_path = xls_strdup(result.disks[0].unused_path);
    }
    libxl_domain_snapshot_result_dispose(&result);
    libxl_domain_snapshot_args_dispose(&args);
    return ret;
}

static int internal(void *user, const char *vdev, const char *name,
                    struct error *e)
{
    libxl_domain_snapshot_result result;
    libxl_domain_snapshot_args args;
    int ret;

    one_disk(&args, vdev, LIBXL_SNAPSHOT_METHOD_INTERNAL)->name =
        xls_strdup(name);
    libxl_domain_snapshot_result_init(&result);
    ret = call(user, &args, &result, e);
    libxl_domain_snapshot_result_dispose(&result);
    libxl_domain_snapshot_args_dispose(&args);
    return ret;
}

static int rebase(struct merge_library *f, const xl_snapshot_record *child,
                  const xl_snapshot_record *rec, const char *parent,
                  struct error *e)
{
    libxl_snapshot_how how = { .logger = f->cli->logger, .progress = report,
                               .user = f };
    int rc;

    progress_start(&f->progress);
    rc = libxl_snapshot_memory_rebase(f->cli->ctx, child->memory_path,
                                      str_none(parent) ? NULL : parent,
                                      MEMORY_LEVEL, &how);
    progress_end(&f->progress);
    if (rc == ERROR_ABORTED)
        return error_set(e, "cancelled; the memory of %s stays, which that of "
                         "%s is based on, until the next snapshot-delete of "
                         "%s", rec->name, child->name,
                         f->s->domain.name);
    if (rc == ERROR_SNAPSHOT_IMAGE_CORRUPT)
        return error_set(e, "the memory of %s is based on that of %s and cannot "
                         "be brought back, since one of them is damaged; "
                         "delete %s first", child->name, rec->name,
                         child->name);
    return rc ? cli_error_rc(e, rc, "the memory that is based on it could not "
                             "be written anew") : 0;
}

/* What is damaged cannot be brought back, and loses nothing; of what cannot be
 * looked at for another reason, nobody knows. */
static int is_child(struct merge_library *f, const xl_snapshot_record *child,
                    const xl_snapshot_record *rec, bool *is, struct error *e)
{
    const libxl_snapshot_how how = { .logger = f->cli->logger };
    libxl_snapshot_memory_info info;
    int rc;

    *is = false;
    if (child == rec || !child->memory || access(child->memory_path, F_OK))
        return 0;
    libxl_snapshot_memory_info_init(&info);
    rc = libxl_snapshot_memory_get_info(f->cli->ctx, child->memory_path, &how,
                                        &info);
    *is = !rc && str_same(info.parent, rec->memory_path);
    libxl_snapshot_memory_info_dispose(&info);
    if (!rc || rc == ERROR_SNAPSHOT_IMAGE_CORRUPT)
        return 0;
    return error_set(e, "whether the memory of %s is based on that of %s "
                     "cannot be told; put it in order, or delete %s first",
                     child->name, rec->name, child->name);
}

/* That of deleted snapshots, too: something may be based on it in turn. As the
 * youngest are removed first, there is none most often. */
static int memory(void *user, const xl_snapshot_record *rec, struct error *e)
{
    const libxl_snapshot_how quiet = { .logger = NULL };
    struct merge_library *f = user;
    struct store *st = f->s->store;
    libxl_snapshot_memory_info info;
    int i, ret = 0;

    if (access(rec->memory_path, F_OK))
        return 0;
    /* Where it cannot be used, nothing that is based on it can. */
    libxl_snapshot_memory_info_init(&info);
    libxl_snapshot_memory_get_info(f->cli->ctx, rec->memory_path, &quiet,
                                   &info);
    for (i = 0; !ret && i < st->num_records; i++) {
        bool is;

        ret = is_child(f, st->records[i], rec, &is, e);
        if (!ret && is)
            ret = rebase(f, st->records[i], rec, info.parent, e);
    }
    libxl_snapshot_memory_info_dispose(&info);
    return ret;
}

static int unused(void *user, const char *path, struct error *e)
{
    struct merge_library *f = user;

    return users_unused(f->cli, path, e);
}

static void say(void *user, const char *text)
{
    struct merge_library *f = user;

    cli_say(f->cli, "%s", text);
}

void merge_library_init(struct merge_library *f, struct cli *cli,
                        struct session *s)
{
    memset(f, 0, sizeof(*f));
    f->cli = cli;
    f->s = s;
    f->merge.st = s->store;
    f->merge.live = &s->live;
    f->merge.domid = s->domain.domid;
    f->merge.external = external;
    f->merge.internal = internal;
    f->merge.memory = memory;
    f->merge.unused = unused;
    f->merge.say = say;
    f->merge.user = f;
}
