/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_SESSION_MEMORY_H
#define PLUGIN_SESSION_MEMORY_H

#include "cli/cli.h"

/* The library's functions for memory files. */

/* How well they are packed, where nothing is said. */
#define MEMORY_LEVEL 1

/* What the file is; where it cannot be used, the error is what the library
 * says of it. */
int memory_info(struct cli *cli, const char *path,
                libxl_snapshot_memory_info *info, struct error *e);

/* Reads all of it; faults gets what is wrong with it. An error is that this
 * could not be found out: it was cancelled. */
int memory_verify(struct cli *cli, const char *path, struct strings *faults,
                  struct error *e);

int memory_export(struct cli *cli, const char *path, const char *to,
                  struct error *e);
int memory_import(struct cli *cli, const char *from, const char *path,
                  struct error *e);

/* Whether the configuration in a file of `xl save` names the layers of the
 * snapshot, where these are files of their own; the error says which it does
 * not, with both names. */
int memory_fits(struct cli *cli, const char *path,
                const xl_snapshot_record *rec, struct error *e);

#endif
