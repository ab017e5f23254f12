/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p)
{
    if (!p) {
        fputs("libxl-snapshot: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *xls_calloc(size_t num, size_t size)
{
    return checked(calloc(num ? num : 1, size ? size : 1));
}

void *xls_realloc(void *old, size_t num, size_t size)
{
    return checked(reallocarray(old, num ? num : 1, size ? size : 1));
}

char *xls_strdup(const char *s)
{
    return s ? checked(strdup(s)) : NULL;
}

char *xls_memdup0(const char *s, size_t len)
{
    char *copy = xls_realloc(NULL, len + 1, 1);

    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *xls_vasprintf(const char *fmt, va_list al)
{
    char *s = NULL;
    int r = vasprintf(&s, fmt, al);

    return checked(r < 0 ? NULL : s);
}

char *xls_asprintf(const char *fmt, ...)
{
    va_list al;
    char *s;

    va_start(al, fmt);
    s = xls_vasprintf(fmt, al);
    va_end(al);
    return s;
}
