/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdlib.h>

#include "cli/signals.h"
#include "common/alloc.h"
#include "layers/identity.h"
#include "layers/protect.h"
#include "layers/run.h"
#include "session/disk_job.h"
#include "session/interrupted.h"
#include "session/libvirt.h"
#include "session/rename.h"
#include "store/device.h"
#include "store/names.h"

static void protect(const struct session *s, struct cli *cli)
{
    struct strings why = { 0 };
    int i;

    protect_layers(s->store, &s->live, &why);
    for (i = 0; i < why.num; i++)
        cli_say(cli, "%s", why.v[i]);
    strings_free(&why);
}

/* The store is locked: what is unfinished is put in order. */
static int put_in_order(struct session *s, struct cli *cli, bool running,
                        struct error *e)
{
    char *told = NULL;
    int i, ret = 0;

    run_hold(s->store->lock);
    for (i = 0; i < s->store->healed.num; i++)
        cli_say(cli, "%s", s->store->healed.v[i]);
    if (s->store->healed.num)
        ret = store_write_info(s->store, e);
    if (!ret)
        ret = store_sweep(s->store, e);
    if (!ret)
        libvirt_remember(s, cli);
    if (!ret)
        protect_mark(s->store);
    /* The store is recovered by what the library makes of it. */
    if (!ret)
        ret = interrupted_recover(s, cli, running, e);
    if (!ret)
        ret = cli_live(cli, &s->live, e);
    if (!ret)
        ret = interrupted_recover_merge(s, cli, e);
    if (!ret)
        ret = interrupted_recover_revert(s, cli, e);
    if (!ret)
        ret = job_follow(s, cli, e);
    if (!ret)
        ret = identity_recover_create(s->store, &s->live, s->domain.domid,
                                      &told, e);
    if (!ret && told)
        cli_say(cli, "%s", told);
    free(told);
    return ret;
}

static void say_replaced(const struct session *s, struct cli *cli)
{
    int i;

    for (i = 0; i < s->live.num; i++) {
        const struct live_disk *d = &s->live.v[i];

        if (d->domid == s->domain.domid && d->replaced)
            cli_say(cli, "disk %s of %s is now %s, which is not the disk that "
                    "its snapshots were taken of: what is done to these "
                    "leaves %s alone", d->vdev, s->domain.name, d->path,
                    d->path);
    }
}

static int must_run(struct cli *cli, struct session *s, const char *domain,
                    struct error *e)
{
    free(s->domain.name);
    return cli_domain(cli, domain, true, &s->domain, e);
}

int session_open(struct cli *cli, const char *domain, bool running,
                 struct session *s, struct error *e)
{
    int ret;

    signals_ignore();
    memset(s, 0, sizeof(*s));
    ret = interrupted_domain(cli, domain, false, &s->domain, e);
    if (!ret)
        ret = rename_follow(cli, &s->domain, e);
    /* What is not there gets no directory. */
    if (!ret && !domain_runs(s->domain.domid))
        ret = store_open(STORE_ROOT, s->domain.name, false, 0, &s->store, e);
    /* A revert that was interrupted may have put it aside. */
    if (!ret && running && s->store && str_none(s->store->info.reverting))
        ret = must_run(cli, s, domain, e);
    if (!ret && s->store && s->store->dir < 0)
        ret = error_set(e, "there is no domain \"%s\", neither running nor "
                        "with snapshots", domain);
    store_close(s->store);
    s->store = NULL;
    if (!ret)
        ret = store_open(STORE_ROOT, s->domain.name, true, LOCK_WAIT,
                         &s->store, e);
    if (!ret)
        ret = put_in_order(s, cli, running, e);
    if (!ret)
        ret = identity_check(s->store, &s->live, s->domain.domid, e);
    if (!ret)
        say_replaced(s, cli);
    if (!ret)
        protect(s, cli);
    return ret;
}

int session_start(struct cli *cli, const char *domain, struct session *s,
                  struct error *e)
{
    struct error busy = { 0 };
    int ret;

    memset(s, 0, sizeof(*s));
    if (interrupted_domain(cli, domain, false, &s->domain, e))
        return -1;
    if (domain_runs(s->domain.domid))
        return 0;
    ret = store_open(STORE_ROOT, s->domain.name, true, 0, &s->store, &busy);
    if (ret && !strncmp(busy.text, "busy:", 5))
        cli_say(cli, "%s; waiting for up to %d s", busy.text, START_WAIT);
    if (ret)
        ret = store_open(STORE_ROOT, s->domain.name, true, START_WAIT,
                         &s->store, e);
    error_clear(&busy);
    if (!ret)
        ret = put_in_order(s, cli, false, e);
    /* It could not be completed. */
    if (!ret && !str_none(s->store->info.reverting))
        ret = error_set(e, "its disks are of different moments; revert it "
                        "again: xl snapshot-revert %s %s", s->domain.name,
                        s->store->info.reverting);
    if (!ret)
        ret = device_check(s->store, e);
    if (!ret)
        protect(s, cli);
    run_hold(-1);
    return ret;
}

int session_look(struct cli *cli, const char *domain, struct session *s,
                 struct error *e)
{
    bool in_store;
    int ret;

    memset(s, 0, sizeof(*s));
    s->domain.domid = INVALID_DOMID;
    ret = store_open(STORE_ROOT, domain, false, 0, &s->store, e);
    in_store = !ret && s->store->dir >= 0 && !domain_is_id(domain);
    if (ret || in_store) {
        s->domain.name = xls_strdup(domain);
        return ret;
    }
    store_close(s->store);
    s->store = NULL;
    ret = cli_domain(cli, domain, true, &s->domain, e);
    if (ret && cli->ctx)
        return error_set(e, "there is no domain \"%s\", neither running nor "
                         "with snapshots", domain);
    if (!ret)
        ret = rename_follow(cli, &s->domain, e);
    return ret ? ret : store_open(STORE_ROOT, s->domain.name, false, 0,
                                  &s->store, e);
}

void session_close(struct session *s)
{
    libvirt_say_moved(s);
    run_hold(-1);
    live_free(&s->live);
    store_close(s->store);
    free(s->domain.name);
}
