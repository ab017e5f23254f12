/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_JSON_INTERNAL_H
#define XLS_JSON_INTERNAL_H

#include <locale.h>

#include <yajl/yajl_common.h>

#include "common/json/json.h"

/* What is parsed: QEMU nests a level per layer of a chain, of which there are
 * XLS_CHAIN_MAX_LAYERS at most, and some around them. A value is freed by a
 * function that calls itself as often. */
#define XLS_JSON_MAX_DEPTH 1100
/* What is printed: yajl_gen refuses to go deeper. */
#define XLS_JSON_MAX_PRINT 127

/* yajl with the library's allocator: its calls cannot run out of memory. */
extern yajl_alloc_funcs xls_json__alloc_funcs;

/* The "C" locale: numbers have a decimal point whatever the process set. */
locale_t xls_json__c_locale(void);

struct xls_json *xls_json__string_len(const char *s, size_t len);
/* Takes key (malloc'ed, NULL for an array) and item; looks for no duplicate. */
void xls_json__add(struct xls_json *list, char *key, struct xls_json *item);

#endif
