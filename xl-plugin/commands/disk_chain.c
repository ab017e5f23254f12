/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

#include "commands/chain_text.h"
#include "layers/headers.h"
#include "util/strings.h"

struct request {
    struct cli *cli;
    struct domain domain;
    bool flat, validate;
    bool mismatch;              /* one was found */
    struct xls_json *disks;     /* --json: what was found so far */
};

/* The names of the disks of a domain, but for drives without a medium. */
static int list_disks(struct request *r, struct strings *vdevs,
                      struct error *e)
{
    libxl_domain_config config;
    int i, rc;

    libxl_domain_config_init(&config);
    rc = libxl_retrieve_domain_configuration(r->cli->ctx, r->domain.domid,
                                             &config, NULL);
    for (i = 0; !rc && i < config.num_disks; i++)
        if (!str_none(config.disks[i].pdev_path) &&
            !str_none(config.disks[i].vdev))
            strings_add(vdevs, config.disks[i].vdev);
    libxl_domain_config_dispose(&config);
    return rc ? cli_error_rc(e, rc, "cannot find out about the domain's disks")
              : 0;
}

static int append_json(struct request *r, char *text, struct error *e)
{
    struct xls_json *v = xls_json_of_text(text, &xls_json_limits_qmp);

    if (!v)
        return error_set(e, "the chain cannot be put into JSON%s",
                         r->flat ? "" : "; try --flat --json");
    xls_json_append(r->disks, v);
    return 0;
}

/* The store is only read: a command may be at work on it. */
static void check_devices(struct request *r, libxl_disk_chain *chain)
{
    struct error ignored = { 0 };
    struct store *st;

    if (!store_open(STORE_ROOT, r->domain.name, false, 0, &st, &ignored))
        headers_check_devices(chain, st);
    error_clear(&ignored);
    store_close(st);
}

/* A disk that QEMU does not serve is no failure when it was not named. */
static int show(struct request *r, const char *vdev, bool named,
                struct error *e)
{
    libxl_snapshot_how how = { .logger = r->cli->logger };
    libxl_ctx *ctx = r->cli->ctx;
    libxl_disk_chain chain;
    struct xls_json *o;
    int rc, ret = 0;

    libxl_disk_chain_init(&chain);
    rc = libxl_disk_chain_get(ctx, r->domain.domid, vdev,
                              r->validate ? LIBXL_DISK_CHAIN_VALIDATE : 0,
                              &how, &chain);
    if (!rc && r->validate) {
        headers_check(&chain);
        check_devices(r, &chain);
    }
    r->mismatch |= chain.validated && !chain.agrees;
    if (rc == ERROR_SNAPSHOT_DISK_UNSUPPORTED && !named) {
        if (r->disks) {
            o = xls_json_set_str(xls_json_object(), "vdev", vdev);
            xls_json_set_str(o, "error", libxl_error_snapshot_to_string(rc));
            xls_json_append(r->disks, o);
        }
    } else if (rc) {
        ret = cli_error_rc(e, rc, "the disk's chain cannot be shown");
    } else if (r->disks) {
        ret = append_json(r, r->flat ? libxl_disk_chain_to_json(ctx, &chain)
                             : libxl_disk_chain_to_nested_json(ctx, &chain),
                          e);
    } else {
        chain_print(&chain, r->flat, stdout);
    }
    libxl_disk_chain_dispose(&chain);
    return ret;
}

static int show_all(struct request *r, const char *vdev, struct error *e)
{
    struct strings vdevs = { 0 };
    int i, ret = 0;

    if (vdev)
        strings_add(&vdevs, vdev);
    else
        ret = list_disks(r, &vdevs, e);
    for (i = 0; !ret && i < vdevs.num; i++)
        ret = show(r, vdevs.v[i], vdev != NULL, e);
    strings_free(&vdevs);
    return ret;
}

int command_disk_chain(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "flat", no_argument, NULL, 'f' },
        { "validate", no_argument, NULL, 'v' },
        CLI_OPTIONS
    };
    struct request r = { .cli = cli };
    struct error e = { 0 };
    struct xls_json *o;
    int opt, code;

    while ((opt = cli_option(cli, argc, argv, options, &code)) != -1) {
        if (opt == OPT_EXIT)
            return code;
        r.flat |= opt == 'f';
        r.validate |= opt == 'v';
    }
    code = cli_words(cli, argc, 1, 2);
    if (code)
        return code;

    if (cli->json)
        r.disks = xls_json_array();
    if (cli_domain(cli, argv[optind], true, &r.domain, &e) ||
        show_all(&r, argc - optind > 1 ? argv[optind + 1] : NULL, &e)) {
        code = cli_fail(cli, &e);
        goto out;
    }
    if (r.disks) {
        o = xls_json_set_str(xls_json_object(), "domain", r.domain.name);
        xls_json_set(o, "disks", r.disks);
        r.disks = NULL;
        cli_print_json(o);
    }
    code = r.mismatch ? EXIT_FAILED : EXIT_OK;

out:
    xls_json_free(r.disks);
    free(r.domain.name);
    return code;
}
