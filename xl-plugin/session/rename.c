/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/rename.h"

#include <stdlib.h>

#include <libxl_utils.h>

#include "common/alloc.h"
#include "common/files.h"
#include "layers/image.h"

static bool has_uuid(struct cli *cli, const struct store *st, uint32_t domid)
{
    libxl_dominfo info;
    bool has = false;
    char *uuid;
    int i;

    libxl_dominfo_init(&info);
    if (!libxl_domain_info(cli->ctx, &info, domid)) {
        uuid = xls_asprintf(LIBXL_UUID_FMT, LIBXL_UUID_BYTES(info.uuid));
        for (i = 0; i < st->info.num_uuids; i++)
            has |= str_same(st->info.uuids[i], uuid);
        free(uuid);
    }
    libxl_dominfo_dispose(&info);
    return has;
}

/* How many of the store's disks are the domain's, as the same devices; *others:
 * not all are, or the domain has others. */
static int count_disks(const struct store *st, const struct live *live,
                       uint32_t domid, bool *others)
{
    int i, num = 0, has = 0;

    for (i = 0; i < st->info.num_disks; i++) {
        const xl_snapshot_domain_disk *d = &st->info.disks[i];
        const struct live_disk *disk = live_find(live, domid, d->vdev);

        num += disk && (str_same(disk->path, d->top_path) ||
                        xls_same_file(disk->path, d->top_path));
    }
    for (i = 0; i < live->num; i++)
        has += live->v[i].domid == domid;
    *others = num < st->info.num_disks || has != num;
    return num;
}

/* Whether the store of a domain that does not run is of this domain. */
static bool is_its(struct cli *cli, const struct store *st,
                   const struct live *live, uint32_t domid)
{
    struct error ignored = { 0 };
    bool others, empty = !store_check_free(st, &ignored);
    uint32_t other;
    int num;

    error_clear(&ignored);
    if (empty || !libxl_name_to_domid(cli->ctx, st->domain, &other))
        return false;
    num = count_disks(st, live, domid, &others);
    return num && (!others || has_uuid(cli, st, domid));
}

static int take_over(struct cli *cli, const char *old,
                     const struct domain *domain, struct error *e)
{
    struct store *st;
    int ret;

    ret = store_open(STORE_ROOT, old, true, LOCK_WAIT, &st, e);
    if (!ret)
        ret = store_move(st, domain->name, e);
    if (!ret)
        cli_say(cli, "domain %s was renamed to %s: its snapshots are under "
                "that name now", old, domain->name);
    store_close(st);
    return ret;
}

/* The name of the one store that is the domain's; NULL: there is none. */
static char *find(struct cli *cli, const struct domain *domain,
                  const struct live *live, struct error *e)
{
    struct strings names = { 0 };
    char *found = NULL;
    bool several = false;
    int i;

    if (store_domains(STORE_ROOT, &names, e))
        error_clear(e);
    for (i = 0; i < names.num; i++) {
        struct store *st;

        if (str_same(names.v[i], domain->name))
            continue;
        if (store_open(STORE_ROOT, names.v[i], false, 0, &st, e)) {
            error_clear(e);
            continue;
        }
        if (is_its(cli, st, live, domain->domid)) {
            several |= found != NULL;
            str_replace(&found, st->domain);
        }
        store_close(st);
    }
    strings_free(&names);
    if (several) {
        free(found);
        found = NULL;
    }
    return found;
}

int rename_follow(struct cli *cli, const struct domain *domain,
                  struct error *e)
{
    struct live live = { 0 };
    struct store *st;
    bool has;
    char *old;
    int ret;

    if (!domain_runs(domain->domid) ||
        store_open(STORE_ROOT, domain->name, false, 0, &st, e)) {
        /* Who opens it next says why that cannot be. */
        error_clear(e);
        return 0;
    }
    has = st->num_records > 0;
    store_close(st);
    if (has)
        return 0;
    ret = cli_live(cli, &live, e);
    if (ret)
        return ret;
    old = find(cli, domain, &live, e);
    if (old)
        ret = take_over(cli, old, domain, e);
    live_free(&live);
    free(old);
    return ret;
}
