/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_CLI_DELETION_H
#define PLUGIN_CLI_DELETION_H

#include "cli/fold_library.h"

/* Which snapshots a command means besides the one named. */
enum deletion_range { DELETE_ONE, DELETE_SUBTREE, DELETE_CHILDREN };

/* Their names, children before parents. One that is deleted and whose layers
 * are still there may be named, but is none of another's children. */
int deletion_names(const struct store *st, const char *name,
                   enum deletion_range range, struct strings *names,
                   struct error *e);

/*
 * Deletes them, merges what can be merged and prints the result, "Snapshot s1
 * of web1 <done>." each. Returns the exit code. merge: as for fold_hide.
 */
int deletion_run(struct cli *cli, struct session *s,
                 const struct strings *names, libxl_snapshot_merge merge,
                 const char *done);

/* Forgets them, and prints which files stay. Returns the exit code. */
int deletion_forget(struct cli *cli, struct session *s,
                    const struct strings *names);

#endif
