/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/json/internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"

static void *alloc_bytes(void *ctx, size_t size)
{
    (void)ctx;
    return xls_realloc(NULL, size, 1);
}

static void *realloc_bytes(void *ctx, void *old, size_t size)
{
    (void)ctx;
    return xls_realloc(old, size, 1);
}

static void free_bytes(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

yajl_alloc_funcs xls_json__alloc_funcs = {
    .malloc = alloc_bytes,
    .realloc = realloc_bytes,
    .free = free_bytes,
};

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0) {
        perror("libxl-snapshot: newlocale");
        abort();
    }
}

locale_t xls_json__c_locale(void)
{
    pthread_once(&c_locale_once, make_c_locale);
    return c_locale;
}
