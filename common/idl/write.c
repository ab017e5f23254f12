/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/idl/idl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/alloc.h"

char *xls_idl_strdup(const char *s)
{
    return s ? xls_strdup(s) : NULL;
}

void *xls_idl_array(int num, size_t size)
{
    return num > 0 ? xls_calloc(num, size) : NULL;
}

const char *xls_idl_enum_name(const libxl_enum_string_table *table, int value)
{
    for (; table->s; table++) {
        if (table->v == value)
            return table->s;
    }
    return NULL;
}

bool xls_idl_enum_value(const libxl_enum_string_table *table, const char *s,
                        int *value)
{
    for (; table->s; table++) {
        if (!strcasecmp(table->s, s)) {
            *value = table->v;
            return true;
        }
    }
    return false;
}

static struct xls_json *failed(struct xls_idl_writer *w)
{
    w->failed = true;
    return xls_json_null();
}

struct xls_json *xls_idl_write_string(const char *s)
{
    return s ? xls_json_string(s) : xls_json_null();
}

struct xls_json *xls_idl_write_int(struct xls_idl_writer *w, int64_t i,
                                   int64_t min, int64_t max)
{
    return i < min || i > max ? failed(w) : xls_json_int(i);
}

struct xls_json *xls_idl_write_uint(struct xls_idl_writer *w, uint64_t u,
                                    uint64_t min, uint64_t max)
{
    return u < min || u > max ? failed(w) : xls_json_uint(u);
}

struct xls_json *xls_idl_write_enum(struct xls_idl_writer *w,
                                    const libxl_enum_string_table *table,
                                    int value)
{
    const char *name = xls_idl_enum_name(table, value);

    return name ? xls_json_string(name) : failed(w);
}

struct xls_json *xls_idl_write_defbool(libxl_defbool b)
{
    if (libxl_defbool_is_default(b))
        return xls_json_null();
    return xls_json_bool(libxl_defbool_val(b));
}

struct xls_json *xls_idl_write_uuid(const libxl_uuid *uuid)
{
    char buf[LIBXL_UUID_FMTLEN + 1];

    snprintf(buf, sizeof(buf), LIBXL_UUID_FMT, LIBXL_UUID_BYTES(*uuid));
    return xls_json_string(buf);
}

struct xls_json *xls_idl_write_text(struct xls_idl_writer *w, char *text)
{
    struct xls_json *v = xls_json_of_text(text, &xls_json_limits_file);

    return v ? v : failed(w);
}

/* The text is parsed again before it is given out: of too many or too deeply
 * nested values nobody learns otherwise before the file is needed. */
char *xls_idl_write_end(struct xls_idl_writer *w, struct xls_json *v)
{
    struct xls_json *again = NULL;
    char *text = NULL;

    if (!w->failed) {
        text = xls_json_print(v, true);
        again = text ? xls_json_parse(text, strlen(text),
                                      &xls_json_limits_file, NULL) : NULL;
        if (!again) {
            free(text);
            text = NULL;
        }
    }
    xls_json_free(again);
    xls_json_free(v);
    return text;
}
