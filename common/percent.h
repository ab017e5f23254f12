/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_PERCENT_H
#define XLS_COMMON_PERCENT_H

#include <stddef.h>

/* Of a part of a URI (RFC 3986, 2.1); both are malloc'ed. */

/* All but the unreserved characters as %XX. */
char *xls_percent_encode(const char *text);
/* len bytes with %XX decoded; NULL when one is wrong or a NUL. */
char *xls_percent_decode(const char *s, size_t len);

#endif
