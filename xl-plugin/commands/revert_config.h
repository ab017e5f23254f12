/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_COMMANDS_REVERT_CONFIG_H
#define PLUGIN_COMMANDS_REVERT_CONFIG_H

#include "cli/cli.h"

/*
 * The configuration that a revert starts the domain from: the snapshot's, or
 * (file not NULL) that of a file in the syntax of xl.cfg(5) with the
 * snapshot's disks, name and uuid.
 */
int revert_config(struct cli *cli, const xl_snapshot_record *rec,
                  const char *file, libxl_domain_config *config,
                  struct error *e);

#endif
