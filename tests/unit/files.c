/* SPDX-License-Identifier: LGPL-2.1-only */
/* Names of files: how one takes another's place, and what is never removed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libxl_snapshot.h>

#include "base/alloc.h"
#include "files/files.h"
#include "log.h"

static char dir[] = "/tmp/xls-files-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    strcpy(strrchr(dir, '-'), "-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char *command = xls_asprintf("chattr -f -R -i '%s'; rm -rf '%s'", dir, dir);
    int r = system(command);

    (void)state;
    free(command);
    return r;
}

/* For the test's time. */
static const char *at(const char *name)
{
    static char paths[8][256];
    static int next;

    next = (next + 1) % 8;
    snprintf(paths[next], sizeof(paths[next]), "%s/%s", dir, name);
    return paths[next];
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static bool has(const char *name, const char *text)
{
    char read[64] = "";
    FILE *f = fopen(at(name), "r");

    if (!f)
        return false;
    read[fread(read, 1, sizeof(read) - 1, f)] = '\0';
    fclose(f);
    return !strcmp(read, text);
}

static bool is_there(const char *name)
{
    struct stat st;

    return !lstat(at(name), &st);
}

/* --- taking a path --- */

static void a_path_is_taken_and_no_second_name_is_left(void **state)
{
    char *name;

    (void)state;
    put("layer", "layer");
    put("top", "top");
    put("top.xls-tmp", "theirs");
    name = xls_file_second_name(at("top"));
    assert_int_equal(xls_file_take_path_prepare(&test_log, at("layer"),
                                                name), 0);
    assert_true(xls_is_second_name(name, at("layer")));
    assert_int_equal(xls_file_take_path(&test_log, at("layer"), at("top"),
                                        name), 0);
    assert_true(has("top", "layer"));
    assert_true(has("layer", "layer"));
    assert_true(has("top.xls-tmp", "theirs"));
    assert_int_equal(access(name, F_OK), -1);
    /* Once more, as recovery does. */
    assert_int_equal(xls_file_take_path(&test_log, at("layer"), at("top"),
                                        name), 0);
    assert_int_equal(access(name, F_OK), -1);
    free(name);
}

static void two_second_names_are_different_ones(void **state)
{
    char *a = xls_file_second_name(at("top"));
    char *b = xls_file_second_name(at("top"));

    (void)state;
    assert_string_not_equal(a, b);
    assert_memory_equal(a, at("top.xls-new-"), strlen(at("top.xls-new-")));
    free(a);
    free(b);
}

static void a_file_that_has_the_second_name_is_no_obstacle_to_be_removed(
    void **state)
{
    const char *name = at("name");

    (void)state;
    put("layer", "layer");
    put("top", "top");
    put("name", "theirs");
    assert_int_equal(xls_file_take_path(&test_log, at("layer"), at("top"),
                                        name), ERROR_SNAPSHOT_EXISTS);
    assert_true(has("name", "theirs"));
    assert_true(has("top", "top"));
}

static void only_a_second_name_is_dropped(void **state)
{
    (void)state;
    put("layer", "layer");
    put("other", "other");
    xls_file_drop_second_name(&test_log, at("layer"), at("layer"));
    assert_true(is_there("layer"));     /* the only one */
    assert_int_equal(link(at("other"), at("other2")), 0);
    xls_file_drop_second_name(&test_log, at("other2"), at("layer"));
    assert_true(is_there("other2"));    /* of another file */
    assert_int_equal(symlink("layer", at("link")), 0);
    xls_file_drop_second_name(&test_log, at("link"), at("layer"));
    assert_true(is_there("link"));
    xls_file_drop_second_name(&test_log, at("other2"), at("other"));
    assert_false(is_there("other2"));
    assert_true(has("other", "other"));
}

/* What a killed process of an earlier version has left. */
static void the_name_of_earlier_versions_is_found(void **state)
{
    char *name;

    (void)state;
    put("layer", "layer");
    put("top", "top");
    assert_int_equal(link(at("layer"), at("top.xls-tmp")), 0);
    name = xls_file_second_name_unrecorded(at("layer"), at("top"));
    assert_string_equal(name, at("top.xls-tmp"));
    xls_file_drop_second_name(&test_log, name, at("layer"));
    assert_false(is_there("top.xls-tmp"));
    free(name);

    /* A file of that name, or a name of another file, is the user's. */
    put("top.xls-tmp", "theirs");
    name = xls_file_second_name_unrecorded(at("layer"), at("top"));
    assert_string_not_equal(name, at("top.xls-tmp"));
    free(name);
    assert_int_equal(link(at("top.xls-tmp"), at("theirs")), 0);
    name = xls_file_second_name_unrecorded(at("layer"), at("top"));
    assert_string_not_equal(name, at("top.xls-tmp"));
    free(name);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_path_is_taken_and_no_second_name_is_left),
        TEST(two_second_names_are_different_ones),
        TEST(a_file_that_has_the_second_name_is_no_obstacle_to_be_removed),
        TEST(only_a_second_name_is_dropped),
        TEST(the_name_of_earlier_versions_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
