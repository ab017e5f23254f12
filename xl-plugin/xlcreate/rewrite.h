/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_XLCREATE_REWRITE_H
#define PLUGIN_XLCREATE_REWRITE_H

#include <stdbool.h>

#include "store/store.h"
#include "util/strings.h"

/*
 * What `xl create` is about to start, as xl will understand it: words are
 * those after "xl", global options included. file (malloc'ed) is the
 * config file, extra the key=value words, a line each. False when xl would
 * not take them, or there is no file.
 */
bool create_words(int num, const char *const words[], char **file,
                  char **extra);

/*
 * The same disk with another image: path and format are replaced, all else
 * that the specification says is kept. NULL where that cannot be (a block
 * script, a CD-ROM, a backend that takes no image of this format).
 */
char *disk_spec_rewrite(const char *spec, const char *path,
                        libxl_disk_format format);

/* The name= of a configuration; NULL for none. */
char *config_name(const char *text);

/*
 * The word to append to `xl create`'s: the whole list of disks, those which
 * the store knows to be on another layer than text, the configuration, says
 * replaced. NULL when nothing is. notes gets a sentence for each one.
 */
char *disk_assignment(const char *text, const struct store *st,
                      struct strings *notes);

/*
 * Why no domain must be started from the configuration, with the word in it: a
 * disk that it writes is a frozen layer of a snapshot in a store under root.
 * malloc'ed; NULL: it may. Where layers cannot be protected (NFS, block
 * devices), nothing else would keep a start from writing them.
 */
char *start_obstacle(const char *text, const char *root);

#endif
