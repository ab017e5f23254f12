/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_TEXT_H
#define XLS_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/log.h"

/*
 * A copy of text from QEMU that is fit for a terminal: control characters (C0,
 * DEL and, as UTF-8, C1) become '?', and it is cut at a whole character, after
 * max bytes at the most. malloc'ed.
 */
char *xls_harmless(const char *text, size_t max);

/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates. */
bool xls_utf8_valid(const char *s, size_t len);

/* A copy of any bytes that is fit for a terminal: control characters and what
 * is not UTF-8 become \xHH. Cut after max bytes of the original. malloc'ed. */
char *xls_visible(const char *text, size_t max);

/*
 * ERROR_INVAL, logged, when the text, which is what the message calls it, is
 * not UTF-8: journals and QEMU's monitor take no other. NULL is fine.
 */
int xls_text_check(const struct xls_log *log, const char *what,
                   const char *text);

#endif
