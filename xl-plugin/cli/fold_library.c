/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/fold_library.h"

#include <unistd.h>

#include "base/alloc.h"
#include "cli/create_options.h"

static int report(void *user, const libxl_snapshot_progress *progress)
{
    struct fold_library *f = user;

    return progress_report(&f->progress, progress);
}

static int call(struct fold_library *f, libxl_domain_snapshot_args *args,
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
    return rc ? cli_error_rc(e, rc, "the layer could not be folded") : 0;
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
                    libxl_snapshot_merge merge, struct fold_result *r,
                    struct error *e)
{
    libxl_domain_snapshot_result result;
    libxl_domain_snapshot_args args;
    libxl_disk_snapshot *d;
    int ret;

    d = one_disk(&args, vdev, LIBXL_SNAPSHOT_METHOD_EXTERNAL);
    d->external_path = xls_strdup(layer);
    d->merge = merge;
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

/* Its image; false when it has none that can be used, as a damaged one. */
static bool memory_info(struct fold_library *f, const char *path,
                       libxl_snapshot_memory_info *info)
{
    const libxl_snapshot_how quiet = { .logger = NULL };

    return !access(path, F_OK) &&
           !libxl_snapshot_memory_get_info(f->cli->ctx, path, &quiet, info) &&
           info->format == LIBXL_SNAPSHOT_MEMORY_FORMAT_IMAGE;
}

static int rebase(struct fold_library *f, const xl_snapshot_record *child,
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

/* That of snapshots that are deleted goes, too, and need not be. */
static int memory(void *user, const xl_snapshot_record *rec, struct error *e)
{
    struct fold_library *f = user;
    struct store *st = f->s->store;
    libxl_snapshot_memory_info info, child;
    int i, ret = 0;

    libxl_snapshot_memory_info_init(&info);
    if (memory_info(f, rec->memory_path, &info)) {
        libxl_snapshot_memory_info_init(&child);
        for (i = 0; !ret && i < st->num_records; i++) {
            const xl_snapshot_record *r = st->records[i];

            if (r != rec && r->memory && !r->hidden &&
                memory_info(f, r->memory_path, &child) &&
                str_same(child.parent, rec->memory_path))
                ret = rebase(f, r, rec, info.parent, e);
        }
        libxl_snapshot_memory_info_dispose(&child);
    }
    libxl_snapshot_memory_info_dispose(&info);
    return ret;
}

static void say(void *user, const char *text)
{
    struct fold_library *f = user;

    cli_say(f->cli, "%s", text);
}

void fold_library_init(struct fold_library *f, struct cli *cli,
                       struct session *s)
{
    memset(f, 0, sizeof(*f));
    f->cli = cli;
    f->s = s;
    f->fold.st = s->store;
    f->fold.live = &s->live;
    f->fold.domid = s->domain.domid;
    f->fold.external = external;
    f->fold.internal = internal;
    f->fold.memory = memory;
    f->fold.say = say;
    f->fold.user = f;
}
