/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/progress.h"
#include "commands/create_options.h"
#include "common/alloc.h"
#include "layers/identity.h"
#include "store/device.h"
#include "store/names.h"
#include "store/outside.h"
#include "supervise/supervise.h"

/* All that one create works with. */
struct create {
    struct cli *cli;
    struct create_options options;
    struct session s;
    xl_snapshot_record *rec;    /* in the store once it is written */
    libxl_domain_snapshot_args args;
    libxl_domain_snapshot_result result;
    struct progress progress;
};

static int report(void *user, const libxl_snapshot_progress *progress)
{
    struct create *c = user;

    return progress_report(&c->progress, progress);
}

static int check_name(struct create *c, struct error *e)
{
    const char *name = c->options.name;
    const xl_snapshot_record *rec = store_find(c->s.store, name);

    if (!rec)
        return 0;
    if (rec->hidden && !rec->memory && str_none(c->s.store->info.writing) &&
        str_none(c->s.store->info.merged.to))
        return store_give_name_away(c->s.store, name, e);
    if (rec->hidden)
        return error_set(e, "a deleted snapshot \"%s\" of %s still has layers "
                         "in use; choose another name", name,
                         c->s.domain.name);
    return error_set(e, "%s has a snapshot \"%s\" already; choose another "
                     "name, or delete that one first", c->s.domain.name, name);
}

/* The domain as it is now: revert starts it from this. */
static int read_config(struct create *c, xl_snapshot_record *rec,
                       struct error *e)
{
    libxl_domain_config config;
    int rc;

    libxl_domain_config_init(&config);
    rc = libxl_retrieve_domain_configuration(c->cli->ctx, c->s.domain.domid,
                                             &config, NULL);
    if (!rc) {
        rec->config = libxl_domain_config_to_json(c->cli->ctx, &config);
        rec->domain_uuid =
            xls_asprintf(LIBXL_UUID_FMT,
                         LIBXL_UUID_BYTES(config.c_info.uuid));
        if (!rec->config)
            rc = ERROR_FAIL;
    }
    libxl_domain_config_dispose(&config);
    return rc ? cli_error_rc(e, rc, "cannot read the domain's configuration")
              : 0;
}

static void fill_record_disk(xl_snapshot_record *rec,
                             const libxl_disk_snapshot *d)
{
    xl_snapshot_disk *disk;

    if (d->method == LIBXL_SNAPSHOT_METHOD_NONE) {
        rec->left_out = xls_realloc(rec->left_out, rec->num_left_out + 1,
                                    sizeof(*rec->left_out));
        rec->left_out[rec->num_left_out++] = xls_strdup(d->disk.vdev);
        return;
    }
    disk = record_disk_add(rec, d->disk.vdev);
    disk->method = d->method;
    disk->layer_format = d->disk.format;
    disk->on_delete = d->merge;
    if (d->method == LIBXL_SNAPSHOT_METHOD_INTERNAL) {
        disk->layer_path = xls_strdup(d->disk.pdev_path);
        disk->internal_name = xls_strdup(d->name);
    } else if (d->keep_path) {
        disk->layer_path = xls_strdup(d->external_path);
        disk->overlay_path = xls_strdup(d->disk.pdev_path);
    } else {
        disk->layer_path = xls_strdup(d->disk.pdev_path);
        disk->overlay_path = xls_strdup(d->external_path);
    }
    device_note_disk(disk);
}

/* Written before anything happens, so that what a crash leaves is known. */
static int write_provisional(struct create *c, struct error *e)
{
    struct store *st = c->s.store;
    xl_snapshot_record *rec = store_add(st, c->options.name);
    int i;

    rec->provisional = true;
    rec->created = time(NULL);
    rec->description = xls_strdup(c->options.description);
    rec->parent = xls_strdup(st->info.current);
    rec->live = c->args.live;
    rec->memory = c->args.memory;
    rec->memory_path = xls_strdup(c->args.memory_path);
    for (i = 0; i < c->args.num_disks; i++)
        fill_record_disk(rec, &c->args.disks[i]);
    c->rec = rec;
    if (read_config(c, rec, e))
        return -1;
    identity_note_tops(st, &c->s.live, c->s.domain.domid);
    store_add_uuid(st, rec->domain_uuid);
    if (store_write_info(st, e))
        return -1;
    return store_write(st, rec, e);
}

static int forget_provisional(struct create *c)
{
    struct error e = { 0 };
    int ret = store_remove(c->s.store, c->rec, &e);

    c->rec = NULL;
    if (ret)
        cli_say(c->cli, "also: %s", e.text);
    error_clear(&e);
    return ret;
}

/* Whether the snapshot may have been taken in spite of the error. */
static bool may_be_taken(const struct create *c, int rc)
{
    return outcome_unknown(rc) || identity_overlays_written(c->rec);
}

/* 1: it is not known whether the snapshot was taken. */
static int take(struct create *c, struct error *e)
{
    libxl_snapshot_how how = { .logger = c->cli->logger, .progress = report,
                               .user = c };
    struct watchers watchers = { .hold = -1 };
    struct error ignored = { 0 };
    int rc;

    /* Before it: this process may be killed while the domain is suspended. */
    if (c->args.memory)
        watchers_find(c->s.domain.name, &watchers);
    if (watchers.num && supervise_start(c->s.domain.name, c->s.domain.domid,
                                        &watchers, &ignored))
        cli_say(c->cli, "%s; without it nothing restarts %s when it reboots",
                ignored.text, c->s.domain.name);
    error_clear(&ignored);
    progress_start(&c->progress);
    progress_shield(&c->progress);
    rc = libxl_domain_snapshot_create(c->cli->ctx, c->s.domain.domid,
                                      &c->args, &how, &c->result);
    progress_end(&c->progress);

    watchers_close(&watchers);
    if (rc && may_be_taken(c, rc)) {
        error_set(e, "the snapshot failed: %s. How far it came is not known: "
                  "its record and all files stay, and the next snapshot "
                  "command on %s completes or removes it",
                  libxl_snapshot_strerror(rc), c->s.domain.name);
        return 1;
    }
    if (rc == ERROR_ABORTED)
        return error_set(e, "cancelled; %s is as it was", c->s.domain.name);
    return rc ? cli_error_rc(e, rc, "the snapshot failed") : 0;
}

/* What the library says goes before what was planned. */
static int finish_record(struct create *c, struct error *e)
{
    struct store *st = c->s.store;
    int i;

    for (i = 0; i < c->result.num_disks; i++) {
        const libxl_disk_snapshot_result *r = &c->result.disks[i];
        xl_snapshot_disk *disk = record_disk(c->rec, r->vdev);
        xl_snapshot_domain_disk *known = store_disk(st, r->vdev);

        if (!disk || r->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL)
            continue;
        if (r->frozen_path) {
            str_replace(&disk->layer_path, r->frozen_path);
            disk->layer_format = r->frozen_format;
            device_note_disk(disk);
        }
        str_replace(&disk->overlay_path, NULL);
        /* Snapshots inside the image went with it to its new name. */
        if (known && !str_same(known->top_path, disk->layer_path) &&
            store_move_layer(st, known->top_path, disk->layer_path,
                             disk->layer_format, e))
            return -1;
        if (known && r->path) {
            str_replace(&known->top_path, r->path);
            known->top_format = r->format;
        }
    }
    str_replace(&st->info.current, c->rec->name);
    if (store_write_info(st, e))
        return -1;
    c->rec->provisional = false;
    return store_write(st, c->rec, e);
}

/* The metadata could not be written: say what there is. */
static int say_what_exists(struct create *c, struct error *e)
{
    int i;

    cli_say(c->cli, "the snapshot was taken, but could not be recorded. These "
            "files belong to it:");
    if (c->args.memory)
        cli_say(c->cli, "  memory: %s", c->args.memory_path);
    for (i = 0; i < c->result.num_disks; i++)
        cli_say(c->cli, "  disk %s: %s, now followed by %s",
                c->result.disks[i].vdev,
                c->result.disks[i].frozen_path ? c->result.disks[i].frozen_path
                                               : "an internal snapshot",
                c->result.disks[i].path ? c->result.disks[i].path : "-");
    cli_say(c->cli, "the next snapshot command on %s completes the record",
            c->s.domain.name);
    return cli_fail(c->cli, e);
}

/* Where nothing but the user's care keeps the layers as they are. */
static void say_unprotected(struct create *c)
{
    int i;

    for (i = 0; i < c->rec->num_disks; i++) {
        const xl_snapshot_disk *d = &c->rec->disks[i];
        char *why = d->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL
            ? image_unprotected(d->layer_path) : NULL;

        if (why)
            cli_say(c->cli, "%s, the frozen layer of disk %s, is not protected: "
                    "%s. Whatever writes it destroys the snapshot and the "
                    "layers above: start domains with the 'xl create' of this "
                    "package only, which refuses to start one on it",
                    d->layer_path, d->vdev, why);
        free(why);
    }
}

static void print_result(struct create *c)
{
    struct xls_json *o;

    if (!c->cli->json) {
        printf("Snapshot %s of %s taken.\n", c->rec->name, c->s.domain.name);
        return;
    }
    o = record_json(c->s.store, c->rec, true);
    xls_json_set(o, "memory_bytes", xls_json_uint(c->result.memory_bytes));
    xls_json_set(o, "memory_content", xls_json_uint(c->result.memory_content));
    xls_json_set(o, "stopped_us", xls_json_uint(c->result.stopped_us));
    xls_json_set(o, "window_us", xls_json_uint(c->result.window_us));
    cli_print_json(o);
}

/* What the memory is based on: the image of the nearest snapshot above that
 * has one. A damaged one is passed over, not made worse. */
static char *memory_parent(struct create *c)
{
    const struct store *st = c->s.store;
    const libxl_snapshot_how how = { .logger = c->cli->logger };
    const xl_snapshot_record *rec = store_find(st, st->info.current);
    libxl_snapshot_memory_info info;
    char *path = NULL;
    int rc;

    while (rec && !rec->memory)
        rec = store_find(st, rec->parent);
    if (!rec)
        return NULL;
    libxl_snapshot_memory_info_init(&info);
    rc = libxl_snapshot_memory_get_info(c->cli->ctx, rec->memory_path, &how,
                                        &info);
    if (rc)
        cli_say(c->cli, "the memory is not based on that of snapshot %s",
                rec->name);
    else if (info.format == LIBXL_SNAPSHOT_MEMORY_FORMAT_IMAGE)
        path = xls_strdup(rec->memory_path);
    libxl_snapshot_memory_info_dispose(&info);
    return path;
}

static bool same_directory(const char *a, const char *b)
{
    size_t len = strrchr(a, '/') - a;

    return strrchr(b, '/') == b + len && !strncmp(a, b, len);
}

static int choose_memory(struct create *c, struct error *e)
{
    char *parent;

    if (c->options.memory_path &&
        memory_outside_check(c->s.store, c->options.memory_path, e))
        return -1;
    c->args.memory_path = c->options.memory_path
        ? xls_strdup(c->options.memory_path)
        : store_memory_path(c->s.store, c->options.name);
    c->args.ignore_room = c->options.ignore_room;
    c->args.memory_format = c->options.memory_format;
    c->args.memory_level = c->options.memory_level;
    if (c->args.memory_format != LIBXL_SNAPSHOT_MEMORY_FORMAT_IMAGE ||
        c->options.full)
        return 0;
    parent = memory_parent(c);
    /* An image is based on one in its own directory only. */
    if (parent && same_directory(parent, c->args.memory_path))
        c->args.memory_parent = parent;
    else
        free(parent);
    return 0;
}

static int create(struct create *c, const char *domain)
{
    struct error e = { 0 };
    int taken;

    if (session_open(c->cli, domain, true, &c->s, &e) || check_name(c, &e))
        return cli_fail(c->cli, &e);
    c->args.memory = c->options.memory;
    c->args.live = c->options.live && c->options.memory;
    c->args.leave_paused = c->options.paused;
    c->args.max_layers = c->options.max_layers;
    if (c->args.memory && choose_memory(c, &e))
        return cli_fail(c->cli, &e);
    if (create_disks(c->cli, &c->s, &c->options, &c->args, &e) ||
        write_provisional(c, &e)) {
        if (c->rec)
            forget_provisional(c);
        return cli_fail(c->cli, &e);
    }
    taken = take(c, &e);
    if (taken < 0)
        forget_provisional(c);
    if (taken)
        return cli_fail(c->cli, &e);
    if (finish_record(c, &e))
        return say_what_exists(c, &e);
    say_unprotected(c);
    print_result(c);
    return EXIT_OK;
}

int command_create(struct cli *cli, int argc, char **argv)
{
    struct create c = { .cli = cli };
    int code;

    libxl_domain_snapshot_args_init(&c.args);
    libxl_domain_snapshot_result_init(&c.result);
    code = create_options_parse(cli, argc, argv, &c.options);
    if (code == CREATE_GO_ON)
        code = create(&c, c.options.domain);
    session_close(&c.s);
    libxl_domain_snapshot_args_dispose(&c.args);
    libxl_domain_snapshot_result_dispose(&c.result);
    create_options_dispose(&c.options);
    return code;
}
