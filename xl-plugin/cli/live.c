/* SPDX-License-Identifier: LGPL-2.1-only */
/* Xen's running domains. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>

#include "common/alloc.h"

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

bool domain_is_id(const char *text)
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
    else if (domain_is_id(text))
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
