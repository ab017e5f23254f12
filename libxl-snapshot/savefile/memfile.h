/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MEMFILE_H
#define XLS_MEMFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log.h"

/*
 * A memory file: what `xl restore` reads, so that a snapshot can be brought
 * back without this library. (Host byte order; tools/xl/xl.h in Xen.)
 *
 *   0   32  "Xen saved domain, xl format\n \0 \r", zero-padded
 *  32    4  0x01020304, in the byte order of all that follows
 *  36    4  mandatory flags: 1 configuration is JSON, 2 stream is version 2
 *  40    4  optional flags: 0
 *  44    4  length of the optional data
 *  48    4  length of the configuration, n
 *  52    n  libxl_domain_config as JSON, with its NUL
 *  52+n     libxl's migration stream version 2
 */

struct xls_memfile_header {
    char magic[32];
    uint32_t byte_order;
    uint32_t mandatory_flags;
    uint32_t optional_flags;
    uint32_t optional_len;
};
#define XLS_MEMFILE_MAGIC       "Xen saved domain, xl format\n \0 \r"
#define XLS_MEMFILE_BYTE_ORDER  0x01020304U
#define XLS_MEMFILE_JSON        1U
#define XLS_MEMFILE_STREAM_V2   2U
/* A configuration larger than this is none. */
#define XLS_MEMFILE_MAX_OPTIONAL (16U << 20)

/* That of libxl's stream: u64 "LibxlFmt", u32 version, both big endian. */
#define XLS_STREAM_IDENT    0x4c6962786c466d74ULL
#define XLS_STREAM_VERSION  2U

/* Whether these first 48 bytes are of a file that can be used. */
bool xls_memfile_understood(const void *header);

/* What comes before the stream, to be freed. */
void *xls_memfile_make_header(const char *config_json, size_t *len);

/* The configuration in a memory file, as JSON; malloc'ed. */
int xls_memfile_config(const struct xls_log *log, const char *path,
                       char **json);

/* Opens a memory file for reading and leaves it at the start of the stream,
 * whose first bytes are checked too. ERROR_SNAPSHOT_IMAGE_CORRUPT when it is
 * none, ERROR_SNAPSHOT_STORAGE when it cannot be read. */
int xls_memfile_open(const struct xls_log *log, const char *path, int *fd);

#endif
