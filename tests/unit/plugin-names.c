/* SPDX-License-Identifier: LGPL-2.1-only */
#include "plugin.h"

#include "store/names.h"

static void good_snapshot_names_are_taken(void **state)
{
    char longest[65];

    (void)state;
    memset(longest, 'x', 64);
    longest[64] = 0;
    assert_true(snapshot_name_ok("a"));
    assert_true(snapshot_name_ok("before-upgrade_2.0"));
    assert_true(snapshot_name_ok("_x"));
    assert_true(snapshot_name_ok("20261121T093005Z"));
    assert_true(snapshot_name_ok(longest));
}

static void bad_snapshot_names_are_refused(void **state)
{
    static const char *const bad[] = {
        "", ".", "..", ".x", "-x", "--json", "a/b", "/", "a b", "a\n", "a,b",
        "a:b", "\xc3\xa4", "a%b", "a'b", "a*",
    };
    struct error e = { 0 };
    char too_long[66];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(snapshot_name_ok(bad[i]));
    memset(too_long, 'x', 65);
    too_long[65] = 0;
    assert_error(snapshot_name_check(too_long, &e), &e, "1 to 64");
    assert_error(snapshot_name_check("../x", &e), &e, "\"../x\"");
}

static void the_default_name_is_utc_and_valid(void **state)
{
    char *name = snapshot_name_default(1795253405);

    (void)state;
    assert_string_equal(name, "20261121T093005Z");
    assert_true(snapshot_name_ok(name));
    free(name);
}

static void the_name_of_a_deleted_one_is_valid_however_long(void **state)
{
    char longest[65], *name;

    (void)state;
    memset(longest, 'a', 64);
    longest[64] = 0;
    name = snapshot_name_deleted(longest, 12);
    assert_true(snapshot_name_ok(name));
    assert_non_null(strstr(name, "aa.deleted.12"));
    free(name);
    name = snapshot_name_deleted("s1", 1);
    assert_string_equal(name, "s1.deleted.1");
    free(name);
}

static void check_encoding(const char *name, const char *file)
{
    char *encoded = domain_name_encode(name);
    char *decoded = domain_name_decode(file);

    assert_string_equal(encoded, file);
    assert_non_null(decoded);
    assert_string_equal(decoded, name);
    free(encoded);
    free(decoded);
}

static void domain_names_become_one_file_name(void **state)
{
    (void)state;
    check_encoding("web1", "web1");
    check_encoding("web1.example_x-y", "web1.example_x-y");
    check_encoding("a/b", "a%2Fb");
    check_encoding("..", "%2E.");
    check_encoding(".", "%2E");
    check_encoding("100%", "100%25");
    check_encoding(" \n", "%20%0A");
    check_encoding("\xc3\xa4", "%C3%A4");
}

static void every_byte_survives_encoding(void **state)
{
    char name[256];
    char *encoded, *decoded;
    int i;

    (void)state;
    for (i = 0; i < 255; i++)
        name[i] = i + 1;
    name[255] = 0;
    encoded = domain_name_encode(name);
    assert_null(strchr(encoded, '/'));
    decoded = domain_name_decode(encoded);
    assert_string_equal(decoded, name);
    free(encoded);
    free(decoded);
}

static void other_encodings_of_a_name_are_refused(void **state)
{
    static const char *const bad[] = {
        "", ".", "..", ".web1", "a%", "a%2", "a%2f", "a%41", "a%00", "a%zz",
        "a b", "%",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(domain_name_decode(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_snapshot_names_are_taken),
        cmocka_unit_test(bad_snapshot_names_are_refused),
        cmocka_unit_test(the_default_name_is_utc_and_valid),
        cmocka_unit_test(the_name_of_a_deleted_one_is_valid_however_long),
        cmocka_unit_test(domain_names_become_one_file_name),
        cmocka_unit_test(every_byte_survives_encoding),
        cmocka_unit_test(other_encodings_of_a_name_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
