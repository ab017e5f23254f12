/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "offline/relocate.h"
#include "session/users.h"

/* No session: where images are missing, none can be opened. */
static int open_store(struct cli *cli, const char *name, struct domain *domain,
                      struct store **st, struct error *e)
{
    if (cli_domain(cli, name, false, domain, e) ||
        store_open(STORE_ROOT, domain->name, false, 0, st, e))
        return -1;
    if ((*st)->dir < 0)
        return error_set(e, "%s has no snapshots", domain->name);
    store_close(*st);
    *st = NULL;
    return store_open(STORE_ROOT, domain->name, true, LOCK_WAIT, st, e);
}

/* The configurations that a revert builds the domain from. */
static int move_configs(struct cli *cli, const struct relocate *r,
                        struct error *e)
{
    int i, j;

    for (i = 0; i < r->st->num_records; i++) {
        xl_snapshot_record *rec = r->st->records[i];
        libxl_domain_config config;
        bool moved = false;
        char *text;

        libxl_domain_config_init(&config);
        if (str_none(rec->config) ||
            libxl_domain_config_from_json(cli->ctx, &config, rec->config)) {
            libxl_domain_config_dispose(&config);
            continue;
        }
        for (j = 0; j < config.num_disks; j++) {
            char *to = relocate_path(r, config.disks[j].pdev_path);

            if (!to)
                continue;
            free(config.disks[j].pdev_path);
            config.disks[j].pdev_path = to;
            moved = true;
        }
        text = moved ? libxl_domain_config_to_json(cli->ctx, &config) : NULL;
        libxl_domain_config_dispose(&config);
        if (!text)
            continue;
        str_replace(&rec->config, text);
        free(text);
        if (store_write(r->st, rec, e))
            return -1;
    }
    return 0;
}

static void say_config(struct cli *cli, const struct relocate *r)
{
    int i;

    for (i = 0; i < r->st->info.num_disks; i++) {
        const xl_snapshot_domain_disk *d = &r->st->info.disks[i];
        char *to = relocate_path(r, d->config_path);

        if (to && !str_none(d->config_path))
            cli_say(cli, "have the domain's configuration file name %s for "
                    "disk %s, not %s", to, d->vdev, d->config_path);
        free(to);
    }
}

static int relocate(struct cli *cli, struct relocate *r, struct error *e)
{
    if (access(r->to, F_OK))
        return error_errno(e, "%s, where the images are to be", r->to);
    if (relocate_check(r, e))
        return -1;
    say_config(cli, r);
    return move_configs(cli, r, e) || relocate_apply(r, e) ? -1 : 0;
}

static char *place(const char *text)
{
    char *path = path_from_root(text);
    size_t len = path ? strlen(path) : 0;

    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    return path;
}

static void print_result(struct cli *cli, const struct relocate *r)
{
    int i, moved = 0, rewritten = 0;
    struct xls_json *o;

    for (i = 0; i < r->num; i++) {
        moved += !str_same(r->v[i].old, r->v[i].path);
        rewritten += r->v[i].rewrite;
    }
    if (!cli->json) {
        printf("%d images of %s are at their new places, %d headers were "
               "rewritten.\n", moved, r->st->domain, rewritten);
        return;
    }
    o = xls_json_object();
    xls_json_set(o, "moved", xls_json_uint(moved));
    xls_json_set(o, "rewritten", xls_json_uint(rewritten));
    cli_print_json(o);
}

int command_relocate(struct cli *cli, int argc, char **argv)
{
    struct relocate r = { .unused = users_unused, .user = cli };
    struct domain domain = { 0 };
    struct error e = { 0 };
    char *from = NULL, *to = NULL;
    int code;

    if (!cli_plain(cli, argc, argv, 3, 3, &code))
        return code;
    from = place(argv[optind + 1]);
    to = place(argv[optind + 2]);
    r.from = from;
    r.to = to;
    if (!from || !to || str_same(from, to) || str_same(from, "/"))
        code = cli_usage(cli, "OLD and NEW are two directories or files");
    else if (open_store(cli, argv[optind], &domain, &r.st, &e) ||
             relocate(cli, &r, &e))
        code = cli_fail(cli, &e);
    else
        print_result(cli, &r);
    relocate_dispose(&r);
    store_close(r.st);
    free(domain.name);
    free(from);
    free(to);
    return code;
}
