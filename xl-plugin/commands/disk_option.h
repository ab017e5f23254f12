/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_COMMANDS_DISK_OPTION_H
#define PLUGIN_COMMANDS_DISK_OPTION_H

#include <libxl_snapshot.h>

#include "util/error.h"

/* How the user wants one disk to take part. */
struct disk_option {
    char *vdev;
    int method;                 /* libxl_snapshot_method; -1: not said */
    char *path;                 /* NULL: not said */
    libxl_disk_format format;   /* UNKNOWN: not said */
    libxl_snapshot_merge on_delete;     /* AUTO: not said */
};

/* VDEV[,method=…][,path=…][,format=…][,on_delete=…]. A path ends at a comma
 * with one of these keys and "=" after it, so it may have others in it. */
int disk_option_parse(const char *text, struct disk_option *o,
                      struct error *e);
/* path,format,vdev, as in the disks= list of a config file; path and format
 * may be empty. */
int disk_option_parse_positional(const char *text, struct disk_option *o,
                                 struct error *e);
void disk_option_dispose(struct disk_option *o);

#endif
