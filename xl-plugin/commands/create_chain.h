/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_COMMANDS_CREATE_CHAIN_H
#define PLUGIN_COMMANDS_CREATE_CHAIN_H

#include "commands/create_options.h"

/* What the images of a disk have that speaks against a snapshot of it, by their
 * headers; and what is to be said of them. */
int create_check_chain(struct cli *cli, const struct store *st,
                       const struct create_options *o,
                       const libxl_disk_snapshot *d, struct error *e);

#endif
