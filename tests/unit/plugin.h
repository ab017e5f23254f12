/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef TEST_PLUGIN_H
#define TEST_PLUGIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/alloc.h"
#include "util/error.h"

/* A directory of its own for each test, gone with what is in it afterwards;
 * layers in it may be immutable. */
static inline char *test_dir_make(void)
{
    char *dir = xls_strdup("/tmp/plugin-test.XXXXXX");

    assert_non_null(mkdtemp(dir));
    return dir;
}

static inline void test_dir_remove(char *dir)
{
    char *command = xls_asprintf("chattr -R -i %s 2>/dev/null; rm -rf %s",
                                 dir, dir);

    assert_int_equal(system(command), 0);
    free(command);
    free(dir);
}

/* The call failed, and its message says this. */
static inline void assert_error(int ret, struct error *e, const char *part)
{
    assert_int_equal(ret, -1);
    assert_non_null(e->text);
    if (!strstr(e->text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, e->text);
    error_clear(e);
}

#define assert_good(ret, e) \
    do { \
        if (ret) \
            fail_msg("%s", (e)->text ? (e)->text : "failed"); \
    } while (0)

#endif
