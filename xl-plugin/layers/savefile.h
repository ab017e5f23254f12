/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_SAVEFILE_H
#define PLUGIN_LAYERS_SAVEFILE_H

#include "util/error.h"

/* The configuration in a file of `xl save`, libxl_domain_config as JSON;
 * malloc'ed. libxl-snapshot/savefile/memfile.h describes the header. */
int savefile_config(const char *path, char **json, struct error *e);

#endif
