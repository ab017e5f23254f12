/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the generated parsers refuse, and in which words. The last of them,
 * libxl's own refusal, comes from a substitute of libxl's parser (the linker's
 * --wrap): libxl gets nothing that it would refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "_everything.h"
#include "_libxl_snapshot_types.h"
#include "random.h"

int __real_libxl_device_disk_from_json(libxl_ctx *ctx, libxl_device_disk *p,
                                       const char *s);
int __wrap_libxl_device_disk_from_json(libxl_ctx *ctx, libxl_device_disk *p,
                                       const char *s);

static bool libxl_refuses;

int __wrap_libxl_device_disk_from_json(libxl_ctx *ctx, libxl_device_disk *p,
                                       const char *s)
{
    int rc = __real_libxl_device_disk_from_json(ctx, p, s);

    assert_int_equal(rc, 0);
    return libxl_refuses ? ERROR_FAIL : 0;
}

/* The value is refused with this message, and p, which held something, is as
 * after TYPE_init. */
#define REFUSES(TYPE, text, message) do {                                   \
    libxl_ctx *ctx = *state;                                                \
    char *error, *left, *empty;                                             \
    TYPE p, fresh;                                                          \
                                                                            \
    TYPE##_init(&p);                                                        \
    assert_int_equal(TYPE##_from_json(ctx, &p, FULL_##TYPE, NULL), 0);      \
    assert_int_equal(TYPE##_from_json(ctx, &p, text, &error), ERROR_INVAL); \
    assert_string_equal(error, message);                                    \
    assert_int_equal(TYPE##_from_json(ctx, &p, text, NULL), ERROR_INVAL);   \
    TYPE##_init(&fresh);                                                    \
    left = TYPE##_to_json(ctx, &p);                                         \
    empty = TYPE##_to_json(ctx, &fresh);                                    \
    assert_string_equal(left, empty);                                       \
    free(error);                                                            \
    free(left);                                                             \
    free(empty);                                                            \
    TYPE##_dispose(&p);                                                     \
    TYPE##_dispose(&fresh);                                                 \
} while (0)

#define FULL_libxl_domain_snapshot_args                                     \
    "{\"memory_path\": \"/m\", \"disks\": [{\"disk\": {\"vdev\": \"xvda\"}}]}"
#define FULL_xls_all_numbers  "{\"u64\": 5, \"percents\": [1, 2]}"
#define FULL_xls_all_defaults "{\"text\": null, \"inner\": {\"deep\": \"x\"}}"
#define FULL_xls_all_source   "{\"kind\": \"file\"}"
#define FULL_xls_all_tree     "{\"disk\": {\"name\": \"n\"}}"
#define FULL_xls_all_flags    "{\"a\": true}"

#define ARGS(text, message)                                                 \
    REFUSES(libxl_domain_snapshot_args, text, message)
#define NUMBERS(text, message)  REFUSES(xls_all_numbers, text, message)

#define ARGS_KEYS "memory, memory_path, memory_format, memory_parent, "     \
    "memory_chain, memory_level, ignore_room, max_layers, live, "           \
    "leave_paused, destroy_first, autoballoon, disks"

static void unknown_keys(void **state)
{
    ARGS("{\"memory\": true, \"foo\": 1}",
         "foo: unknown key; known here: " ARGS_KEYS);
    ARGS("{\"disks\": [{\"foo\": 1}]}",
         "disks[0].foo: unknown key; known here: disk, method, name, "
         "external_path, external_format, reuse_external, keep_path, merge, "
         "force, unsupported");
    ARGS("{\"num_disks\": 0}",
         "num_disks: unknown key; known here: " ARGS_KEYS);
    ARGS("{\"Memory\": true}",
         "Memory: unknown key; known here: " ARGS_KEYS);
    REFUSES(xls_all_flags, "{\"\": 1}", "\"\": unknown key; known here: a, b");
    REFUSES(xls_all_flags, "{\"a b\\u001b[1m\": 1}",
            "\"a b\\u001b[1m\": unknown key; known here: a, b");
    REFUSES(xls_all_defaults, "{\"inner\": {\"deeper\": {\"x\": 1}}}",
            "inner.deeper.x: unknown key; known here: names, number");
}

static void duplicate_keys(void **state)
{
    ARGS("{\"live\": true, \"live\": false}",
         "line 1, column 30: duplicate key in an object");
}

static void wrong_types(void **state)
{
    ARGS("[]", "expected an object, found an array");
    ARGS("\"x\"", "expected an object, found a string");
    ARGS("{\"memory\": \"yes\"}",
         "memory: expected true or false, found a string");
    ARGS("{\"memory\": null}", "memory: expected true or false, found null");
    ARGS("{\"memory_path\": 5}",
         "memory_path: expected a string or null, found a number");
    ARGS("{\"memory_path\": {}}",
         "memory_path: expected a string or null, found an object");
    ARGS("{\"disks\": {}}", "disks: expected an array, found an object");
    ARGS("{\"disks\": null}", "disks: expected an array, found null");
    ARGS("{\"disks\": [{}, null]}",
         "disks[1]: expected an object, found null");
    ARGS("{\"disks\": [{\"method\": 1}]}",
         "disks[0].method: expected a string, found a number");
    ARGS("{\"disks\": [{\"external_format\": false}]}",
         "disks[0].external_format: expected a string, found false");
    NUMBERS("{\"u8\": \"1\"}", "u8: expected a whole number, found a string");
    NUMBERS("{\"i\": true}", "i: expected a whole number, found true");
    REFUSES(xls_all_flags, "{\"b\": \"<default>\"}",
            "b: expected true, false or null, found a string");
    REFUSES(xls_all_source, "{\"id\": null}",
            "id: expected a string, found null");
    REFUSES(xls_all_defaults, "{\"inner\": {\"deeper\": []}}",
            "inner.deeper: expected an object, found an array");
    REFUSES(xls_all_defaults, "{\"inner\": {\"deeper\": {\"names\": [[]]}}}",
            "inner.deeper.names[0]: expected a string or null, "
            "found an array");
}

static void numbers_out_of_range(void **state)
{
    NUMBERS("{\"u8\": 256}", "u8: 256 is not within 0 to 255");
    NUMBERS("{\"u8\": -1}", "u8: -1 is not within 0 to 255");
    NUMBERS("{\"u16\": 65536}", "u16: 65536 is not within 0 to 65535");
    NUMBERS("{\"u16_port\": 0}", "u16_port: 0 is not within 1 to 1023");
    NUMBERS("{\"u32\": 4294967296}",
            "u32: 4294967296 is not within 0 to 4294967295");
    NUMBERS("{\"u32\": 18446744073709551615}",
            "u32: 18446744073709551615 is not within 0 to 4294967295");
    NUMBERS("{\"u64\": 18446744073709551616}",
            "u64: 1.8446744073709552e+19 is not a whole number from 0 to "
            "18446744073709551615");
    NUMBERS("{\"i\": 2147483648}",
            "i: 2147483648 is not within -2147483648 to 2147483647");
    NUMBERS("{\"i\": 9223372036854775808}",
            "i: 9223372036854775808 is not within -2147483648 to 2147483647");
    NUMBERS("{\"i_small\": -6}", "i_small: -6 is not within -5 to 5");
    NUMBERS("{\"i64\": -9223372036854775809}",
            "i64: -9.2233720368547758e+18 is not a whole number from "
            "-9223372036854775808 to 9223372036854775807");
    NUMBERS("{\"i\": 1.5}", "i: 1.5 is not a whole number from -2147483648 to "
            "2147483647");
    NUMBERS("{\"u32\": 1e3}",
            "u32: 1000 is not a whole number from 0 to 4294967295");
    NUMBERS("{\"percents\": [100, 101]}",
            "percents[1]: 101 is not within 0 to 100");
}

static void bad_enum_values(void **state)
{
    ARGS("{\"disks\": [{}, {}, {\"method\": \"extern\"}]}",
         "disks[2].method: \"extern\" is not one of none, external, internal, "
         "caller");
    ARGS("{\"disks\": [{\"method\": \"\"}]}",
         "disks[0].method: \"\" is not one of none, external, internal, "
         "caller");
    ARGS("{\"disks\": [{\"external_format\": \"zip\"}]}",
         "disks[0].external_format: \"zip\" is not one of unknown, qcow, "
         "qcow2, vhd, raw, empty, qed");
}

static void bad_uuids(void **state)
{
    REFUSES(xls_all_source, "{\"id\": \"1234\"}",
            "id: \"1234\" is not a UUID");
    REFUSES(xls_all_tree, "{\"ids\": [\"\"]}", "ids[0]: \"\" is not a UUID");
}

static void union_members_of_another_key(void **state)
{
    REFUSES(xls_all_source, "{\"kind\": \"number\", \"kind.file\": {}}",
            "kind.file: not allowed when kind is \"number\"");
    REFUSES(xls_all_source, "{\"kind.block\": {}}",
            "kind.block: not allowed when kind is \"file\"");
    REFUSES(xls_all_source, "{\"kind.none\": {}}",
            "kind.none: unknown key; known here: id, kind, kind.file, "
            "kind.block, kind.number, after");
    REFUSES(xls_all_source, "{\"kind.file\": {\"path\": 1}}",
            "kind.file.path: expected a string or null, found a number");
    REFUSES(xls_all_source, "{\"kind.file\": {\"tags\": [\"a\", 1]}}",
            "kind.file.tags[1]: expected a string or null, found a number");
}

/* libxl's own parser would skip each of these without a word. */
static void values_in_libxl_structs(void **state)
{
#define DISK(member, message)                                               \
    ARGS("{\"disks\": [{\"disk\": {" member "}}]}", "disks[0].disk" message)
    DISK("\"vdef\": \"xvda\"",
         ".vdef: unknown key; known here: backend_domid, backend_domname, "
         "pdev_path, vdev, backend, format, script, removable, readwrite, "
         "is_cdrom, direct_io_safe, discard_enable, specification, transport, "
         "irq, base, grant_usage, colo_enable, colo_restore_enable, "
         "colo_host, colo_port, colo_export, active_disk, hidden_disk, "
         "trusted");
    DISK("\"vdev\": 1", ".vdev: expected a string or null, found a number");
    DISK("\"format\": \"zip\"", ".format: \"zip\" is not one of unknown, "
         "qcow, qcow2, vhd, raw, empty, qed");
    DISK("\"readwrite\": true",
         ".readwrite: expected a whole number, found true");
    DISK("\"readwrite\": 2147483648",
         ".readwrite: 2147483648 is not within -2147483648 to 2147483647");
    DISK("\"backend_domid\": -1",
         ".backend_domid: -1 is not within 0 to 4294967295");
    DISK("\"base\": 9223372036854775807",
         ".base: 9223372036854775807 is not within 0 to 9223372036854775806");
    DISK("\"direct_io_safe\": 1",
         ".direct_io_safe: expected true or false, found a number");
    DISK("\"trusted\": \"true\"",
         ".trusted: \"true\" is not one of <default>, True, False");
    DISK("\"trusted\": true", ".trusted: expected a string, found true");
    ARGS("{\"disks\": [{\"disk\": []}]}",
         "disks[0].disk: expected an object, found an array");
#undef DISK
}

/* The message of the other file's parser gets our path in front. */
static void values_in_types_of_another_file(void **state)
{
    REFUSES(xls_all_tree, "{\"disks\": [{}, {\"method\": \"x\"}]}",
            "disks[1].method: \"x\" is not one of none, external, internal, "
            "caller");
    REFUSES(xls_all_tree, "{\"disk\": {\"disk\": {\"irq\": \"x\"}}}",
            "disk.disk.irq: expected a whole number, found a string");
    REFUSES(xls_all_tree, "{\"disk\": 1}",
            "disk: expected an object, found a number");
    REFUSES(xls_all_tree, "{\"methods\": [\"none\", \"x\"]}",
            "methods[1]: \"x\" is not one of none, external, internal, "
            "caller");
}

static void malformed_text(void **state)
{
    char *big;

    ARGS("", "line 1, column 1: parse error: premature EOF");
    ARGS("{\"live\": true,}",
         "line 1, column 16: parse error: invalid object key (must be a "
         "string)");
    ARGS("{\"memory_path\": \"\xff\"}",
         "line 1, column 19: lexical error: invalid bytes in UTF8 string.");
    ARGS("{} {}", "line 1, column 5: parse error: trailing garbage");
    ARGS("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", /* 33 */
         "line 1, column 34: nested deeper than 32");

    big = malloc(4 * 1024 * 1024 + 2);
    memset(big, ' ', 4 * 1024 * 1024 + 1);
    big[4 * 1024 * 1024 + 1] = '\0';
    big[0] = '{';
    big[1] = '}';
    ARGS(big, "more than 4194304 bytes");
    big[4 * 1024 * 1024] = '\0';
    {
        libxl_domain_snapshot_args p;

        libxl_domain_snapshot_args_init(&p);
        assert_int_equal(
            libxl_domain_snapshot_args_from_json(*state, &p, big, NULL), 0);
        libxl_domain_snapshot_args_dispose(&p);
    }
    free(big);
}

static void long_and_unprintable_text_in_messages(void **state)
{
    ARGS("{\"disks\": [{\"method\": "
         "\"123456789 123456789 123456789 123456789 123456789 123456789 x\"}]}",
         "disks[0].method: \"123456789 123456789 123456789 123456789 123456789 "
         "123456789 ...\" is not one of none, external, internal, caller");
    ARGS("{\"disks\": [{\"method\": "
         "\"123456789 123456789 123456789 123456789 123456789 12345678\u20ac\"}"
         "]}",
         "disks[0].method: \"123456789 123456789 123456789 123456789 123456789 "
         "12345678...\" is not one of none, external, internal, caller");
    ARGS("{\"disks\": [{\"method\": \"\\u001b[2J\\n\\u007f\\u009b\\\"\\\\"
         "\u00e4\"}]}",
         "disks[0].method: \"\\u001b[2J\\u000a\\u007f\\u009b\\\"\\\\\u00e4\" "
         "is not one of none, external, internal, caller");
    REFUSES(xls_all_flags,
            "{\"a123456789a123456789a123456789a123456789a123456789a123456789x\":"
            " 1}",
            "\"a123456789a123456789a123456789a123456789a123456789a123456789..."
            "\": unknown key; known here: a, b");
}

static void refusal_of_libxl(void **state)
{
    libxl_domain_snapshot_args p;
    char *error;

    libxl_domain_snapshot_args_init(&p);
    libxl_refuses = true;
    assert_int_equal(
        libxl_domain_snapshot_args_from_json(
            *state, &p, "{\"disks\": [{\"disk\": {\"vdev\": \"xvda\"}}]}",
            &error),
        ERROR_INVAL);
    libxl_refuses = false;
    assert_string_equal(error, "disks[0].disk: libxl does not take this as a "
                        "libxl_device_disk (error -3); its log has the "
                        "reason");
    free(error);
    libxl_domain_snapshot_args_dispose(&p);
}

static void enums(void **state)
{
    libxl_snapshot_method m = LIBXL_SNAPSHOT_METHOD_CALLER;
    char *error;

    assert_int_equal(
        libxl_snapshot_method_from_json(*state, &m, "\"foo\"", &error),
        ERROR_INVAL);
    assert_string_equal(error, "\"foo\" is not one of none, external, "
                        "internal, caller");
    free(error);
    assert_int_equal(libxl_snapshot_method_from_json(*state, &m, "1", &error),
                     ERROR_INVAL);
    assert_string_equal(error, "expected a string, found a number");
    free(error);
    assert_int_equal(libxl_snapshot_method_from_string("foo", &m),
                     ERROR_INVAL);
    assert_int_equal(m, LIBXL_SNAPSHOT_METHOD_CALLER);
    assert_int_equal(libxl_snapshot_method_from_string("INTERNAL", &m), 0);
    assert_int_equal(m, LIBXL_SNAPSHOT_METHOD_INTERNAL);
    assert_null(libxl_snapshot_method_to_string(99));
    assert_null(libxl_snapshot_method_to_json(*state, 99));
    assert_string_equal(
        libxl_error_snapshot_to_string(ERROR_SNAPSHOT_CHAIN_SHARED),
        "chain_shared");
}

static void missing_keys_give_defaults(void **state)
{
    xls_all_defaults d;
    char *error = "";

    xls_all_defaults_init(&d);
    assert_int_equal(xls_all_defaults_from_json(*state, &d, "{}", &error), 0);
    assert_null(error);
    assert_true(d.on);
    assert_int_equal(d.count, -7);
    assert_true(d.large == UINT64_MAX);
    assert_true(d.small == INT64_MIN);
    assert_string_equal(d.text, "a \"quoted\", \\ text?" "? with \u00e4\n");
    assert_int_equal(d.level, XLS_ALL_LEVEL_MID);
    assert_int_equal(d.method, LIBXL_SNAPSHOT_METHOD_EXTERNAL);
    assert_int_equal(d.format, LIBXL_DISK_FORMAT_QCOW2);
    assert_true(libxl_defbool_val(d.maybe));
    assert_string_equal(d.inner.deep, "sea");
    assert_null(d.inner.deeper.names);
    assert_int_equal(d.inner.deeper.num_names, 0);
    assert_int_equal(d.inner.deeper.number, 3);
    xls_all_defaults_dispose(&d);
}

static void defaults_in_array_elements(void **state)
{
    xls_all_tree t;

    xls_all_tree_init(&t);
    assert_int_equal(
        xls_all_tree_from_json(*state, &t, "{\"sources\": [{}]}", NULL), 0);
    assert_int_equal(t.num_sources, 1);
    assert_int_equal(t.sources[0].kind, ALL_KIND_FILE);
    assert_string_equal(t.sources[0].u.file.path, "/dev/null");
    assert_int_equal(t.sources[0].after.count, -7);
    xls_all_tree_dispose(&t);
}

static void a_union_follows_its_key(void **state)
{
    xls_all_source s;

    (void)state;
    xls_all_source_init(&s);
    assert_int_equal(s.kind, ALL_KIND_FILE);
    assert_string_equal(s.u.file.path, "/dev/null");
    xls_all_source_init_kind(&s, ALL_KIND_BLOCK);
    s.u.block.vdev = strdup("xvda");
    xls_all_source_init_kind(&s, ALL_KIND_FILE);
    assert_string_equal(s.u.file.path, "/dev/null");
    xls_all_source_dispose(&s);
}

/* Every key is there, in the order of the .idl file. */
static void text_of_a_value(void **state)
{
    libxl_disk_snapshot d;
    char *text;

    libxl_disk_snapshot_init(&d);
    d.disk.vdev = strdup("xvda");
    d.external_path = strdup("/a\"\x01\u00e4");
    text = libxl_disk_snapshot_to_json(*state, &d);
    assert_string_equal(text,
        "{\n"
        "  \"disk\": {\n"
        "    \"vdev\": \"xvda\"\n"
        "  },\n"
        "  \"method\": \"none\",\n"
        "  \"name\": null,\n"
        "  \"external_path\": \"/a\\\"\\u0001\u00e4\",\n"
        "  \"external_format\": \"unknown\",\n"
        "  \"reuse_external\": false,\n"
        "  \"keep_path\": false,\n"
        "  \"merge\": \"auto\",\n"
        "  \"force\": false,\n"
        "  \"unsupported\": null\n"
        "}\n");
    free(text);
    libxl_disk_snapshot_dispose(&d);
}

static void what_could_not_be_read_is_not_written(void **state)
{
    libxl_disk_snapshot d;
    xls_all_numbers n;

    libxl_disk_snapshot_init(&d);
    d.method = 99;
    assert_null(libxl_disk_snapshot_to_json(*state, &d));
    d.method = LIBXL_SNAPSHOT_METHOD_NONE;
    d.name = strdup("\xff");
    assert_null(libxl_disk_snapshot_to_json(*state, &d));
    free(d.name);
    d.name = NULL;
    d.disk.pdev_path = strdup("/\xc3");
    assert_null(libxl_disk_snapshot_to_json(*state, &d));
    libxl_disk_snapshot_dispose(&d);

    xls_all_numbers_init(&n);
    n.u16_port = 1024;
    assert_null(xls_all_numbers_to_json(*state, &n));
    n.u16_port = 1;
    n.i_small = -6;
    assert_null(xls_all_numbers_to_json(*state, &n));
    xls_all_numbers_dispose(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(duplicate_keys),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(numbers_out_of_range),
        cmocka_unit_test(bad_enum_values),
        cmocka_unit_test(bad_uuids),
        cmocka_unit_test(union_members_of_another_key),
        cmocka_unit_test(values_in_libxl_structs),
        cmocka_unit_test(values_in_types_of_another_file),
        cmocka_unit_test(malformed_text),
        cmocka_unit_test(long_and_unprintable_text_in_messages),
        cmocka_unit_test(refusal_of_libxl),
        cmocka_unit_test(enums),
        cmocka_unit_test(missing_keys_give_defaults),
        cmocka_unit_test(defaults_in_array_elements),
        cmocka_unit_test(a_union_follows_its_key),
        cmocka_unit_test(text_of_a_value),
        cmocka_unit_test(what_could_not_be_read_is_not_written),
    };

    return cmocka_run_group_tests_name("strict", tests, xls_random_ctx_open,
                                       xls_random_ctx_close);
}
