/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/idl/idl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

bool xls_idl_read_begin(struct xls_idl_reader *r, libxl_ctx *ctx,
                        const char *s)
{
    r->ctx = ctx;
    r->error = NULL;
    r->root = s ? xls_json_parse(s, strlen(s), &xls_json_limits_file, &r->error)
                : NULL;
    if (!s)
        r->error = xls_strdup("there is no text");
    return r->root;
}

void xls_idl_read_end(struct xls_idl_reader *r, char **error)
{
    xls_json_free(r->root);
    if (error)
        *error = r->error;
    else
        free(r->error);
}

static const char *found(const struct xls_json *v)
{
    switch (v->type) {
    case XLS_JSON_NULL:
        return "null";
    case XLS_JSON_BOOL:
        return v->u.b ? "true" : "false";
    case XLS_JSON_INT:
    case XLS_JSON_UINT:
    case XLS_JSON_NUMBER:
        return "a number";
    case XLS_JSON_STRING:
        return "a string";
    case XLS_JSON_ARRAY:
        return "an array";
    case XLS_JSON_OBJECT:
        return "an object";
    }
    return "a value";
}

static bool wrong(struct xls_idl_reader *r, const struct xls_idl_at *at,
                  const char *expected, const struct xls_json *v)
{
    return xls_idl_fail(r, at, "expected %s, found %s", expected, found(v));
}

/* Takes list, which may be NULL. */
static char *listed(char *list, const char *item)
{
    char *longer = list ? xls_asprintf("%s, %s", list, item)
                        : xls_strdup(item);

    free(list);
    return longer;
}

static bool known(const char *const *keys, const char *key)
{
    for (; *keys; keys++) {
        if (!strcmp(*keys, key))
            return true;
    }
    return false;
}

static bool unknown_key(struct xls_idl_reader *r, const struct xls_idl_at *up,
                        const char *key, char *all)
{
    struct xls_idl_at at = { .up = up, .key = key };

    xls_idl_fail(r, &at, "unknown key; known here: %s", all);
    free(all);
    return false;
}

bool xls_idl_read_object(struct xls_idl_reader *r, const struct xls_idl_at *at,
                         const struct xls_json *v, const char *const *keys)
{
    char *all = NULL;
    size_t i;

    if (v->type != XLS_JSON_OBJECT)
        return wrong(r, at, "an object", v);
    for (i = 0; keys && i < v->u.list.num; i++) {
        if (known(keys, v->u.list.keys[i]))
            continue;
        for (; *keys; keys++)
            all = listed(all, *keys);
        return unknown_key(r, at, v->u.list.keys[i], all);
    }
    return true;
}

const struct xls_json *xls_idl_member(struct xls_idl_at *at,
                                      const struct xls_json *v,
                                      const char *key)
{
    at->key = key;
    return xls_json_get(v, key);
}

bool xls_idl_read_array(struct xls_idl_reader *r, const struct xls_idl_at *at,
                        const struct xls_json *v)
{
    return v->type == XLS_JSON_ARRAY || wrong(r, at, "an array", v);
}

bool xls_idl_read_arms(struct xls_idl_reader *r, const struct xls_idl_at *up,
                       const struct xls_json *v,
                       const struct xls_idl_arm *arms, const char *key,
                       int value, const libxl_enum_string_table *table)
{
    struct xls_idl_at at = { .up = up };

    for (; arms->key; arms++) {
        if (arms->value != value && xls_idl_member(&at, v, arms->key))
            return xls_idl_fail(r, &at, "not allowed when %s is \"%s\"", key,
                                xls_idl_enum_name(table, value));
    }
    return true;
}

static bool read_int(struct xls_idl_reader *r, const struct xls_idl_at *at,
                     const struct xls_json *v, int64_t *i, int64_t min,
                     int64_t max)
{
    if (v->type == XLS_JSON_INT && v->u.i >= min && v->u.i <= max) {
        *i = v->u.i;
        return true;
    }
    if (v->type == XLS_JSON_INT)
        return xls_idl_fail(r, at, "%" PRId64 " is not within %" PRId64
                            " to %" PRId64, v->u.i, min, max);
    if (v->type == XLS_JSON_UINT)
        return xls_idl_fail(r, at, "%" PRIu64 " is not within %" PRId64
                            " to %" PRId64, v->u.u, min, max);
    if (v->type == XLS_JSON_NUMBER)
        return xls_idl_fail(r, at, "%.17g is not a whole number from %" PRId64
                            " to %" PRId64, v->u.d, min, max);
    return wrong(r, at, "a whole number", v);
}

static bool read_uint(struct xls_idl_reader *r, const struct xls_idl_at *at,
                      const struct xls_json *v, uint64_t *u, uint64_t min,
                      uint64_t max)
{
    bool negative = v->type == XLS_JSON_INT && v->u.i < 0;

    if (v->type == XLS_JSON_INT || v->type == XLS_JSON_UINT) {
        *u = v->type == XLS_JSON_INT ? (uint64_t)v->u.i : v->u.u;
        if (!negative && *u >= min && *u <= max)
            return true;
    }
    if (negative)
        return xls_idl_fail(r, at, "%" PRId64 " is not within %" PRIu64
                            " to %" PRIu64, v->u.i, min, max);
    if (v->type == XLS_JSON_INT || v->type == XLS_JSON_UINT)
        return xls_idl_fail(r, at, "%" PRIu64 " is not within %" PRIu64
                            " to %" PRIu64, *u, min, max);
    if (v->type == XLS_JSON_NUMBER)
        return xls_idl_fail(r, at, "%.17g is not a whole number from %" PRIu64
                            " to %" PRIu64, v->u.d, min, max);
    return wrong(r, at, "a whole number", v);
}

#define READ_NUMBER(name, type, wide, read)                                 \
    XLS_IDL_READ_NUMBER(name, type)                                         \
    {                                                                       \
        wide value;                                                         \
                                                                            \
        if (!read(r, at, v, &value, min, max))                              \
            return false;                                                   \
        *p = value;                                                         \
        return true;                                                        \
    }
READ_NUMBER(int, int, int64_t, read_int)
READ_NUMBER(int64, int64_t, int64_t, read_int)
READ_NUMBER(uint8, uint8_t, uint64_t, read_uint)
READ_NUMBER(uint16, uint16_t, uint64_t, read_uint)
READ_NUMBER(uint32, uint32_t, uint64_t, read_uint)
READ_NUMBER(uint64, uint64_t, uint64_t, read_uint)

bool xls_idl_read_bool(struct xls_idl_reader *r, const struct xls_idl_at *at,
                       const struct xls_json *v, bool *p)
{
    if (v->type != XLS_JSON_BOOL)
        return wrong(r, at, "true or false", v);
    *p = v->u.b;
    return true;
}

bool xls_idl_read_string(struct xls_idl_reader *r, const struct xls_idl_at *at,
                         const struct xls_json *v, char **p)
{
    if (v->type != XLS_JSON_STRING && v->type != XLS_JSON_NULL)
        return wrong(r, at, "a string or null", v);
    free(*p);
    *p = xls_idl_strdup(xls_json_str(v));
    return true;
}

static bool bad_string(struct xls_idl_reader *r, const struct xls_idl_at *at,
                       const struct xls_json *v, const char *not,
                       const char *of)
{
    char *quoted = xls_idl_quote(v->u.str.s);

    xls_idl_fail(r, at, "%s is not %s%s", quoted, not, of);
    free(quoted);
    return false;
}

bool xls_idl_read_enum(struct xls_idl_reader *r, const struct xls_idl_at *at,
                       const struct xls_json *v,
                       const libxl_enum_string_table *table, int *p)
{
    char *all = NULL;

    if (v->type != XLS_JSON_STRING)
        return wrong(r, at, "a string", v);
    if (xls_idl_enum_value(table, v->u.str.s, p))
        return true;
    for (; table->s; table++)
        all = listed(all, table->s);
    bad_string(r, at, v, "one of ", all);
    free(all);
    return false;
}

bool xls_idl_read_defbool(struct xls_idl_reader *r,
                          const struct xls_idl_at *at,
                          const struct xls_json *v, libxl_defbool *p)
{
    if (v->type == XLS_JSON_NULL)
        libxl_defbool_unset(p);
    else if (v->type == XLS_JSON_BOOL)
        libxl_defbool_set(p, v->u.b);
    else
        return wrong(r, at, "true, false or null", v);
    return true;
}

bool xls_idl_read_uuid(struct xls_idl_reader *r, const struct xls_idl_at *at,
                       const struct xls_json *v, libxl_uuid *p)
{
    if (v->type != XLS_JSON_STRING)
        return wrong(r, at, "a string", v);
    if (libxl_uuid_from_string(p, v->u.str.s))
        return bad_string(r, at, v, "a UUID", "");
    return true;
}

/* libxl writes a defbool as one of three strings and is exact about case. */
static bool read_libxl_defbool(struct xls_idl_reader *r,
                               const struct xls_idl_at *at,
                               const struct xls_json *v)
{
    const char *s = xls_json_str(v);

    if (!s)
        return wrong(r, at, "a string", v);
    if (!strcmp(s, "<default>") || !strcmp(s, "True") || !strcmp(s, "False"))
        return true;
    return bad_string(r, at, v, "one of ", "<default>, True, False");
}

static bool read_key(struct xls_idl_reader *r, const struct xls_idl_at *at,
                     const struct xls_json *v, const struct xls_idl_key *key)
{
    libxl_uuid uuid;
    uint64_t u;
    int64_t i;
    int e;

    switch (key->kind) {
    case XLS_IDL_KEY_BOOL:
        return v->type == XLS_JSON_BOOL || wrong(r, at, "true or false", v);
    case XLS_IDL_KEY_STRING:
        return v->type == XLS_JSON_STRING || v->type == XLS_JSON_NULL ||
               wrong(r, at, "a string or null", v);
    case XLS_IDL_KEY_INT:
        return read_int(r, at, v, &i, key->min, key->max);
    case XLS_IDL_KEY_UINT:
        return read_uint(r, at, v, &u, key->umin, key->umax);
    case XLS_IDL_KEY_ENUM:
        return xls_idl_read_enum(r, at, v, key->table, &e);
    case XLS_IDL_KEY_DEFBOOL:
        return read_libxl_defbool(r, at, v);
    case XLS_IDL_KEY_UUID:
        return xls_idl_read_uuid(r, at, v, &uuid);
    }
    return false;
}

bool xls_idl_read_foreign(struct xls_idl_reader *r,
                          const struct xls_idl_at *up,
                          const struct xls_json *v,
                          const struct xls_idl_key *keys)
{
    struct xls_idl_at at = { .up = up };
    const struct xls_idl_key *key;
    char *all = NULL;
    size_t i;

    if (!xls_idl_read_object(r, up, v, NULL))
        return false;
    for (i = 0; i < v->u.list.num; i++) {
        at.key = v->u.list.keys[i];
        for (key = keys; key->name && strcmp(key->name, at.key); key++)
            ;
        if (!key->name) {
            for (key = keys; key->name; key++)
                all = listed(all, key->name);
            return unknown_key(r, up, at.key, all);
        }
        if (!read_key(r, &at, v->u.list.items[i], key))
            return false;
    }
    return true;
}
