/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-snapshot exec-detached DOMAIN, after an xl block-detach: has QEMU drop
 * what it keeps open of a disk that was snapshotted.
 */
#include "cli/cli.h"

#include <stdlib.h>

int command_exec_detached(struct cli *cli, int argc, char **argv)
{
    libxl_snapshot_how how = { 0 };
    struct domain domain = { 0 };
    struct error e = { 0 };

    if (argc != 2)
        return EXIT_USAGE;
    /* xl has said what there is to say. What is left for want of an answer,
     * the next snapshot command drops. */
    if (!cli_domain(cli, argv[1], true, &domain, &e))
        libxl_domain_snapshot_recover(cli->ctx, domain.domid, &how);
    free(domain.name);
    error_clear(&e);
    return EXIT_OK;
}
