/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "cli/progress.h"
#include "commands/revert_config.h"
#include "commands/revert_disks.h"
#include "commands/xl_conf.h"
#include "common/alloc.h"
#include "session/merge_library.h"
#include "session/interrupted.h"
#include "session/libvirt.h"
#include "supervise/supervise.h"

struct revert {
    struct cli *cli;
    struct session s;
    xl_snapshot_record *rec;
    libxl_domain_config config;
    libxl_domain_snapshot_args args;
    libxl_domain_snapshot_result result;
    struct progress progress;
    struct strings made;
    const char *config_file;    /* NULL: the record's configuration */
    bool force;
    bool libvirt;               /* it runs the old domain */
    bool unknown;               /* whether the new layers came into use */
};

static int report(void *user, const libxl_snapshot_progress *progress)
{
    struct revert *r = user;

    return progress_report(&r->progress, progress);
}

/* Disks of the configuration that the snapshot does not cover: they keep what
 * they hold now. */
static int check_left_out(struct revert *r, struct error *e)
{
    struct strings out = { 0 };
    char *which;
    int i, num;

    for (i = 0; r->rec->memory && i < r->config.num_disks; i++) {
        const libxl_device_disk *d = &r->config.disks[i];

        if (!d->is_cdrom && d->readwrite && !str_none(d->pdev_path) &&
            d->format != LIBXL_DISK_FORMAT_EMPTY &&
            !record_disk(r->rec, d->vdev))
            strings_add(&out, d->vdev);
    }
    num = out.num;
    which = strings_join(&out, ", ");
    strings_free(&out);
    if (num && !r->force)
        error_set(e, "snapshot %s does not cover disk %s: that holds what it "
                  "holds now, and the memory of the snapshot expects what it "
                  "held then, so that the guest may damage its file systems; "
                  "add --force to revert all the same", r->rec->name, which);
    else if (num)
        cli_say(r->cli, "disk %s is left as it is now, which does not fit the "
                "memory of snapshot %s", which, r->rec->name);
    free(which);
    return num && !r->force ? -1 : 0;
}

/* Disks that are others now than the snapshot's of that vdev. */
static int check_replaced(struct revert *r, struct error *e)
{
    const struct live_disk *d;
    int i;

    for (i = 0; i < r->rec->num_disks; i++) {
        d = live_find(&r->s.live, r->s.domain.domid, r->rec->disks[i].vdev);
        if (!d || !d->replaced)
            continue;
        if (!r->force)
            return error_set(e, "disk %s is now %s, which is not the disk of "
                             "snapshot %s: the domain would go back to that, "
                             "and no longer have %s; add --force to revert all "
                             "the same, or detach it first (xl block-detach "
                             "%s %s)", d->vdev, d->path, r->rec->name, d->path,
                             r->s.domain.name, d->vdev);
        cli_say(r->cli, "the domain goes back to the former disk %s; %s is "
                "left as it is", d->vdev, d->path);
    }
    return 0;
}

/* If this is interrupted while the domain is put aside, it is found again by
 * its uuid. */
static void note_uuid(struct revert *r)
{
    libxl_dominfo info;
    char *uuid;

    libxl_dominfo_init(&info);
    if (domain_runs(r->s.domain.domid) &&
        !libxl_domain_info(r->cli->ctx, &info, r->s.domain.domid)) {
        uuid = xls_asprintf(LIBXL_UUID_FMT, LIBXL_UUID_BYTES(info.uuid));
        store_add_uuid(r->s.store, uuid);
        free(uuid);
    }
    libxl_dominfo_dispose(&info);
}

static int prepare(struct revert *r, struct error *e)
{
    if (r->rec->memory && access(r->rec->memory_path, R_OK))
        return error_errno(e, "the memory image of snapshot %s, %s, cannot be "
                           "used", r->rec->name, r->rec->memory_path);
    if (revert_config(r->cli, r->rec, r->config_file, &r->config, e))
        return -1;
    if (check_left_out(r, e) || check_replaced(r, e))
        return -1;
    str_replace(&r->config.c_info.name, r->s.domain.name);
    if (revert_other_disks(r->cli, &r->s, r->rec, &r->config, e))
        return -1;
    r->args.autoballoon = xl_conf_autoballoon(r->cli);
    r->args.memory = r->rec->memory;
    r->args.memory_path = r->rec->memory ? xls_strdup(r->rec->memory_path)
                                         : NULL;
    if (revert_disks(r->cli, &r->s, r->rec, &r->args, &r->made, e))
        return -1;
    note_uuid(r);
    return interrupted_note_revert(&r->s, r->rec->name, &r->made, e) ||
           revert_make_layers(r->rec, &r->args, &r->made, e) ||
           interrupted_note_layers(&r->s, e) ? -1 : 0;
}

/* Files made for a revert that did not happen. */
static void clean_up(struct revert *r)
{
    struct error e = { 0 };
    struct merge_library library;
    int i;

    /* The next command completes it. */
    if (r->s.store->info.reverting_applied)
        return;
    live_free(&r->s.live);
    if (cli_live(r->cli, &r->s.live, &e) ||
        interrupted_note_discard(&r->s, &e)) {
        cli_say(r->cli, "%s", e.text);
    } else {
        merge_library_init(&library, r->cli, &r->s);
        for (i = 0; i < r->made.num; i++)
            if (merge_discard(&library.merge, r->made.v[i], NULL, &e))
                cli_say(r->cli, "%s", e.text);
    }
    interrupted_clear_revert(&r->s);
    if (store_write_info(r->s.store, &e))
        cli_say(r->cli, "%s", e.text);
    error_clear(&e);
}

static int say_state(struct revert *r, int rc, struct error *e)
{
    const char *name = r->s.domain.name;
    uint32_t domid;
    bool runs = !libxl_name_to_domid(r->cli->ctx, name, &domid);
    const char *state, *way_out = "";

    if (r->result.brought_back)
        state = "it is back as it was";
    else if (rc == ERROR_SNAPSHOT_INCOMPLETE && !runs)
        state = "it does not run now: reverting it again, or any other "
                "command that changes its snapshots, brings it back first, "
                "or says what is in the way; do not start it with "
                "'xl create'";
    else if (!domain_runs(r->s.domain.domid))
        state = runs ? "it runs now" : "it does not run, as before";
    else if (runs && domid == r->s.domain.domid)
        state = "it runs on as it was";
    else if (runs)
        state = "the new domain exists";
    else if (r->s.store->info.reverting_applied)
        state = "it was destroyed and does not run now; some of its disks are "
                "in the snapshot's state: try again, or start it with 'xl "
                "create', which puts all of them into that first";
    else
        state = "it was destroyed and does not run now: try again, or start "
                "it with 'xl create'";
    if (rc == ERROR_SNAPSHOT_STATE && domain_runs(r->s.domain.domid) &&
        !r->args.destroy_first)
        way_out = "; --destroy-first gives up what its memory holds now";
    if (rc == ERROR_NOTFOUND)
        way_out = "; put it back, or give another configuration with "
                  "--config=FILE";
    if (rc == ERROR_ABORTED)
        return error_set(e, "cancelled; domain %s: %s", name, state);
    return error_set(e, "the revert failed: %s%s. Domain %s: %s",
                     libxl_snapshot_strerror(rc), way_out, name, state);
}

/* A reboot may come at any time. */
static void watch(struct revert *r, uint32_t domid)
{
    struct error e = { 0 };

    if (supervise_start(r->s.domain.name, domid, NULL, &e))
        cli_say(r->cli, "%s; nothing restarts the domain when it reboots",
                e.text);
    error_clear(&e);
}

/* The revert failed. xl up to Xen 4.17 ends its watching when the domain is
 * suspended, which happens when it is put aside. */
static void watch_old(struct revert *r)
{
    const char *name = r->s.domain.name;
    struct watchers watchers;
    uint32_t domid;

    if (libxl_name_to_domid(r->cli->ctx, name, &domid) ||
        (domid != r->s.domain.domid && domid != r->result.brought_back))
        return;
    watchers_find(name, &watchers);
    if (!watchers.num)
        watch(r, domid);
    watchers_close(&watchers);
}

static int put_back(void *user, libxl_snapshot_storage_step step,
                    uint32_t domid, const libxl_disk_snapshot *disk)
{
    struct revert *r = user;
    struct error e = { 0 };

    (void)domid;
    if (step != LIBXL_SNAPSHOT_STORAGE_REVERT)
        return ERROR_INVAL;
    if (interrupted_note_applied(&r->s, &e)) {
        cli_say(r->cli, "%s", e.text);
        error_clear(&e);
        return ERROR_SNAPSHOT_STORAGE;
    }
    return revert_internal(r->cli, disk);
}

static int run_revert(struct revert *r, struct error *e)
{
    libxl_snapshot_how how = { .logger = r->cli->logger, .progress = report,
                               .storage = put_back, .user = r };
    int rc;

    progress_start(&r->progress);
    rc = libxl_domain_snapshot_revert(r->cli->ctx, r->s.domain.domid,
                                      &r->config, &r->args, &how, &r->result);
    progress_end(&r->progress);
    r->unknown = outcome_unknown(rc);
    if (rc)
        watch_old(r);
    return rc ? say_state(r, rc, e) : 0;
}

static int record(struct revert *r, struct error *e)
{
    struct store *st = r->s.store;
    libxl_dominfo info;
    int i;

    for (i = 0; i < r->result.num_disks; i++) {
        const libxl_disk_snapshot_result *d = &r->result.disks[i];
        xl_snapshot_domain_disk *known;

        if (!d->vdev || !d->path)
            continue;
        known = store_disk(st, d->vdev);
        if (!known) {
            known = store_disk_add(st, d->vdev);
            known->config_path = xls_strdup(d->path);
            known->config_format = d->format;
        }
        str_replace(&known->top_path, d->path);
        known->top_format = d->format;
    }
    libxl_dominfo_init(&info);
    if (!libxl_domain_info(r->cli->ctx, &info, r->result.domid)) {
        char *uuid = xls_asprintf(LIBXL_UUID_FMT,
                                  LIBXL_UUID_BYTES(info.uuid));

        store_add_uuid(st, uuid);
        free(uuid);
    }
    libxl_dominfo_dispose(&info);
    str_replace(&st->info.current, r->rec->name);
    interrupted_clear_revert(&r->s);
    return store_write_info(st, e);
}

static int finish(struct revert *r)
{
    const char *name = r->s.domain.name;
    struct error e = { 0 };

    watch(r, r->result.domid);
    if (record(r, &e)) {
        cli_say(r->cli, "%s is back in snapshot %s as domain %u, but that "
                "could not be recorded", name, r->rec->name, r->result.domid);
        return cli_fail(r->cli, &e);
    }
    if (r->cli->json) {
        struct xls_json *o = xls_json_object();

        xls_json_set_str(o, "current", r->rec->name);
        xls_json_set(o, "domid", xls_json_uint(r->result.domid));
        xls_json_set_bool(o, "paused", r->args.leave_paused);
        cli_print_json(o);
    } else {
        printf("%s is back in snapshot %s, as domain %u%s.\n", name,
               r->rec->name, r->result.domid,
               r->args.leave_paused ? ", paused" : "");
    }
    if (r->libvirt)
        libvirt_say_replaced(r->cli, name, r->result.domid);
    return EXIT_OK;
}

static int revert(struct revert *r, const char *domain, const char *name)
{
    struct error e = { 0 };

    if (session_open(r->cli, domain, false, &r->s, &e))
        return cli_fail(r->cli, &e);
    r->rec = store_must_find(r->s.store, name, &e);
    if (!r->rec)
        return cli_fail(r->cli, &e);
    r->libvirt = libvirt_runs(r->cli, r->s.domain.domid);
    if (prepare(r, &e) || run_revert(r, &e)) {
        /* Otherwise the next command finds out, by the note in the store. */
        if (!r->unknown)
            clean_up(r);
        return cli_fail(r->cli, &e);
    }
    return finish(r);
}

int command_revert(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "paused", no_argument, NULL, 'p' },
        { "destroy-first", no_argument, NULL, 'd' },
        { "force", no_argument, NULL, 'f' },
        { "config", required_argument, NULL, 'c' },
        CLI_OPTIONS
    };
    struct revert r = { .cli = cli };
    int opt, code;

    libxl_domain_config_init(&r.config);
    libxl_domain_snapshot_args_init(&r.args);
    libxl_domain_snapshot_result_init(&r.result);
    while ((opt = cli_option(cli, argc, argv, options, &code)) != -1) {
        if (opt == OPT_EXIT)
            goto out;
        if (opt == 'p')
            r.args.leave_paused = true;
        else if (opt == 'f')
            r.force = true;
        else if (opt == 'c')
            r.config_file = optarg;
        else
            r.args.destroy_first = true;
    }
    code = cli_words(cli, argc, 2, 2);
    if (!code)
        code = revert(&r, argv[optind], argv[optind + 1]);

out:
    session_close(&r.s);
    libxl_domain_config_dispose(&r.config);
    libxl_domain_snapshot_args_dispose(&r.args);
    libxl_domain_snapshot_result_dispose(&r.result);
    strings_free(&r.made);
    return code;
}
