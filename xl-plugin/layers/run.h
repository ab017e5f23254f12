/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_RUN_H
#define PLUGIN_LAYERS_RUN_H

#include <stddef.h>

#include "common/json/json.h"
#include "util/error.h"

/*
 * The lock (of flock(2)) that the programs run from here on share, -1 for none:
 * when this process is killed, others have it only once the program, which is
 * killed too, has let go of its files.
 */
void run_hold(int lock);

/*
 * Runs argv[0] (looked up in PATH), no shell, stdin from /dev/null, and waits
 * for it. out (may be NULL) gets what it wrote to stdout, NUL-terminated and
 * at most 16 MiB. A status other than 0 is an error with the first lines of
 * stderr in it. It ends when this process does: what this process keeps
 * others away from by its lock must not go on without it.
 */
int run(const char *const argv[], char **out, size_t *len, struct error *e);
/* The same for a program whose exit status tells what it found, where that is
 * from 2 on; *status gets it. */
int run_status(const char *const argv[], int *status, char **out, size_t *len,
               struct error *e);
/*
 * The same for a program that prints how far it is: watch is called with the end
 * of what there is of it, a few times a second; nonzero ends the program, and
 * the result is 1.
 */
int run_watched(const char *const argv[],
                int (*watch)(void *user, const char *text), void *user,
                struct error *e);
/* The same for a program that writes JSON to stdout. */
int run_json(const char *const argv[], struct xls_json **v, struct error *e);

#endif
