/* SPDX-License-Identifier: LGPL-2.1-only */
#include "commands/create_chain.h"
#include "commands/create_options.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/place.h"
#include "diskimage/format.h"

char *free_path(const char *path, const char *stem, const char *extension)
{
    char *real = xls_real_path(path);
    char *candidate;
    struct stat st;
    int i;

    if (!real)
        real = xls_strdup(path);
    candidate = xls_asprintf("%s%s%s", real, stem, extension);
    for (i = 1; !lstat(candidate, &st) && i < 10000; i++) {
        free(candidate);
        candidate = xls_asprintf("%s%s.%d%s", real, stem, i, extension);
    }
    free(real);
    return candidate;
}

static const struct disk_option *find(const struct create_options *o,
                                      const char *vdev)
{
    int i;

    for (i = 0; i < o->num_disks; i++)
        if (str_same(o->disks[i].vdev, vdev))
            return &o->disks[i];
    return NULL;
}

/* Disks that are not in the default set and are named all the same; it is
 * the library that says why they cannot take part. */
static int add_named(struct session *s, const struct create_options *o,
                     libxl_domain_snapshot_args *args, struct error *e)
{
    int i, j;

    for (i = 0; i < o->num_disks; i++) {
        const char *vdev = o->disks[i].vdev;
        const struct live_disk *live;
        libxl_disk_snapshot *d;
        bool known = false;

        for (j = 0; j < args->num_disks; j++)
            known |= str_same(args->disks[j].disk.vdev, vdev);
        if (known)
            continue;
        live = live_find(&s->live, s->domain.domid, vdev);
        if (!live)
            return error_set(e, "%s has no disk \"%s\"; 'xl block-list %s' "
                             "shows those that it has", s->domain.name, vdev,
                             s->domain.name);
        args->disks = xls_realloc(args->disks, args->num_disks + 1,
                                  sizeof(*args->disks));
        d = &args->disks[args->num_disks++];
        libxl_disk_snapshot_init(d);
        d->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
        d->disk.vdev = xls_strdup(vdev);
        d->disk.pdev_path = xls_strdup(live->path);
        d->disk.format = live->format;
        d->keep_path = live->format == LIBXL_DISK_FORMAT_QCOW2;
    }
    return 0;
}

/* The record has the absolute path of every layer. */
static int check_here(const libxl_disk_snapshot *d, struct error *e)
{
    if (xls_is_relative(d->disk.pdev_path))
        return error_set(e, "disk %s is %s: " XLS_RELATIVE_WHY, d->disk.vdev,
                         d->disk.pdev_path);
    if (d->disk.pdev_path[0] != '/')
        return error_set(e, "disk %s is %s, which is no file of this host: "
                         "leave it out with --disk %s,method=none, or move it "
                         "to a file first (xl disk-copy)", d->disk.vdev,
                         d->disk.pdev_path, d->disk.vdev);
    return 0;
}

/* Next to a device node is no place for a file. */
static int check_regular(const libxl_disk_snapshot *d, struct error *e)
{
    struct stat st;

    if (stat(d->disk.pdev_path, &st))
        return error_errno(e, "disk %s: %s", d->disk.vdev, d->disk.pdev_path);
    if (S_ISREG(st.st_mode))
        return 0;
    return error_set(e, "disk %s is %s, which is no regular file: name a file "
                     "for its overlay with --disk %s,path=FILE, or leave it "
                     "out with --disk %s,method=none", d->disk.vdev,
                     d->disk.pdev_path, d->disk.vdev, d->disk.vdev);
}

/* Beside the disk's file, by the snapshot's name; a deleted snapshot of that
 * name may have its layer there still. */
static char *frozen_path(const struct session *s,
                         const struct create_options *o,
                         const libxl_disk_snapshot *d)
{
    char *real = xls_real_path(d->disk.pdev_path), *stem;
    char *path = xls_asprintf("%s.%s", real ? real : d->disk.pdev_path,
                              o->name);
    int i, j;

    free(real);
    for (i = 0; i < s->store->num_records; i++)
        for (j = 0; j < s->store->records[i]->num_disks; j++) {
            if (!s->store->records[i]->hidden ||
                !str_same(s->store->records[i]->disks[j].layer_path, path))
                continue;
            stem = xls_asprintf(".%s", o->name);
            free(path);
            path = free_path(d->disk.pdev_path, stem, "");
            free(stem);
            return path;
        }
    return path;
}

static int plan_external(const struct session *s,
                         const struct create_options *o,
                         const struct disk_option *option,
                         libxl_disk_snapshot *d, struct error *e)
{
    struct stat st;

    d->external_format = LIBXL_DISK_FORMAT_QCOW2;
    /* For the record: it is delete that asks. */
    if (option)
        d->merge = option->on_delete;
    if (option && option->path) {
        d->keep_path = false;
        d->external_path = xls_strdup(option->path);
    } else if (check_regular(d, e)) {
        return -1;
    } else if (d->keep_path) {
        d->external_path = frozen_path(s, o, d);
    } else {
        d->external_path = free_path(d->disk.pdev_path, ".active", ".qcow2");
    }
    if (!lstat(d->external_path, &st))
        return error_set(e, "disk %s: the file %s, which is to be made, "
                         "exists already; choose another name", d->disk.vdev,
                         d->external_path);
    if (errno != ENOENT)
        return error_errno(e, "disk %s: %s", d->disk.vdev, d->external_path);
    return 0;
}

static int plan(const struct session *s, const struct create_options *o,
                libxl_disk_snapshot *d, struct error *e)
{
    const struct live_disk *live = live_find(&s->live, s->domain.domid,
                                             d->disk.vdev);
    const struct disk_option *option = find(o, d->disk.vdev);

    if (option && d->unsupported) {
        if (option->method != LIBXL_SNAPSHOT_METHOD_NONE)
            return error_set(e, "disk %s cannot be snapshotted: %s; leave it "
                             "out with --disk=%s,method=none", d->disk.vdev,
                             d->unsupported, d->disk.vdev);
        str_replace(&d->unsupported, NULL);
    }
    if (option && option->method >= 0)
        d->method = option->method;
    if (d->method != LIBXL_SNAPSHOT_METHOD_NONE && live && live->replaced)
        return error_set(e, "disk %s is now %s, which is not the disk that the "
                         "other snapshots were taken of; leave it out with "
                         "--disk=%s,method=none, or attach it as another "
                         "disk", d->disk.vdev, live->path, d->disk.vdev);
    if ((d->method == LIBXL_SNAPSHOT_METHOD_INTERNAL ||
         d->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL) && check_here(d, e))
        return -1;
    switch (d->method) {
    case LIBXL_SNAPSHOT_METHOD_INTERNAL:
        d->keep_path = false;
        d->name = xls_strdup(o->name);
        if (d->disk.format != LIBXL_DISK_FORMAT_QCOW2)
            return error_set(e, "disk %s: a %s image cannot hold snapshots "
                             "inside; use method=external", d->disk.vdev,
                             libxl_disk_format_to_string(d->disk.format));
        return 0;
    case LIBXL_SNAPSHOT_METHOD_EXTERNAL:
        return plan_external(s, o, option, d, e);
    default:
        return 0;
    }
}

/* RAM that meets a disk of another time damages the file systems on it. */
static int check_covered(const struct session *s,
                         const libxl_domain_snapshot_args *args,
                         struct error *e)
{
    struct strings disks = { 0 }, options = { 0 };
    char *which, *out;
    int i;

    for (i = 0; i < args->num_disks; i++) {
        const libxl_disk_snapshot *d = &args->disks[i];

        if (!d->unsupported)
            continue;
        which = xls_asprintf("disk %s (%s)", d->disk.vdev, d->unsupported);
        out = xls_asprintf("--disk=%s,method=none", d->disk.vdev);
        strings_add(&disks, which);
        strings_add(&options, out);
        free(which);
        free(out);
    }
    if (!disks.num)
        return 0;
    which = strings_join(&disks, ", ");
    out = strings_join(&options, " ");
    error_set(e, "a snapshot with memory covers every writable disk, and %s "
              "of %s cannot be snapshotted; add %s to leave it out on purpose "
              "(a revert then leaves it as it is), or take --disk-only",
              which, s->domain.name, out);
    free(which);
    free(out);
    strings_free(&disks);
    strings_free(&options);
    return -1;
}

static void say_left_out(struct cli *cli, const libxl_domain_snapshot_args *a,
                         const libxl_disk_snapshot *d)
{
    if (d->unsupported)
        cli_say(cli, "disk %s is left out: %s", d->disk.vdev, d->unsupported);
    else if (a->memory)
        cli_say(cli, "disk %s is left out: a revert leaves it as it is then, "
                "which will not fit the memory of now", d->disk.vdev);
}

int create_disks(struct cli *cli, struct session *s,
                 const struct create_options *o,
                 libxl_domain_snapshot_args *args, struct error *e)
{
    libxl_snapshot_how how = { .logger = cli->logger };
    int i, acting = 0, rc;

    rc = libxl_domain_snapshot_disks(cli->ctx, s->domain.domid, &how,
                                     &args->disks, &args->num_disks);
    if (rc)
        return cli_error_rc(e, rc, "cannot find out about the domain's disks");
    if (add_named(s, o, args, e))
        return -1;
    for (i = 0; i < args->num_disks; i++) {
        if (plan(s, o, &args->disks[i], e) ||
            create_check_chain(cli, s->store, o, &args->disks[i], e))
            return -1;
        acting += args->disks[i].method != LIBXL_SNAPSHOT_METHOD_NONE;
    }
    if (args->memory && check_covered(s, args, e))
        return -1;
    for (i = 0; i < args->num_disks; i++)
        if (args->disks[i].method == LIBXL_SNAPSHOT_METHOD_NONE)
            say_left_out(cli, args, &args->disks[i]);
    if (!acting && !args->memory)
        return error_set(e, "%s has no disk that takes part, and memory is "
                         "not to be saved: there is nothing to do",
                         s->domain.name);
    return 0;
}
