/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_DISKIMAGE_FORMAT_H
#define XLS_DISKIMAGE_FORMAT_H

#include <stdbool.h>

#include <libxl.h>

/* QEMU's name of a libxl format, and back (name may be NULL); NULL and UNKNOWN
 * where there is no such. */
const char *xls_format_driver(libxl_disk_format format);
libxl_disk_format xls_driver_format(const char *driver);

/* Whether path is a block device. */
bool xls_is_block_device(const char *path);

/* Whether a disk's path is one of a file by the directory that somebody was in:
 * neither absolute nor PROTOCOL:… */
bool xls_is_relative(const char *path);
#define XLS_RELATIVE_WHY \
    "its path is relative to the directory in which the domain was started; " \
    "give the absolute one in the domain's configuration, and start the " \
    "domain from that"

#endif
