/* SPDX-License-Identifier: LGPL-2.1-only */
#include "util/size.h"

#include "common/alloc.h"

char *size_text(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB",
                                         "PiB", "EiB" };
    double n = bytes;
    int u = 0;

    while (n >= 1024 && u < 6) {
        n /= 1024;
        u++;
    }
    return xls_asprintf(n == (uint64_t)n ? "%.0f %s" : "%.1f %s", n, units[u]);
}
