/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_DISKIMAGE_MISMATCH_H
#define XLS_DISKIMAGE_MISMATCH_H

#include <libxl_snapshot.h>

/* Notes that something about a layer was found to disagree. */
void xls_mismatch(libxl_disk_chain *chain, libxl_disk_layer *layer,
                  libxl_disk_mismatch_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
