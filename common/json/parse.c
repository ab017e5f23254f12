/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/json/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "common/alloc.h"
#include "common/json/internal.h"
#include "common/text.h"

const struct xls_json_limits xls_json_limits_qmp = {
    .max_bytes = 16 * 1024 * 1024,
    .max_depth = XLS_JSON_MAX_DEPTH,    /* a level per layer of a chain */
    .max_values = 1000000,
};
const struct xls_json_limits xls_json_limits_file = {
    .max_bytes = 4 * 1024 * 1024,
    .max_depth = 32,
    .max_values = 100000,
};

/* What the callbacks of yajl build one top-level value in. */
struct parser {
    struct xls_json_limits limits;
    yajl_handle yajl;
    bool one_value;             /* stop right after the first value */
    struct xls_json *root;
    struct xls_json **open;     /* depth of them */
    unsigned space;
    unsigned depth;
    char *key;                  /* of the next item of open[depth - 1] */
    size_t values;
    bool done;
    char *error;                /* set by a callback that stops yajl */
    size_t line, column;        /* of the next byte, from 1 */
};

/* Takes what, malloc'ed. For a callback to return: 0 makes yajl stop. */
static int fail(struct parser *p, char *what)
{
    p->error = what;
    return 0;
}

static int check_string(struct parser *p, const unsigned char *s, size_t len)
{
    if (memchr(s, '\0', len))
        return fail(p, xls_strdup("NUL in a string"));
    if (!xls_utf8_valid((const char *)s, len))
        return fail(p, xls_strdup("invalid UTF-8 in a string"));
    return 1;
}

static int add_value(struct parser *p, struct xls_json *v)
{
    if (p->values == p->limits.max_values) {
        xls_json_free(v);
        return fail(p, xls_asprintf("more than %zu values",
                                    p->limits.max_values));
    }
    p->values++;
    if (!p->depth) {
        p->root = v;
    } else {
        xls_json__add(p->open[p->depth - 1], p->key, v);
        p->key = NULL;
    }
    return 1;
}

/* To be the last call of a callback: 0 makes yajl stop. */
static int value_ended(struct parser *p)
{
    if (p->depth)
        return 1;
    p->done = true;
    return !p->one_value;
}

static int add_scalar(struct parser *p, struct xls_json *v)
{
    return add_value(p, v) && value_ended(p);
}

static int add_list(struct parser *p, struct xls_json *v)
{
    if (p->depth == p->limits.max_depth) {
        xls_json_free(v);
        return fail(p, xls_asprintf("nested deeper than %u",
                                    p->limits.max_depth));
    }
    if (!add_value(p, v))
        return 0;
    if (p->depth == p->space) {
        p->space = p->space ? p->space * 2 : 16;
        p->open = xls_realloc(p->open, p->space, sizeof(*p->open));
    }
    p->open[p->depth++] = v;
    return 1;
}

static int on_null(void *ctx)
{
    return add_scalar(ctx, xls_json_null());
}

static int on_bool(void *ctx, int b)
{
    return add_scalar(ctx, xls_json_bool(b));
}

static int on_number(void *ctx, const char *text, size_t len)
{
    struct parser *p = ctx;
    struct xls_json *v = NULL;
    char *s = xls_memdup0(text, len);
    double d;

    if (!strpbrk(s, ".eE")) {
        errno = 0;
        if (s[0] == '-') {
            int64_t i = strtoll(s, NULL, 10);

            if (!errno)
                v = xls_json_int(i);
        } else {
            uint64_t u = strtoull(s, NULL, 10);

            if (!errno)
                v = xls_json_uint(u);
        }
    }
    if (!v) {
        d = strtod_l(s, NULL, xls_json__c_locale());
        if (isfinite(d))
            v = xls_json_double(d);
    }
    free(s);
    if (!v)
        return fail(p, xls_strdup("number out of range"));
    return add_scalar(p, v);
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
    struct parser *p = ctx;

    if (!check_string(p, s, len))
        return 0;
    return add_scalar(p, xls_json__string_len((const char *)s, len));
}

static int on_map_key(void *ctx, const unsigned char *s, size_t len)
{
    struct parser *p = ctx;

    if (!check_string(p, s, len))
        return 0;
    p->key = xls_memdup0((const char *)s, len);
    return 1;
}

static int on_start_map(void *ctx)
{
    return add_list(ctx, xls_json_object());
}

static int on_start_array(void *ctx)
{
    return add_list(ctx, xls_json_array());
}

static int on_end_array(void *ctx)
{
    struct parser *p = ctx;

    p->depth--;
    return value_ended(p);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorting a copy keeps a hostile object of a million keys cheap. */
static bool has_duplicate_key(const struct xls_json *o)
{
    size_t i, num = o->u.list.num;
    char **keys;
    bool found = false;

    if (num < 2)
        return false;
    keys = xls_realloc(NULL, num, sizeof(*keys));
    memcpy(keys, o->u.list.keys, num * sizeof(*keys));
    qsort(keys, num, sizeof(*keys), compare_keys);
    for (i = 1; i < num && !found; i++)
        found = !strcmp(keys[i - 1], keys[i]);
    free(keys);
    return found;
}

static int on_end_map(void *ctx)
{
    struct parser *p = ctx;

    if (has_duplicate_key(p->open[p->depth - 1]))
        return fail(p, xls_strdup("duplicate key in an object"));
    p->depth--;
    return value_ended(p);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_bool,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_map_key,
    .yajl_end_map = on_end_map,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_end_array,
};

static void parser_init(struct parser *p, const struct xls_json_limits *limits,
                        bool one_value)
{
    memset(p, 0, sizeof(*p));
    p->limits = *limits;
    if (p->limits.max_depth > XLS_JSON_MAX_DEPTH)
        p->limits.max_depth = XLS_JSON_MAX_DEPTH;
    p->one_value = one_value;
    p->line = p->column = 1;
    p->yajl = yajl_alloc(&callbacks, &xls_json__alloc_funcs, p);
}

static void parser_dispose(struct parser *p)
{
    yajl_free(p->yajl);
    xls_json_free(p->root);
    free(p->open);
    free(p->key);
    free(p->error);
}

static void advance(struct parser *p, const char *data, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (data[i] == '\n') {
            p->line++;
            p->column = 1;
        } else {
            p->column++;
        }
    }
}

/* Makes the message of a failed parse from our own words or yajl's. */
static char *error_text(struct parser *p)
{
    unsigned char *theirs = NULL;
    const char *what = p->error;
    char *s;

    if (!what) {
        theirs = yajl_get_error(p->yajl, 0, NULL, 0);
        theirs[strcspn((char *)theirs, "\n")] = '\0';
        what = (char *)theirs;
    }
    s = xls_asprintf("line %zu, column %zu: %s", p->line, p->column, what);
    if (theirs)
        yajl_free_error(p->yajl, theirs);
    return s;
}

struct xls_json *xls_json_of_text(char *text,
                                  const struct xls_json_limits *limits)
{
    struct xls_json *v = text ? xls_json_parse(text, strlen(text), limits, NULL)
                              : NULL;

    free(text);
    return v;
}

struct xls_json *xls_json_parse(const char *text, size_t len,
                                const struct xls_json_limits *limits,
                                char **error)
{
    struct parser p;
    struct xls_json *v = NULL;
    yajl_status status;

    if (len > limits->max_bytes) {
        if (error)
            *error = xls_asprintf("more than %zu bytes", limits->max_bytes);
        return NULL;
    }
    parser_init(&p, limits, false);
    status = yajl_parse(p.yajl, (const unsigned char *)text, len);
    advance(&p, text, yajl_get_bytes_consumed(p.yajl));
    if (status == yajl_status_ok)
        status = yajl_complete_parse(p.yajl);
    if (status == yajl_status_ok) {
        v = p.root;
        p.root = NULL;
    } else if (error) {
        *error = error_text(&p);
    }
    parser_dispose(&p);
    return v;
}

struct xls_json_stream {
    struct parser p;            /* a fresh one for each top-level value */
    size_t bytes;               /* of the value so far; 0 between values */
    bool broken;
};

struct xls_json_stream *xls_json_stream_new(const struct xls_json_limits *l)
{
    struct xls_json_stream *s = xls_calloc(1, sizeof(*s));

    parser_init(&s->p, l, true);
    return s;
}

void xls_json_stream_free(struct xls_json_stream *s)
{
    if (!s)
        return;
    parser_dispose(&s->p);
    free(s);
}

static int stream_fail(struct xls_json_stream *s, char **error)
{
    s->broken = true;
    if (error)
        *error = error_text(&s->p);
    return -1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/*
 * yajl keeps the text of a token that is not complete, so the size is bounded
 * by what it is given. One byte more than the limit is given, as a number of
 * the full size is only complete with the byte that follows it.
 */
int xls_json_stream_feed(struct xls_json_stream *s, const char *data,
                         size_t len, size_t *used, struct xls_json **value,
                         char **error)
{
    const struct xls_json_limits limits = s->p.limits;
    size_t skip = 0, n, eaten;
    yajl_status status;

    *used = 0;
    if (s->broken) {
        if (error)
            *error = xls_strdup("the stream has failed before");
        return -1;
    }
    if (!s->bytes) {
        while (skip < len && is_space(data[skip]))
            skip++;
    }
    *used = skip;
    n = len - skip;
    if (!n)
        return 0;
    if (n > limits.max_bytes + 1 - s->bytes)
        n = limits.max_bytes + 1 - s->bytes;
    status = yajl_parse(s->p.yajl, (const unsigned char *)data + skip, n);
    eaten = yajl_get_bytes_consumed(s->p.yajl);
    advance(&s->p, data + skip, eaten);
    *used += eaten;
    s->bytes += eaten;
    if (s->bytes > limits.max_bytes && !s->p.error)
        fail(&s->p, xls_asprintf("more than %zu bytes", limits.max_bytes));
    if (s->p.error || (status != yajl_status_ok && !s->p.done))
        return stream_fail(s, error);
    if (!s->p.done)
        return 0;

    *value = s->p.root;
    s->p.root = NULL;
    parser_dispose(&s->p);
    parser_init(&s->p, &limits, true);
    s->bytes = 0;
    return 1;
}
