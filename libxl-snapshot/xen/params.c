/* SPDX-License-Identifier: LGPL-2.1-only */
/* How xenstore has a disk's top layer: "<format>:<path>". */
#include "xen/records.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

/* The params text of a disk; malloc'ed. libxl writes raw as "aio". */
char *xls_records_params_text(const struct xls_record *rec)
{
    return xls_asprintf("%s:%s",
                        rec->format == LIBXL_DISK_FORMAT_RAW
                            ? "aio" : libxl_disk_format_to_string(rec->format),
                        rec->path);
}

libxl_disk_format xls_records_params_split(const char *params,
                                           const char **path)
{
    static const char aio[] = "aio:";
    const char *colon = strchr(params, ':');
    libxl_disk_format format;
    char *word;
    int r;

    *path = "";
    if (!colon)
        return LIBXL_DISK_FORMAT_UNKNOWN;
    *path = colon + 1;
    if (!strncmp(params, aio, strlen(aio)))
        return LIBXL_DISK_FORMAT_RAW;
    word = xls_memdup0(params, colon - params);
    r = libxl_disk_format_from_string(word, &format);
    free(word);
    if (!r)
        return format;
    *path = "";
    return LIBXL_DISK_FORMAT_UNKNOWN;
}
