/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_JSON_H
#define XLS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * JSON values, parsed with yajl's event interface under limits.
 *
 * Input is distrusted (it comes from QEMU or from files): its size, nesting
 * and number of values are bounded, a duplicate key in an object and invalid
 * UTF-8 are errors, and integers keep their full 64 bits.
 */

enum xls_json_type {
    XLS_JSON_NULL,
    XLS_JSON_BOOL,
    XLS_JSON_INT,               /* -2^63 .. 2^63-1 */
    XLS_JSON_UINT,              /* 2^63 .. 2^64-1; smaller ones are INT */
    XLS_JSON_NUMBER,            /* anything else that is a number: a double */
    XLS_JSON_STRING,
    XLS_JSON_ARRAY,
    XLS_JSON_OBJECT,
};

struct xls_json {
    enum xls_json_type type;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double d;
        struct {                /* string: NUL-terminated; a NUL inside is
                                 * refused by the parser; a lone high
                                 * surrogate escape (\ud800) is read as '?' */
            char *s;
            size_t len;
        } str;
        struct {                /* array and object; keys is NULL in arrays */
            char **keys;
            struct xls_json **items;
            size_t num;
            size_t space;
        } list;
    } u;
};

struct xls_json_limits {
    size_t max_bytes;           /* of the text of one top-level value */
    unsigned max_depth;         /* of nested arrays and objects; at most
                                 * 1,100, of which 127 can be printed */
    size_t max_values;          /* of any type; keys do not count */
};

/* What QEMU may send as one reply, and what a file of ours may hold. */
extern const struct xls_json_limits xls_json_limits_qmp;  /* 16 MiB, depth 1,100,
                                                           * 1,000,000 values */
extern const struct xls_json_limits xls_json_limits_file; /* 4 MiB, depth 32,
                                                           * 100,000 values */

/*
 * Parses exactly one JSON text. Returns NULL on failure and sets *error (when
 * error is not NULL) to a malloc'ed message that says what and at which line
 * and column (or that a limit was passed and which).
 */
struct xls_json *xls_json_parse(const char *text, size_t len,
                                const struct xls_json_limits *limits,
                                char **error);

/*
 * The same of what a generated T_to_json gave, which is taken. That is NULL
 * where T holds what JSON cannot, such as a name that is not UTF-8: so is the
 * result. To be used wherever such a text becomes a value again.
 */
struct xls_json *xls_json_of_text(char *text,
                                  const struct xls_json_limits *limits);

/* A stream parser for QMP: feed bytes as they come; yields whole top-level
 * values one after another. */
struct xls_json_stream;
struct xls_json_stream *xls_json_stream_new(const struct xls_json_limits *l);
void xls_json_stream_free(struct xls_json_stream *s);
/*
 * Consumes bytes of [data, data+len) and sets *used. When a top-level value
 * is complete, *value gets it (caller frees) and the function returns 1 with
 * *used at the first byte not consumed; 0: all consumed, value not complete
 * yet; -1: malformed or a limit passed, *error set (malloc'ed); the stream is
 * then unusable.
 */
int xls_json_stream_feed(struct xls_json_stream *s, const char *data,
                         size_t len, size_t *used, struct xls_json **value,
                         char **error);

void xls_json_free(struct xls_json *v);                 /* NULL is fine */

/* Serialises; malloc'ed, NUL-terminated. pretty: two-space indent and a
 * newline at the end. A double that is not finite is printed as null. NULL when
 * no reader would take the text: a string is not UTF-8, a member is NULL, or
 * there is nesting deeper than 127. */
char *xls_json_print(const struct xls_json *v, bool pretty);

/* Building. All take ownership of the item given; setting an existing key
 * replaces its value. Strings are copied; one that is not UTF-8 is printed as
 * it is. */
struct xls_json *xls_json_null(void);
struct xls_json *xls_json_bool(bool b);
struct xls_json *xls_json_int(int64_t i);
struct xls_json *xls_json_uint(uint64_t u);
struct xls_json *xls_json_double(double d);
struct xls_json *xls_json_string(const char *s);
struct xls_json *xls_json_array(void);
struct xls_json *xls_json_object(void);
struct xls_json *xls_json_copy(const struct xls_json *v);
void xls_json_append(struct xls_json *array, struct xls_json *item);
void xls_json_set(struct xls_json *object, const char *key,
                  struct xls_json *item);
/* Shorthands that return the object, so that calls can be nested. A NULL s
 * leaves the key out. */
struct xls_json *xls_json_set_str(struct xls_json *o, const char *key,
                                  const char *s);
struct xls_json *xls_json_set_bool(struct xls_json *o, const char *key, bool b);
struct xls_json *xls_json_set_int(struct xls_json *o, const char *key,
                                  int64_t i);

/* Reading. Each answers "not there" (NULL, false, dflt) for a NULL value, a
 * value of another type or a missing key, so that chains of them are safe on
 * hostile input. */
const struct xls_json *xls_json_get(const struct xls_json *o, const char *key);
const struct xls_json *xls_json_at(const struct xls_json *array, size_t i);
size_t xls_json_len(const struct xls_json *array);      /* 0 if no array */
const char *xls_json_str(const struct xls_json *v);
const char *xls_json_get_str(const struct xls_json *o, const char *key);
bool xls_json_get_bool(const struct xls_json *o, const char *key, bool dflt);
/* Returns false when there is no such key or it is no integer that fits. */
bool xls_json_get_int(const struct xls_json *o, const char *key, int64_t *i);
bool xls_json_get_uint(const struct xls_json *o, const char *key, uint64_t *u);

#endif
