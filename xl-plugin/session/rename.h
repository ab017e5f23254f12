/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_SESSION_RENAME_H
#define PLUGIN_SESSION_RENAME_H

#include "cli/cli.h"

/*
 * A running domain without snapshots under its name may have been renamed past
 * this package's xl: where the snapshots of a domain that does not run are of
 * its disks, they become this one's, which is said. Which domain that was is
 * known by the uuid and a disk, or by all disks and no other.
 */
int rename_follow(struct cli *cli, const struct domain *domain,
                  struct error *e);

#endif
