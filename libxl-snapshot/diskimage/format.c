/* SPDX-License-Identifier: LGPL-2.1-only */
#include "diskimage/format.h"

#include <string.h>
#include <sys/stat.h>

static const struct {
    libxl_disk_format format;
    const char *driver;
} formats[] = {
    { LIBXL_DISK_FORMAT_RAW, "raw" },
    { LIBXL_DISK_FORMAT_QCOW2, "qcow2" },
    { LIBXL_DISK_FORMAT_QCOW, "qcow" },
    { LIBXL_DISK_FORMAT_VHD, "vpc" },
    { LIBXL_DISK_FORMAT_QED, "qed" },
};

#define NUM_FORMATS (sizeof(formats) / sizeof(formats[0]))

const char *xls_format_driver(libxl_disk_format format)
{
    size_t i;

    for (i = 0; i < NUM_FORMATS; i++)
        if (formats[i].format == format)
            return formats[i].driver;
    return NULL;
}

libxl_disk_format xls_driver_format(const char *driver)
{
    size_t i;

    for (i = 0; driver && i < NUM_FORMATS; i++)
        if (!strcmp(formats[i].driver, driver))
            return formats[i].format;
    return LIBXL_DISK_FORMAT_UNKNOWN;
}

bool xls_is_block_device(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISBLK(st.st_mode);
}

bool xls_is_relative(const char *path)
{
    return path[0] && path[0] != '/' && path[strcspn(path, ":/")] != ':';
}
