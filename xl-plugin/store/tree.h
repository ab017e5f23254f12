/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_STORE_TREE_H
#define PLUGIN_STORE_TREE_H

#include <stdio.h>

#include "store/store.h"

/*
 * The tree of snapshots. Hidden ones (deleted, but their layers still in use)
 * keep their place in it and are skipped in what the user sees. A parent that
 * is not there, or a circle in damaged files, ends a walk upwards.
 */

/* The nearest visible snapshot at or above name; NULL for none. */
const xl_snapshot_record *tree_visible(const struct store *st,
                                       const char *name);
/* Of a snapshot: the nearest visible one above it. */
const xl_snapshot_record *tree_parent(const struct store *st,
                                      const xl_snapshot_record *rec);
bool tree_is_above(const struct store *st, const char *above,
                   const char *name);

/* The names of a snapshot and of all below it, children before parents. */
void tree_subtree(const struct store *st, const char *name,
                  struct strings *names);

/*
 * The snapshots that a command on the one named is about, children before
 * parents. One that is hidden may be named, but counts as none of another's
 * children.
 */
enum tree_range { TREE_ONE, TREE_WITH_BELOW, TREE_BELOW };
int tree_choose(const struct store *st, const char *name,
                enum tree_range range, struct strings *names,
                struct error *e);

/* Takes a snapshot out of the tree: its children get its parent, and so does
 * the domain when it is the current one. Writes what changed. */
int tree_take_out(struct store *st, const char *name, struct error *e);

/* Draws it, one line each; the current one is marked. */
void tree_print(const struct store *st, FILE *out);

#endif
