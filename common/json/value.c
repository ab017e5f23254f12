/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/json/json.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/json/internal.h"

static struct xls_json *new_value(enum xls_json_type type)
{
    struct xls_json *v = xls_calloc(1, sizeof(*v));

    v->type = type;
    return v;
}

struct xls_json *xls_json_null(void)
{
    return new_value(XLS_JSON_NULL);
}

struct xls_json *xls_json_bool(bool b)
{
    struct xls_json *v = new_value(XLS_JSON_BOOL);

    v->u.b = b;
    return v;
}

struct xls_json *xls_json_int(int64_t i)
{
    struct xls_json *v = new_value(XLS_JSON_INT);

    v->u.i = i;
    return v;
}

struct xls_json *xls_json_uint(uint64_t u)
{
    struct xls_json *v;

    if (u <= INT64_MAX)
        return xls_json_int((int64_t)u);
    v = new_value(XLS_JSON_UINT);
    v->u.u = u;
    return v;
}

struct xls_json *xls_json_double(double d)
{
    struct xls_json *v = new_value(XLS_JSON_NUMBER);

    v->u.d = d;
    return v;
}

struct xls_json *xls_json__string_len(const char *s, size_t len)
{
    struct xls_json *v = new_value(XLS_JSON_STRING);

    v->u.str.s = xls_memdup0(s, len);
    v->u.str.len = len;
    return v;
}

struct xls_json *xls_json_string(const char *s)
{
    return xls_json__string_len(s, strlen(s));
}

struct xls_json *xls_json_array(void)
{
    return new_value(XLS_JSON_ARRAY);
}

struct xls_json *xls_json_object(void)
{
    return new_value(XLS_JSON_OBJECT);
}

static bool is_list(const struct xls_json *v)
{
    return v && (v->type == XLS_JSON_ARRAY || v->type == XLS_JSON_OBJECT);
}

void xls_json_free(struct xls_json *v)
{
    size_t i;

    if (!v)
        return;
    if (v->type == XLS_JSON_STRING)
        free(v->u.str.s);
    if (is_list(v)) {
        for (i = 0; i < v->u.list.num; i++) {
            if (v->u.list.keys)
                free(v->u.list.keys[i]);
            xls_json_free(v->u.list.items[i]);
        }
        free(v->u.list.keys);
        free(v->u.list.items);
    }
    free(v);
}

void xls_json__add(struct xls_json *list, char *key, struct xls_json *item)
{
    size_t space = list->u.list.space;

    if (list->u.list.num == space) {
        space = space ? space * 2 : 4;
        list->u.list.items = xls_realloc(list->u.list.items, space,
                                         sizeof(*list->u.list.items));
        if (list->type == XLS_JSON_OBJECT)
            list->u.list.keys = xls_realloc(list->u.list.keys, space,
                                            sizeof(*list->u.list.keys));
        list->u.list.space = space;
    }
    if (list->type == XLS_JSON_OBJECT)
        list->u.list.keys[list->u.list.num] = key;
    list->u.list.items[list->u.list.num++] = item;
}

void xls_json_append(struct xls_json *array, struct xls_json *item)
{
    xls_json__add(array, NULL, item);
}

static bool find_key(const struct xls_json *o, const char *key, size_t *at)
{
    size_t i;

    if (!o || o->type != XLS_JSON_OBJECT)
        return false;
    for (i = 0; i < o->u.list.num; i++) {
        if (!strcmp(o->u.list.keys[i], key)) {
            *at = i;
            return true;
        }
    }
    return false;
}

void xls_json_set(struct xls_json *object, const char *key,
                  struct xls_json *item)
{
    size_t i;

    if (find_key(object, key, &i)) {
        xls_json_free(object->u.list.items[i]);
        object->u.list.items[i] = item;
        return;
    }
    xls_json__add(object, xls_strdup(key), item);
}

struct xls_json *xls_json_set_str(struct xls_json *o, const char *key,
                                  const char *s)
{
    if (s)
        xls_json_set(o, key, xls_json_string(s));
    return o;
}

struct xls_json *xls_json_set_bool(struct xls_json *o, const char *key, bool b)
{
    xls_json_set(o, key, xls_json_bool(b));
    return o;
}

struct xls_json *xls_json_set_int(struct xls_json *o, const char *key,
                                  int64_t i)
{
    xls_json_set(o, key, xls_json_int(i));
    return o;
}

struct xls_json *xls_json_copy(const struct xls_json *v)
{
    struct xls_json *copy;
    size_t i;

    if (v->type == XLS_JSON_STRING)
        return xls_json__string_len(v->u.str.s, v->u.str.len);
    copy = new_value(v->type);
    if (!is_list(v)) {
        copy->u = v->u;
        return copy;
    }
    for (i = 0; i < v->u.list.num; i++)
        xls_json__add(copy,
                      v->u.list.keys ? xls_strdup(v->u.list.keys[i]) : NULL,
                      xls_json_copy(v->u.list.items[i]));
    return copy;
}

const struct xls_json *xls_json_get(const struct xls_json *o, const char *key)
{
    size_t i;

    return find_key(o, key, &i) ? o->u.list.items[i] : NULL;
}

const struct xls_json *xls_json_at(const struct xls_json *array, size_t i)
{
    return i < xls_json_len(array) ? array->u.list.items[i] : NULL;
}

size_t xls_json_len(const struct xls_json *array)
{
    return array && array->type == XLS_JSON_ARRAY ? array->u.list.num : 0;
}

const char *xls_json_str(const struct xls_json *v)
{
    return v && v->type == XLS_JSON_STRING ? v->u.str.s : NULL;
}

const char *xls_json_get_str(const struct xls_json *o, const char *key)
{
    return xls_json_str(xls_json_get(o, key));
}

bool xls_json_get_bool(const struct xls_json *o, const char *key, bool dflt)
{
    const struct xls_json *v = xls_json_get(o, key);

    return v && v->type == XLS_JSON_BOOL ? v->u.b : dflt;
}

bool xls_json_get_int(const struct xls_json *o, const char *key, int64_t *i)
{
    const struct xls_json *v = xls_json_get(o, key);

    if (!v || v->type != XLS_JSON_INT)
        return false;
    *i = v->u.i;
    return true;
}

bool xls_json_get_uint(const struct xls_json *o, const char *key, uint64_t *u)
{
    const struct xls_json *v = xls_json_get(o, key);

    if (v && v->type == XLS_JSON_UINT) {
        *u = v->u.u;
        return true;
    }
    if (!v || v->type != XLS_JSON_INT || v->u.i < 0)
        return false;
    *u = (uint64_t)v->u.i;
    return true;
}
