/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_PERCENT_H
#define XLS_COMMON_PERCENT_H

#include <stdbool.h>
#include <stddef.h>

/* Of a part of a URI (RFC 3986, 2.1), or of a name of a file; both are
 * malloc'ed. */

/* All characters as %XX but those that keep says of, at their place in text;
 * NULL: but the unreserved ones of a URI. */
char *xls_percent_encode(const char *text,
                         bool (*keep)(const char *text, size_t i));
/* len bytes with %XX decoded; NULL when one is wrong or a NUL. */
char *xls_percent_decode(const char *s, size_t len);

#endif
