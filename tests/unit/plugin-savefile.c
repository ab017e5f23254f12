/* SPDX-License-Identifier: LGPL-2.1-only */
/* The configuration in what `xl save` writes. */
#include "plugin.h"

#include "layers/savefile.h"
#include "savefile/memfile.h"

static char *dir, *path;

static int setup(void **state)
{
    (void)state;
    dir = test_dir_make();
    path = xls_asprintf("%s/saved", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(path);
    test_dir_remove(dir);
    return 0;
}

static void put(const void *data, size_t len)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    fclose(file);
}

static void reads(const char *wanted)
{
    struct error e = { 0 };
    char *json;

    assert_good(savefile_config(path, &json, &e), &e);
    assert_string_equal(json, wanted);
    free(json);
}

static void fails(const char *why)
{
    struct error e = { 0 };
    char *json;

    assert_error(savefile_config(path, &json, &e), &e, why);
    assert_null(json);
}

/* What the library writes, with a word of the header changed. */
static char *header(size_t at, uint32_t value, size_t *len)
{
    char *h = xls_memfile_make_header("{\"a\": 1}", len);

    if (at)
        memcpy(h + at, &value, sizeof(value));
    return h;
}

static void fails_with(size_t at, uint32_t value, const char *why)
{
    size_t len;
    char *h = header(at, value, &len);

    put(h, len);
    fails(why);
    free(h);
}

static void what_the_library_writes_is_read(void **state)
{
    size_t len;
    char *h = header(0, 0, &len);

    (void)state;
    put(h, len);
    reads("{\"a\": 1}");
    free(h);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    fails("cannot open");
    put("", 0);
    fails("truncated");
    fails_with(28, 0, "is no file of 'xl save'");
    fails_with(32, 0x04030201, "byte order");
    fails_with(36, 2, "not JSON");
    fails_with(44, 4, "no configuration");
    fails_with(44, 64U << 20, "larger than any");
    fails_with(48, 4096, "is damaged");
    fails_with(48, 0xffffffff, "is damaged");
}

static void a_truncated_file_is_refused_at_any_length(void **state)
{
    size_t len, i;
    char *h = header(0, 0, &len);

    (void)state;
    for (i = 0; i < len; i++) {
        put(h, i);
        fails("truncated");
    }
    free(h);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_the_library_writes_is_read),
        TEST(other_files_are_refused),
        TEST(a_truncated_file_is_refused_at_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
