/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/unique.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/alloc.h"

char *xls_unique_name(const char *tag)
{
    uint32_t r;

    /* Never short once the kernel's pool is up. */
    if (getrandom(&r, sizeof(r), 0) != sizeof(r))
        abort();
    return xls_asprintf("xls-%.10s-%08x", tag, r);
}

bool xls_unique_name_is_of(const char *name, const char *tag)
{
    char *start = xls_asprintf("xls-%.10s-", tag);
    size_t len = strlen(start);
    bool is = !strncmp(name, start, len) && strlen(name) == len + 8;

    free(start);
    return is;
}

char *xls_unique_path(const char *path)
{
    char *name = xls_unique_name("new");
    char *unique = xls_asprintf("%s.%s", path, name);

    free(name);
    return unique;
}
