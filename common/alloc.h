/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_ALLOC_H
#define XLS_COMMON_ALLOC_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Allocation that aborts the process when there is no memory, as libxl's own
 * does: none of these returns NULL, but for a copy of NULL.
 */
void *xls_calloc(size_t num, size_t size);
/* An array of num elements; also aborts when num * size overflows. */
void *xls_realloc(void *old, size_t num, size_t size);
char *xls_strdup(const char *s);
/* Copies len bytes and adds a NUL. */
char *xls_memdup0(const char *s, size_t len);
char *xls_asprintf(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
char *xls_vasprintf(const char *fmt, va_list al)
    __attribute__((format(printf, 1, 0)));

#endif
