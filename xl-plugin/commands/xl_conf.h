/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_COMMANDS_XL_CONF_H
#define PLUGIN_COMMANDS_XL_CONF_H

#include "cli/cli.h"

/* Whether domain 0 is to give memory for new domains: autoballoon in xl.conf,
 * read as xl does. */
bool xl_conf_autoballoon(struct cli *cli);

#endif
