/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_COMMANDS_DELETION_H
#define PLUGIN_COMMANDS_DELETION_H

#include "session/merge_library.h"

/*
 * Deletes the snapshots of these names (of tree_choose), merges what can be
 * merged and prints the result, "Snapshot s1 of web1 <done>." each. Returns
 * the exit code. merge: as for merge_hide.
 */
int deletion_run(struct cli *cli, struct session *s,
                 const struct strings *names, libxl_snapshot_merge merge,
                 const char *done);

/* Forgets them instead, and prints which files stay. Returns the exit code. */
int deletion_forget(struct cli *cli, struct session *s,
                    const struct strings *names);

#endif
