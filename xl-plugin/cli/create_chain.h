/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_CLI_CREATE_CHAIN_H
#define PLUGIN_CLI_CREATE_CHAIN_H

#include "cli/create_options.h"

/* What the images of a disk have that speaks against a snapshot of it, by their
 * headers. */
int create_check_chain(const libxl_disk_snapshot *d, struct error *e);

#endif
