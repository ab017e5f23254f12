/* SPDX-License-Identifier: LGPL-2.1-only */
/* For the tests of memory images. */
#ifndef TESTS_IMAGE_SUPPORT_H
#define TESTS_IMAGE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"
#include "memimage/image.h"

#include "pool.h"
#include "random.h"

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED ADDRESS_SANITIZED
#endif

/* Says it, with the case and what was logged, and ends the test. */
void wrong(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));
#define must(condition)                                                      \
    do {                                                                     \
        if (!(condition))                                                    \
            wrong("%s:%d: not so: %s", __FILE__, __LINE__, #condition);      \
    } while (0)

/* Keeps what is logged at ERROR, from any thread. */
extern const struct xls_log image_log;
void logged_forget(void);
bool logged(const char *text);

/* Of the environment, or otherwise; the seed is printed. */
uint64_t number_given(const char *variable, uint64_t otherwise);
uint64_t seed_given(void);

/* A directory of its own, and what is to be in it; for setup and teardown. */
int scratch_make(void **state);
int scratch_remove(void **state);
/* In the directory of the test, or of the process that it is run in. Valid for
 * some calls. */
const char *scratch(const char *name);

/* Cases 0, 1, … in as many processes as there are CPUs, until so many are
 * counted in [0]. */
#define TALLIES 16
struct tally {
    _Atomic uint64_t next, count[TALLIES];
};
extern struct tally *tally;
unsigned long long counted(int what);
void run_cases(uint64_t count, void (*begin)(void), void (*one)(uint64_t));
/* In a process of its own; true when it came to its end. */
bool run_apart(void (*run)(const void *arg), const void *arg);

/* This process can take so much more; with no sanitizer. */
void limit_memory(unsigned mib);

/* So many threads can be made from now on. */
extern unsigned threads_left;

/* Random numbers of the system are from a seed from now on. */
void entropy_from(uint64_t seed);

void write_file(const char *path, const void *data, size_t len);
uint8_t *read_file(const char *path, size_t *len);

/* A content into a new file, in pieces of random sizes, or at once: pieces is
 * NULL. */
int store(const char *path, const void *data, size_t len,
          const struct xls_image_write_how *how, struct rng *pieces);
void must_store(const char *path, const void *data, size_t len,
                const struct xls_image_write_how *how);
struct xls_image *must_open(const char *path);
/* In each way that an image can be read, or in some of these. */
void must_hold(struct xls_image *image, const void *data, size_t len,
               const struct xls_image_read_how *how, struct rng *some);
/* Opens, verifies and reads it, and says what was wrong first; 0: nothing.
 * data NULL: of a content that nobody knows. */
int try_image(const char *path, const void *data, size_t len);

#endif
