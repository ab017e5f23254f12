/* SPDX-License-Identifier: LGPL-2.1-only */
#include "commands/revert_disks.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/create_options.h"
#include "common/alloc.h"
#include "common/files.h"
#include "common/names.h"
#include "diskimage/format.h"
#include "layers/identity.h"
#include "offline/merge_internal.h"
#include "session/users.h"

/* Whether a new layer may take today's active layer's place, and name. */
static bool replaceable(const struct session *s, const char *top,
                        libxl_disk_format format)
{
    return top && format == LIBXL_DISK_FORMAT_QCOW2 &&
        !merge_referred(s->store, top, LIBXL_SNAPSHOT_METHOD_EXTERNAL, NULL);
}

/*
 * An active layer that holds internal snapshots must outlive its name: it
 * gets a second one, which the records then use.
 */
static int keep_internal(struct session *s, const char *top, struct error *e)
{
    char *kept;
    int ret;

    if (!merge_referred(s->store, top, LIBXL_SNAPSHOT_METHOD_INTERNAL, NULL))
        return 0;
    kept = free_path(top, ".kept", "");
    if (xls_link(top, kept, NULL))
        ret = error_errno(e, "cannot keep %s, which holds internal snapshots, "
                          "as %s", top, kept);
    else
        ret = store_move_layer(s->store, top, kept, LIBXL_DISK_FORMAT_QCOW2,
                               e);
    free(kept);
    return ret;
}

/* What a revert puts aside or goes on from is one file. */
static int check_data_files(const char *path, libxl_disk_format format,
                            const char *vdev, struct error *e)
{
    struct error ignored = { 0 };
    struct image image;
    int ret;

    if (str_none(path) || path[0] != '/' ||
        image_info(path, format, &image, &ignored)) {
        error_clear(&ignored);
        return 0;
    }
    ret = image_check_data_files(&image, 1, e);
    if (ret)
        error_set(e, "disk %s: %s", vdev, e->text);
    image_dispose(&image);
    return ret;
}

static int plan_external(struct cli *cli, struct session *s,
                         const xl_snapshot_record *rec,
                         const xl_snapshot_disk *disk,
                         libxl_disk_snapshot *d, struct strings *made,
                         struct error *e)
{
    const xl_snapshot_domain_disk *known = store_disk(s->store, disk->vdev);
    libxl_disk_format format;
    const char *top;
    char *stem;

    if (access(disk->layer_path, R_OK))
        return error_errno(e, "the layer of snapshot %s for disk %s, %s, "
                           "cannot be used", rec->name, disk->vdev,
                           disk->layer_path);
    identity_top(s->store, &s->live, s->domain.domid, disk->vdev, &top,
                 &format);
    if (check_data_files(disk->layer_path, disk->layer_format, disk->vdev,
                         e) ||
        check_data_files(top, format, disk->vdev, e))
        return -1;
    d->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    d->external_format = LIBXL_DISK_FORMAT_QCOW2;
    if (replaceable(s, top, format)) {
        if (users_check(cli, s, top, e) || keep_internal(s, top, e))
            return -1;
        stem = xls_asprintf(".revert-%s", rec->name);
        d->external_path = free_path(top, stem, "");
        d->keep_path = true;
        d->disk.pdev_path = xls_strdup(top);
        free(stem);
    } else {
        const char *beside = known && known->config_path
            ? known->config_path : disk->layer_path;

        if (xls_is_block_device(beside))
            return error_set(e, "disk %s is on the block device %s itself, "
                             "beside which there is no place for a layer; "
                             "start the domain with 'xl create', which goes "
                             "on with the layer that it had, and try again",
                             disk->vdev, beside);
        d->external_path = free_path(beside, ".active", ".qcow2");
    }
    strings_add(made, d->external_path);
    return 0;
}

/* The state inside an image that has become a frozen layer, or is kept only
 * for it, as a layer of its own. */
static int extract(struct session *s, xl_snapshot_record *rec,
                   xl_snapshot_disk *disk, struct error *e)
{
    char *stem = xls_asprintf(".%s", rec->name);
    char *path = free_path(disk->layer_path, stem, "");
    int ret;

    free(stem);
    ret = image_internal_extract(disk->layer_path, disk->internal_name, path,
                                 e);
    if (!ret) {
        store_add_leftover(s->store, disk);
        str_replace(&disk->layer_path, path);
        str_replace(&disk->internal_name, NULL);
        disk->layer_format = LIBXL_DISK_FORMAT_QCOW2;
        disk->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
        /* What is left over is known before nothing else names it. */
        ret = image_freeze(path, e) || store_write_info(s->store, e) ||
            store_write(s->store, rec, e) ? -1 : 0;
    }
    free(path);
    return ret;
}

/* All of them are checked before the first one is put back, which ends what its
 * disk holds now. */
static int check_internal(const xl_snapshot_disk *disk, const char *path,
                          struct error *e)
{
    struct image image;
    int num;

    if (access(path, R_OK | W_OK))
        return error_errno(e, "disk %s: %s cannot be written", disk->vdev,
                           path);
    if (image_info(path, LIBXL_DISK_FORMAT_QCOW2, &image, e))
        return -1;
    num = image_internal_named(&image, disk->internal_name);
    image_dispose(&image);
    if (num == 1)
        return 0;
    return error_set(e, "disk %s: %s holds %s internal snapshot named %s",
                     disk->vdev, path, num ? "more than one" : "no",
                     disk->internal_name);
}

static int plan(struct cli *cli, struct session *s, xl_snapshot_record *rec,
                xl_snapshot_disk *disk, libxl_disk_snapshot *d,
                bool destroy_first, struct strings *made, struct error *e)
{
    libxl_disk_format format;
    const char *top;

    identity_top(s->store, &s->live, s->domain.domid, disk->vdev, &top,
                 &format);
    /* The active layer may have been given a second name for it, by a revert
     * that failed then. */
    if (disk->method == LIBXL_SNAPSHOT_METHOD_INTERNAL &&
        !str_same(top, disk->layer_path) &&
        !(top && xls_same_file(top, disk->layer_path))) {
        cli_say(cli, "copying the state of disk %s out of %s", disk->vdev,
                disk->layer_path);
        if (extract(s, rec, disk, e))
            return -1;
    }
    if (disk->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL)
        return plan_external(cli, s, rec, disk, d, made, e);

    d->method = LIBXL_SNAPSHOT_METHOD_INTERNAL;
    d->name = xls_strdup(disk->internal_name);
    d->disk.pdev_path = xls_strdup(top);
    if (domain_runs(s->domain.domid) && !destroy_first)
        return error_set(e, "the state of disk %s is a snapshot inside %s, "
                         "which the running domain has open: add "
                         "--destroy-first, so that the domain is destroyed "
                         "before the new one is built", disk->vdev, top);
    return users_check(cli, s, top, e) || check_internal(disk, top, e) ? -1
                                                                       : 0;
}

/* Layers whose file is not there are none of ours. */
static int drop_from(struct strings *made, int first)
{
    while (made->num > first)
        free(made->v[--made->num]);
    return -1;
}

int revert_disks(struct cli *cli, struct session *s, xl_snapshot_record *rec,
                 libxl_domain_snapshot_args *args, struct strings *made,
                 struct error *e)
{
    int i;

    args->disks = xls_calloc(rec->num_disks, sizeof(*args->disks));
    for (i = 0; i < rec->num_disks; i++) {
        libxl_disk_snapshot *d = &args->disks[args->num_disks++];

        libxl_disk_snapshot_init(d);
        d->disk.vdev = xls_strdup(rec->disks[i].vdev);
        if (plan(cli, s, rec, &rec->disks[i], d, args->destroy_first, made, e))
            return drop_from(made, 0);
    }
    return 0;
}

int revert_make_layers(const xl_snapshot_record *rec,
                       const libxl_domain_snapshot_args *args,
                       struct strings *made, struct error *e)
{
    int i, num = 0;

    for (i = 0; i < args->num_disks; i++) {
        const libxl_disk_snapshot *d = &args->disks[i];

        if (d->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL)
            continue;
        if (image_create_overlay(d->external_path, rec->disks[i].layer_path,
                                 rec->disks[i].layer_format, e))
            return drop_from(made, num);
        num++;
    }
    return 0;
}

int revert_other_disks(struct cli *cli, const struct session *s,
                       const xl_snapshot_record *rec,
                       libxl_domain_config *config, struct error *e)
{
    int i;

    for (i = 0; i < config->num_disks; i++) {
        libxl_device_disk *disk = &config->disks[i];
        const struct live_disk *now;
        libxl_disk_format format;
        const char *top;

        if (disk->is_cdrom || record_disk(rec, disk->vdev))
            continue;
        now = live_find(&s->live, s->domain.domid, disk->vdev);
        if (now) {
            str_replace(&disk->pdev_path, now->path);
            disk->format = now->format;
            continue;
        }
        identity_top(s->store, &s->live, s->domain.domid, disk->vdev, &top,
                     &format);
        if (top) {
            str_replace(&disk->pdev_path, top);
            disk->format = format;
        }
        if (disk->readwrite && disk->pdev_path && disk->pdev_path[0] == '/' &&
            users_running(cli, s->domain.domid, disk->pdev_path, e))
            return error_set(e, "disk %s: %s", disk->vdev, e->text);
    }
    return 0;
}

int revert_internal(struct cli *cli, const libxl_disk_snapshot *disk)
{
    struct error e = { 0 };
    int rc = 0;

    if (image_internal_apply(disk->disk.pdev_path, disk->name, &e)) {
        cli_say(cli, "disk %s: %s", disk->disk.vdev, e.text);
        rc = ERROR_SNAPSHOT_STORAGE;
    }
    error_clear(&e);
    return rc;
}
