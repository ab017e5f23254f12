/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_OPEN_FILES_H
#define PLUGIN_LAYERS_OPEN_FILES_H

#include <stdbool.h>

/*
 * Another process of this host that has the file open (writing: for writing),
 * by whatever name, as "NAME (process PID)"; malloc'ed, NULL for none. A file
 * that has just got a name that nobody knows cannot be opened after this has
 * found none. Processes that this one may not look at count as having it not.
 */
char *open_file_user(const char *path, bool writing);

#endif
