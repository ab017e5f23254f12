/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_STORE_NAMES_H
#define PLUGIN_STORE_NAMES_H

#include <stdbool.h>
#include <time.h>

#include "util/error.h"

/*
 * A snapshot's name is part of file names and of QEMU's and qemu-img's
 * arguments: 1-64 of A-Za-z0-9._-, not starting with '.' or '-'.
 */
bool snapshot_name_ok(const char *name);
int snapshot_name_check(const char *name, struct error *e);

/* The default name, UTC, like 20261121T093005Z. */
/* What a deleted snapshot is called from when its name is used again, number
 * counting up; malloc'ed. */
char *snapshot_name_deleted(const char *name, int number);
char *snapshot_name_default(time_t now);

/*
 * A domain's name as one file name: every byte but A-Za-z0-9_- and '.' (not
 * as the first) becomes %XX. Decoding takes nothing but what encoding gives,
 * so that two directories never stand for one domain; NULL otherwise.
 */
char *domain_name_encode(const char *name);
char *domain_name_decode(const char *file);
/* Refuses a name that is too long for that. */
int domain_name_check(const char *name, struct error *e);

#endif
