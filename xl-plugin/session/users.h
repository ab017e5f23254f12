/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_SESSION_USERS_H
#define PLUGIN_SESSION_USERS_H

#include "cli/cli.h"

/*
 * Who uses a file, asked afresh. 0: nobody; -1: e names the file, who uses it,
 * or may, and the way out.
 *
 * The first: whether a running domain, other than but (INVALID_DOMID: none),
 * has it anywhere in a chain. The second: that, and whether the snapshots of
 * another domain need it, or an image of theirs is based on it.
 */
int users_running(struct cli *cli, uint32_t but, const char *path,
                  struct error *e);
/* The first with no exception, as struct merge asks; cli: a struct cli. */
int users_unused(void *cli, const char *path, struct error *e);
int users_check(struct cli *cli, struct session *s, const char *path,
                struct error *e);

#endif
