/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_STORE_OUTSIDE_H
#define PLUGIN_STORE_OUTSIDE_H

#include "store/store.h"

/* For store.c, and for the command that takes a snapshot. */

/* Whether a memory file is elsewhere than in the store. */
bool memory_is_outside(const struct store *st, const char *path);
/* Whether one can be made at path: absolute, not there, not in the store, and in
 * a directory that root alone can change. */
int memory_outside_check(const struct store *st, const char *path,
                         struct error *e);
/* Missing is no failure; a file that is no memory file is not removed. */
int memory_outside_remove(const char *path, struct error *e);
/* Where one is made that then takes the place of path; malloc'ed. */
char *memory_outside_new(const char *path);
int memory_outside_take(const char *temp, const char *path, struct error *e);
/* Removes what killed commands have left of path half made. */
int memory_outside_sweep(const char *path, struct error *e);

#endif
