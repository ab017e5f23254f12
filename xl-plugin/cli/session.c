/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdlib.h>

#include <libxl_utils.h>

#include "cli/disk_job.h"
#include "cli/interrupted.h"
#include "cli/libvirt.h"
#include "cli/rename.h"
#include "cli/signals.h"
#include "common/alloc.h"
#include "storage/identity.h"
#include "storage/protect.h"
#include "storage/run.h"
#include "store/device.h"
#include "store/names.h"

int cli_libxl(struct cli *cli, struct error *e)
{
    if (!cli->ctx &&
        libxl_ctx_alloc(&cli->ctx, LIBXL_VERSION, 0, cli->logger)) {
        cli->ctx = NULL;
        return error_set(e, "cannot reach Xen: is this a Xen host, and are "
                         "you root?");
    }
    return 0;
}

static bool all_digits(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

int cli_domain(struct cli *cli, const char *text, bool running,
               struct domain *domain, struct error *e)
{
    libxl_dominfo info;

    domain->name = NULL;
    domain->domid = INVALID_DOMID;
    if (!*text)
        return error_set(e, "the domain's name is empty");
    if (cli_libxl(cli, e))
        return -1;
    if (libxl_domain_qualifier_to_domid(cli->ctx, text, &domain->domid))
        domain->domid = INVALID_DOMID;
    if (domain->domid == 0)
        return error_set(e, "domain 0 is the host itself, which has no "
                         "snapshots");
    libxl_dominfo_init(&info);
    if (domain_runs(domain->domid) &&
        libxl_domain_info(cli->ctx, &info, domain->domid))
        domain->domid = INVALID_DOMID;
    libxl_dominfo_dispose(&info);

    if (domain_runs(domain->domid))
        domain->name = libxl_domid_to_name(cli->ctx, domain->domid);
    else if (running)
        return error_set(e, "there is no running domain \"%s\"; 'xl list' "
                         "shows those that there are", text);
    else if (all_digits(text))
        return error_set(e, "there is no domain with id %s; name a domain "
                         "that does not run by its name", text);
    else
        domain->name = xls_strdup(text);
    if (!domain->name)
        return error_set(e, "domain %s has no name", text);
    return 0;
}

static int domain_live(struct cli *cli, uint32_t domid, struct live *live)
{
    char *name = libxl_domid_to_name(cli->ctx, domid);
    libxl_domain_config config;
    libxl_device_disk *disks;
    int i, num = 0, rc;

    libxl_domain_config_init(&config);
    rc = domid == 0 ? ERROR_INVAL
        : libxl_retrieve_domain_configuration(cli->ctx, domid, &config, NULL);
    for (i = 0; !rc && i < config.num_disks; i++)
        live_add_disk(live, name, domid, &config.disks[i],
                      config.disks[i].format);
    libxl_domain_config_dispose(&config);
    /* A domain of another toolstack, or dom0: xenstore has its disks, but not
     * their formats. */
    disks = rc ? libxl_device_disk_list(cli->ctx, domid, &num) : NULL;
    for (i = 0; disks && i < num; i++)
        live_add_disk(live, name, domid, &disks[i], LIBXL_DISK_FORMAT_RAW);
    if (disks)
        libxl_device_disk_list_free(disks, num);
    free(name);
    return 0;
}

int cli_live(struct cli *cli, struct live *live, struct error *e)
{
    libxl_dominfo *info;
    int i, num, ret = 0;

    memset(live, 0, sizeof(*live));
    info = libxl_list_domain(cli->ctx, &num);
    if (!info)
        return error_set(e, "cannot list the running domains");
    for (i = 0; !ret && i < num; i++)
        if (!info[i].dying)
            ret = domain_live(cli, info[i].domid, live);
    libxl_dominfo_list_free(info, num);
    return ret;
}

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
    /* The store settles by what the library makes of it. */
    if (!ret)
        ret = interrupted_recover(s, cli, running, e);
    if (!ret)
        ret = cli_live(cli, &s->live, e);
    if (!ret)
        ret = interrupted_settle_fold(s, cli, e);
    if (!ret)
        ret = interrupted_settle_revert(s, cli, e);
    if (!ret)
        ret = job_follow(s, cli, e);
    if (!ret)
        ret = identity_settle(s->store, &s->live, s->domain.domid, &told, e);
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
    in_store = !ret && s->store->dir >= 0 && !all_digits(domain);
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
