/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/json/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_gen.h>

#include "common/alloc.h"
#include "common/json/internal.h"
#include "common/text.h"

/* No failure is left, given an allocator that cannot fail and a value that
 * printable() is true of. */
static void must(yajl_gen_status status)
{
    if (status != yajl_gen_status_ok) {
        fprintf(stderr, "libxl-snapshot: cannot print JSON (%d)\n",
                (int)status);
        abort();
    }
}

static void print_double(yajl_gen g, double d)
{
    char buf[40];
    locale_t old;
    int len;

    if (!isfinite(d)) {
        must(yajl_gen_null(g));
        return;
    }
    old = uselocale(xls_json__c_locale());
    len = snprintf(buf, sizeof(buf), "%.17g", d);
    uselocale(old);
    if (!strpbrk(buf, ".e"))
        len += snprintf(buf + len, sizeof(buf) - len, ".0");
    must(yajl_gen_number(g, buf, len));
}

static void print_string(yajl_gen g, const char *s, size_t len)
{
    must(yajl_gen_string(g, (const unsigned char *)s, len));
}

static void print_value(yajl_gen g, const struct xls_json *v)
{
    char buf[24];
    size_t i;
    int len;

    /* yajl puts two line breaks into an empty list when it beautifies. */
    if (v->type == XLS_JSON_ARRAY && !v->u.list.num) {
        must(yajl_gen_number(g, "[]", 2));
        return;
    }
    if (v->type == XLS_JSON_OBJECT && !v->u.list.num) {
        must(yajl_gen_number(g, "{}", 2));
        return;
    }
    switch (v->type) {
    case XLS_JSON_NULL:
        must(yajl_gen_null(g));
        break;
    case XLS_JSON_BOOL:
        must(yajl_gen_bool(g, v->u.b));
        break;
    case XLS_JSON_INT:
        must(yajl_gen_integer(g, v->u.i));
        break;
    case XLS_JSON_UINT:
        len = snprintf(buf, sizeof(buf), "%" PRIu64, v->u.u);
        must(yajl_gen_number(g, buf, len));
        break;
    case XLS_JSON_NUMBER:
        print_double(g, v->u.d);
        break;
    case XLS_JSON_STRING:
        print_string(g, v->u.str.s, v->u.str.len);
        break;
    case XLS_JSON_ARRAY:
        must(yajl_gen_array_open(g));
        for (i = 0; i < v->u.list.num; i++)
            print_value(g, v->u.list.items[i]);
        must(yajl_gen_array_close(g));
        break;
    case XLS_JSON_OBJECT:
        must(yajl_gen_map_open(g));
        for (i = 0; i < v->u.list.num; i++) {
            const char *key = v->u.list.keys[i];

            print_string(g, key, strlen(key));
            print_value(g, v->u.list.items[i]);
        }
        must(yajl_gen_map_close(g));
        break;
    }
}

/* Whether the value is what a reader of JSON takes. */
static bool printable(const struct xls_json *v, unsigned depth)
{
    size_t i;

    if (!v)
        return false;
    if (v->type == XLS_JSON_STRING)
        return xls_utf8_valid(v->u.str.s, v->u.str.len);
    if (v->type != XLS_JSON_ARRAY && v->type != XLS_JSON_OBJECT)
        return true;
    if (depth == XLS_JSON_MAX_PRINT)
        return false;
    for (i = 0; i < v->u.list.num; i++) {
        const char *key = v->u.list.keys ? v->u.list.keys[i] : "";

        if (!xls_utf8_valid(key, strlen(key)) ||
            !printable(v->u.list.items[i], depth + 1))
            return false;
    }
    return true;
}

char *xls_json_print(const struct xls_json *v, bool pretty)
{
    const unsigned char *buf;
    yajl_gen g;
    size_t len;
    char *text;

    if (!printable(v, 0))
        return NULL;
    g = yajl_gen_alloc(&xls_json__alloc_funcs);
    if (pretty) {
        yajl_gen_config(g, yajl_gen_beautify, 1);
        yajl_gen_config(g, yajl_gen_indent_string, "  ");
    }
    print_value(g, v);
    must(yajl_gen_get_buf(g, &buf, &len));
    text = xls_memdup0((const char *)buf, len);
    yajl_gen_free(g);
    return text;
}
