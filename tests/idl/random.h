/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_IDL_RANDOM_H
#define XLS_TESTS_IDL_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include <libxl.h>

/*
 * Random values for the generated round-trip tests. The seed comes from the
 * environment variable XLS_SEED, or else from the system, and is printed.
 */
void xls_random_start(void);

/* Each value in [min, max] can come; the ends do so often. */
int64_t xls_random_int(int64_t min, int64_t max);
uint64_t xls_random_uint(uint64_t min, uint64_t max);
int xls_random_length(void);                    /* of an array: 0 to 4 */
/* malloc'ed; often NULL or empty; UTF-8, with quotes and control characters */
char *xls_random_string(void);
int xls_random_enum(const libxl_enum_string_table *table);
void xls_random_bool(bool *p);
void xls_random_libxl_defbool(libxl_defbool *p);
void xls_random_libxl_uuid(libxl_uuid *p);
bool xls_same_string(const char *a, const char *b);

/* For each struct of libxl's that an .idl file names; p is init'ed. */
void xls_random_libxl_device_disk(libxl_device_disk *p);
bool xls_same_libxl_device_disk(const libxl_device_disk *a,
                                const libxl_device_disk *b);

/* cmocka group fixtures: *state is a libxl_ctx, see ctx.c. */
int xls_random_ctx_open(void **state);
int xls_random_ctx_close(void **state);

#endif
