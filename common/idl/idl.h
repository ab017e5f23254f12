/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_IDL_IDL_H
#define XLS_IDL_IDL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libxl.h>

#include "common/json/json.h"

/*
 * What the C code generated from an .idl file calls (see idl/README.md).
 * Nothing here is public; generated headers do not need it.
 */

/* Memory. */
char *xls_idl_strdup(const char *s);            /* NULL for NULL */
void *xls_idl_array(int num, size_t size);      /* zeroed; NULL for no items */

/* Enums; a table ends with a NULL string. Names are compared without case,
 * as libxl does. */
const char *xls_idl_enum_name(const libxl_enum_string_table *table, int value);
bool xls_idl_enum_value(const libxl_enum_string_table *table, const char *s,
                        int *value);

/*
 * Writing. What could not be read back, because a number is out of its range
 * or an enum has no such value, sets failed, and xls_idl_write_end returns
 * NULL.
 */
struct xls_idl_writer {
    libxl_ctx *ctx;
    bool failed;
};

struct xls_json *xls_idl_write_string(const char *s);
struct xls_json *xls_idl_write_int(struct xls_idl_writer *w, int64_t i,
                                   int64_t min, int64_t max);
struct xls_json *xls_idl_write_uint(struct xls_idl_writer *w, uint64_t u,
                                    uint64_t min, uint64_t max);
struct xls_json *xls_idl_write_enum(struct xls_idl_writer *w,
                                    const libxl_enum_string_table *table,
                                    int value);
struct xls_json *xls_idl_write_defbool(libxl_defbool b);
struct xls_json *xls_idl_write_uuid(const libxl_uuid *uuid);
/* A value that another library gives as text; takes text, NULL fails. */
struct xls_json *xls_idl_write_text(struct xls_idl_writer *w, char *text);
/* Takes v; the text, malloc'ed, or NULL. */
char *xls_idl_write_end(struct xls_idl_writer *w, struct xls_json *v);

/* Where a value stands in the text: a chain from the value up to the root,
 * whose place is NULL. */
struct xls_idl_at {
    const struct xls_idl_at *up;
    const char *key;            /* NULL: an item of an array */
    int index;
};

/*
 * Reading. Each function that returns bool returns false when the value is
 * not what it must be, having put the message into the reader.
 */
struct xls_idl_reader {
    libxl_ctx *ctx;
    struct xls_json *root;
    char *error;
};

bool xls_idl_read_begin(struct xls_idl_reader *r, libxl_ctx *ctx,
                        const char *s);
/* Frees what the reader holds, but the message: that goes to *error. */
void xls_idl_read_end(struct xls_idl_reader *r, char **error);

/* v is an object whose keys are all in keys, which ends with NULL; keys NULL
 * leaves the keys to others. */
bool xls_idl_read_object(struct xls_idl_reader *r, const struct xls_idl_at *at,
                         const struct xls_json *v, const char *const *keys);
/* The member called key, or NULL; sets at->key. */
const struct xls_json *xls_idl_member(struct xls_idl_at *at,
                                      const struct xls_json *v,
                                      const char *key);
bool xls_idl_read_array(struct xls_idl_reader *r, const struct xls_idl_at *at,
                        const struct xls_json *v);

/* The members of a union: v, the object around it, may only have the key that
 * belongs to the value that the union's key has. */
struct xls_idl_arm {
    const char *key;            /* NULL ends the list */
    int value;
};
bool xls_idl_read_arms(struct xls_idl_reader *r, const struct xls_idl_at *at,
                       const struct xls_json *v,
                       const struct xls_idl_arm *arms, const char *key,
                       int value, const libxl_enum_string_table *table);

#define XLS_IDL_READ_NUMBER(name, type)                                     \
    bool xls_idl_read_##name(struct xls_idl_reader *r,                      \
                             const struct xls_idl_at *at,                   \
                             const struct xls_json *v, type *p, type min,   \
                             type max)
XLS_IDL_READ_NUMBER(int, int);
XLS_IDL_READ_NUMBER(int64, int64_t);
XLS_IDL_READ_NUMBER(uint8, uint8_t);
XLS_IDL_READ_NUMBER(uint16, uint16_t);
XLS_IDL_READ_NUMBER(uint32, uint32_t);
XLS_IDL_READ_NUMBER(uint64, uint64_t);

bool xls_idl_read_bool(struct xls_idl_reader *r, const struct xls_idl_at *at,
                       const struct xls_json *v, bool *p);
/* Frees the string that *p was. */
bool xls_idl_read_string(struct xls_idl_reader *r, const struct xls_idl_at *at,
                         const struct xls_json *v, char **p);
bool xls_idl_read_enum(struct xls_idl_reader *r, const struct xls_idl_at *at,
                       const struct xls_json *v,
                       const libxl_enum_string_table *table, int *p);
bool xls_idl_read_defbool(struct xls_idl_reader *r,
                          const struct xls_idl_at *at,
                          const struct xls_json *v, libxl_defbool *p);
bool xls_idl_read_uuid(struct xls_idl_reader *r, const struct xls_idl_at *at,
                       const struct xls_json *v, libxl_uuid *p);

/*
 * The keys of a struct of libxl's. libxl's own parser silently skips keys
 * that it does not know and values of another type than expected, and gives
 * no reason when it fails, so its input is checked first.
 */
enum xls_idl_key_kind {
    XLS_IDL_KEY_BOOL,
    XLS_IDL_KEY_STRING,
    XLS_IDL_KEY_INT,
    XLS_IDL_KEY_UINT,
    XLS_IDL_KEY_ENUM,
    XLS_IDL_KEY_DEFBOOL,        /* as libxl writes it, a string */
    XLS_IDL_KEY_UUID,
};

struct xls_idl_key {
    const char *name;           /* NULL ends the list */
    enum xls_idl_key_kind kind;
    int64_t min, max;
    uint64_t umin, umax;
    const libxl_enum_string_table *table;
};

bool xls_idl_read_foreign(struct xls_idl_reader *r,
                          const struct xls_idl_at *at,
                          const struct xls_json *v,
                          const struct xls_idl_key *keys);

/* Failing; all return false. */
bool xls_idl_fail(struct xls_idl_reader *r, const struct xls_idl_at *at,
                  const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* libxl's parser of type gave rc. */
bool xls_idl_refused(struct xls_idl_reader *r, const struct xls_idl_at *at,
                     const char *type, int rc);
/* Takes the message of another type's _from_json for the object at `at`. */
bool xls_idl_failed_inside(struct xls_idl_reader *r,
                           const struct xls_idl_at *at, char *error);
/* Text from outside for a message: in quotes, cut short, nothing in it that
 * a terminal acts on. malloc'ed. */
char *xls_idl_quote(const char *s);

#endif
