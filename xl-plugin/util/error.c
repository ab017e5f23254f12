/* SPDX-License-Identifier: LGPL-2.1-only */
#include "util/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

int error_set(struct error *e, const char *fmt, ...)
{
    char *text;
    va_list al;

    va_start(al, fmt);
    text = xls_vasprintf(fmt, al);
    va_end(al);
    free(e->text);
    e->text = text;
    return -1;
}

int error_errno(struct error *e, const char *fmt, ...)
{
    int errnoval = errno;
    char *what;
    va_list al;

    va_start(al, fmt);
    what = xls_vasprintf(fmt, al);
    va_end(al);
    free(e->text);
    e->text = xls_asprintf("%s: %s", what, strerror(errnoval));
    free(what);
    errno = errnoval;
    return -1;
}

void error_clear(struct error *e)
{
    free(e->text);
    e->text = NULL;
}
