/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The JSON module: limits at the bound and one past it, malformed input,
 * streams split at every byte, numbers, strings, printing.
 */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/json/json.h"
#include "common/text.h"

static const struct xls_json_limits small = {
    .max_bytes = 64,
    .max_depth = 4,
    .max_values = 8,
};

static struct xls_json *parse(const char *text,
                              const struct xls_json_limits *limits)
{
    char *error = NULL;
    struct xls_json *v = xls_json_parse(text, strlen(text), limits, &error);

    if (!v)
        fail_msg("%.60s: %s", text, error);
    assert_null(error);
    return v;
}

static void refuse_bytes(const char *text, size_t len,
                         const struct xls_json_limits *limits,
                         const char *words)
{
    char *error = NULL;
    struct xls_json *v = xls_json_parse(text, len, limits, &error);

    if (v)
        fail_msg("accepted: %.60s", text);
    assert_non_null(error);
    if (!strstr(error, words))
        fail_msg("'%s' lacks '%s'", error, words);
    free(error);
    assert_null(xls_json_parse(text, len, limits, NULL));
}

static void refuse(const char *text, const char *words)
{
    refuse_bytes(text, strlen(text), &xls_json_limits_qmp, words);
}

/* Feeds text in pieces of at most `piece` bytes; the result of the last feed,
 * with *value the first value. */
static int feed(struct xls_json_stream *s, const char *text, size_t len,
                size_t piece, struct xls_json **value, char **error)
{
    size_t at = 0, used;

    while (at < len) {
        size_t n = len - at < piece ? len - at : piece;
        /* a copy of just that size lets ASan see any reading past it */
        char *copy = malloc(n);
        int r;

        memcpy(copy, text + at, n);
        r = xls_json_stream_feed(s, copy, n, &used, value, error);
        free(copy);
        if (r)
            return r;
        assert_int_equal(used, n);
        at += n;
    }
    return 0;
}

static void print_equals(struct xls_json *v, const char *text)
{
    char *s = xls_json_print(v, false);

    assert_string_equal(s, text);
    free(s);
    xls_json_free(v);
}

static void size_limit_is_exact(void **state)
{
    char text[80];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[0] = text[63] = '"';
    xls_json_free(xls_json_parse(text, 64, &small, NULL));
    text[63] = 'a';
    text[64] = '"';
    refuse_bytes(text, 65, &small, "more than 64 bytes");
}

static void depth_limit_is_exact(void **state)
{
    (void)state;
    xls_json_free(parse("[[{\"a\":[1]}]]", &small));
    refuse_bytes("[[{\"a\":[[]]}]]", 14, &small, "nested deeper than 4");
}

static void depth_has_a_ceiling_whatever_the_limit(void **state)
{
    enum { MOST = 1100, PRINTED = 127 };
    const struct xls_json_limits lax = { 4096, 100000, 100000 };
    struct xls_json *v;
    char text[2 * (MOST + 1)];

    (void)state;
    memset(text, '[', MOST + 1);
    memset(text + MOST + 1, ']', MOST + 1);
    refuse_bytes(text, sizeof(text), &lax, "nested deeper than 1100");
    v = xls_json_parse(text + 1, 2 * MOST, &lax, NULL);
    assert_non_null(v);
    xls_json_free(v);
    v = xls_json_parse(text + MOST + 1 - PRINTED, 2 * PRINTED, &lax, NULL);
    assert_non_null(v);
    free(xls_json_print(v, true));
    xls_json_free(v);
}

static void what_no_reader_takes_is_not_printed(void **state)
{
    struct xls_json *v = xls_json_object();
    char *text;

    (void)state;
    assert_null(xls_json_print(NULL, false));
    xls_json_set_str(v, "good", "\xc3\xa4");
    text = xls_json_print(v, false);
    assert_non_null(text);
    v = (xls_json_free(v), xls_json_of_text(text, &xls_json_limits_file));
    assert_non_null(v);
    xls_json_set_str(v, "bad", "\xff");
    assert_null(xls_json_print(v, false));
    xls_json_free(v);
    v = xls_json_object();
    xls_json_set(v, "none", xls_json_of_text(NULL, &xls_json_limits_file));
    assert_null(xls_json_print(v, false));
    xls_json_free(v);
}

static void any_bytes_can_be_shown(void **state)
{
    char *s = xls_visible("a\xc3\xa4\xff\x1b\xc2\x9b\xe2\x82\xac\xe2\x82", 99);

    (void)state;
    assert_string_equal(s, "a\xc3\xa4\\xff\\x1b\\xc2\\x9b\xe2\x82\xac\\xe2"
                        "\\x82");
    free(s);
}

static void number_of_values_limit_is_exact(void **state)
{
    (void)state;
    xls_json_free(parse("[1,2,{\"a\":3},[],5,6]", &small));
    refuse_bytes("[1,2,{\"a\":3},[],5,6,7]", 22, &small, "more than 8 values");
    refuse_bytes("[1,2,3,4,5,6,7,[]]", 18, &small, "more than 8 values");
}

static void qmp_and_file_limits_hold_at_their_size(void **state)
{
    const struct xls_json_limits *all[] = { &xls_json_limits_qmp,
                                            &xls_json_limits_file };
    size_t i, k;

    (void)state;
    for (k = 0; k < 2; k++) {
        size_t max = all[k]->max_bytes, num = all[k]->max_values;
        char *text = malloc(max + 1);

        memset(text, ' ', max + 1);
        text[0] = '[';
        text[max - 1] = text[max] = ']';
        xls_json_free(xls_json_parse(text, max, all[k], NULL));
        refuse_bytes(text, max + 1, all[k], "bytes");
        for (i = 1; i < num; i++) {
            text[2 * i - 1] = '0';
            text[2 * i] = ',';
        }
        text[2 * num - 1] = '0';
        text[2 * num] = ']';
        refuse_bytes(text, 2 * num + 1, all[k], "values");
        text[2 * num - 2] = text[2 * num - 1] = ' ';
        assert_true(2 * num < max);
        xls_json_free(xls_json_parse(text, 2 * num + 1, all[k], NULL));
        free(text);
    }
}

static void malformed_text_is_refused(void **state)
{
    static const char *const bad[] = {
        "", " ", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", "{\"a\"}",
        "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\" 1}", "[1 2]",
        "{\"a\":1]", "[1}", "\"", "\"abc", "'a'", "nul", "nulll", "TRUE",
        "+1", "-", "1.", ".5", "1e", "1e+", "01x", "0x10", "NaN", "Infinity",
        "\"\\x41\"", "\"\\u12\"", "\"\\u12g4\"", "\"\t\"", "\"a\nb\"",
        "[1] 2", "1 1", "{}{}", "// c\n1", "/* c */1", "\xef\xbb\xbf 1",
        "[1]]", "\"a\"\"b\"", "1,2",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refuse(bad[i], "line ");
    refuse_bytes("[1]\0", 4, &xls_json_limits_qmp, "line 1");
    refuse_bytes("[1\0]", 4, &xls_json_limits_qmp, "line 1");
}

static void message_names_line_and_column(void **state)
{
    char *error = NULL;

    (void)state;
    refuse("{\n  \"a\": 1,\n  \"b\": tru,\n}", "line 3, column ");
    refuse("{\"a\":1,\n\"a\":2}", "line 2, column 7: duplicate key");
    assert_null(xls_json_parse("[1,\n2", 5, &small, &error));
    assert_string_equal(error, "line 2, column 2: parse error: premature EOF");
    free(error);
}

static void duplicate_keys_are_refused(void **state)
{
    char text[64 * 200], *p = text;
    struct xls_json *v;
    int i;

    (void)state;
    refuse("{\"a\":1,\"a\":1}", "duplicate key");
    refuse("{\"a\":1,\"b\":2,\"\\u0061\":3}", "duplicate key");
    refuse("[{\"\":{},\"\":{}}]", "duplicate key");
    v = parse("{\"a\":{\"a\":1},\"A\":{\"a\":2}}", &small);
    xls_json_free(v);

    p += sprintf(p, "{");
    for (i = 0; i < 500; i++)
        p += sprintf(p, "\"key%d\":%d,", (i * 7919) % 500, i);
    sprintf(p, "\"x\":1}");
    v = parse(text, &xls_json_limits_qmp);
    assert_int_equal(v->u.list.num, 501);
    assert_string_equal(v->u.list.keys[1], "key419");
    xls_json_free(v);
    sprintf(p, "\"key250\":1}");
    refuse(text, "duplicate key");
}

static void integers_are_exact_in_64_bits(void **state)
{
    static const struct {
        const char *text;
        enum xls_json_type type;
        bool fits_int, fits_uint;
        uint64_t bits;
    } cases[] = {
        { "0", XLS_JSON_INT, true, true, 0 },
        { "-0", XLS_JSON_INT, true, true, 0 },
        { "-1", XLS_JSON_INT, true, false, UINT64_MAX },
        { "9007199254740993", XLS_JSON_INT, true, true, 9007199254740993 },
        { "9223372036854775807", XLS_JSON_INT, true, true, INT64_MAX },
        { "9223372036854775808", XLS_JSON_UINT, false, true,
          9223372036854775808u },
        { "18446744073709551615", XLS_JSON_UINT, false, true, UINT64_MAX },
        { "-9223372036854775808", XLS_JSON_INT, true, false,
          (uint64_t)INT64_MIN },
        { "18446744073709551616", XLS_JSON_NUMBER, false, false, 0 },
        { "-9223372036854775809", XLS_JSON_NUMBER, false, false, 0 },
        { "1.0", XLS_JSON_NUMBER, false, false, 0 },
        { "1e3", XLS_JSON_NUMBER, false, false, 0 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        struct xls_json *v;
        int64_t s = 42;
        uint64_t u = 42;

        snprintf(text, sizeof(text), "{\"n\":%s}", cases[i].text);
        v = parse(text, &small);
        assert_int_equal(xls_json_get(v, "n")->type, cases[i].type);
        assert_int_equal(xls_json_get_int(v, "n", &s), cases[i].fits_int);
        assert_int_equal(xls_json_get_uint(v, "n", &u), cases[i].fits_uint);
        assert_true((uint64_t)s == (cases[i].fits_int ? cases[i].bits : 42));
        assert_true(u == (cases[i].fits_uint ? cases[i].bits : 42));
        if (cases[i].type != XLS_JSON_NUMBER && strcmp(cases[i].text, "-0"))
            print_equals(v, text);
        else
            xls_json_free(v);
    }
}

static void numbers_do_not_depend_on_the_locale(void **state)
{
    char dir[] = "/tmp/xls-json-XXXXXX", command[200];
    struct xls_json *v;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(command, sizeof(command),
             "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8", dir);
    if (system(command)) {
        rmdir(dir);
        print_message("no localedef(1) or no source of de_DE here\n");
        skip();
    }
    setenv("LOCPATH", dir, 1);
    assert_non_null(setlocale(LC_NUMERIC, "de_DE.UTF-8"));
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    assert_string_equal(localeconv()->decimal_point, ",");
    v = parse("[0.5,-2.25e3,1e22]", &small);
    assert_true(v->u.list.items[0]->u.d == 0.5);
    assert_true(v->u.list.items[1]->u.d == -2250.0);
    print_equals(v, "[0.5,-2250.0,1e+22]");
    setlocale(LC_NUMERIC, "C");
}

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    refuse("1e999", "number out of range");
    refuse("[-1e999]", "number out of range");
    print_equals(xls_json_double((double)INFINITY), "null");
}

static void strings_must_be_utf8(void **state)
{
    static const char *const bad[] = {
        "\"\x80\"", "\"\xc3\"", "\"\xc0\x80\"", "\"\xc1\xbf\"",
        "\"\xe0\x9f\xbf\"", "\"\xed\xa0\x80\"", "\"\xf0\x8f\xbf\xbf\"",
        "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xff\"",
        "\"\xe2\x82\"", "{\"\xed\xa0\x80\":1}", "\"\\udc00\"",
    };
    static const char good[] =
        "\"\x7f \xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80"
        " \xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf\"";
    struct xls_json *v;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refuse(bad[i], "line 1");
    print_equals(parse(good, &small), good);
    v = parse("\"\\ud83d\\ude00\\u00e4\\n\\/\"", &small);
    assert_string_equal(xls_json_str(v), "\xf0\x9f\x98\x80\xc3\xa4\n/");
    xls_json_free(v);
}

static void nul_in_a_string_is_refused(void **state)
{
    (void)state;
    refuse("\"a\\u0000b\"", "NUL in a string");
    refuse("{\"a\\u0000\":1}", "NUL in a string");
    refuse_bytes("\"a\0b\"", 5, &small, "line 1");
}

static void stream_yields_the_same_however_it_is_split(void **state)
{
    static const char text[] =
        "{\"QMP\":{\"v\":[1,-2.5e-3,18446744073709551615,true,null]},"
        "\"k\\u00e4\xc3\xa4\\\\\":\"x\\\"y\\ud83d\\ude00\"}";
    struct xls_json *whole = parse(text, &xls_json_limits_qmp);
    char *expect = xls_json_print(whole, false);
    size_t len = strlen(text), cut, piece;

    (void)state;
    for (cut = 0; cut <= len; cut++) {
        struct xls_json_stream *s = xls_json_stream_new(&xls_json_limits_qmp);
        struct xls_json *v = NULL;

        assert_int_equal(feed(s, text, cut, cut, &v, NULL), cut == len);
        if (cut < len)
            assert_int_equal(feed(s, text + cut, len - cut, len, &v, NULL), 1);
        print_equals(v, expect);
        xls_json_stream_free(s);
    }
    for (piece = 1; piece < 9; piece++) {
        struct xls_json_stream *s = xls_json_stream_new(&xls_json_limits_qmp);
        struct xls_json *v = NULL;

        assert_int_equal(feed(s, text, len, piece, &v, NULL), 1);
        print_equals(v, expect);
        xls_json_stream_free(s);
    }
    free(expect);
    xls_json_free(whole);
}

static void stream_yields_value_after_value(void **state)
{
    static const char text[] = "{} [1]\r\n\t\"a\"\"b\"12 -3\n1.5[]true null{}";
    static const char *const expect[] = { "{}", "[1]", "\"a\"", "\"b\"",
                                          "12", "-3", "1.5", "[]", "true",
                                          "null", "{}" };
    size_t piece, n = sizeof(expect) / sizeof(expect[0]);

    (void)state;
    for (piece = 1; piece <= sizeof(text); piece++) {
        struct xls_json_stream *s = xls_json_stream_new(&small);
        size_t at = 0, got = 0;

        while (at < sizeof(text) - 1) {
            size_t left = sizeof(text) - 1 - at, used = 0;
            struct xls_json *v = NULL;
            char *error = NULL;
            int r = xls_json_stream_feed(s, text + at,
                                         left < piece ? left : piece, &used,
                                         &v, &error);

            assert_null(error);
            at += used;
            if (r) {
                assert_int_equal(r, 1);
                assert_true(got < n);
                print_equals(v, expect[got++]);
            }
        }
        assert_int_equal(got, n);
        xls_json_stream_free(s);
    }
}

static void stream_refuses_at_every_split(void **state)
{
    static const char *const bad[] = { "[1,]", "{\"a\":1,\"a\":2}", "nulx",
                                       "\"\xed\xa0\x80\"", "[[[[[]]]]]",
                                       "[1,2,3,4,5,6,7,8]", "}", "]", "%",
                                       "[1}", "\"\\u0000\"", "[1e999]" };
    size_t i, piece, used;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (piece = 1; piece <= strlen(bad[i]); piece++) {
            struct xls_json_stream *s = xls_json_stream_new(&small);
            struct xls_json *v = NULL;
            char *error = NULL;

            assert_int_equal(feed(s, bad[i], strlen(bad[i]), piece, &v,
                                  &error), -1);
            assert_null(v);
            assert_non_null(error);
            free(error);
            assert_int_equal(xls_json_stream_feed(s, "1 ", 2, &used, &v, NULL),
                             -1);
            xls_json_stream_free(s);
        }
    }
}

static void stream_size_limit_is_exact_for_each_value(void **state)
{
    char text[200];
    size_t piece;

    (void)state;
    for (piece = 1; piece <= 65; piece++) {
        struct xls_json_stream *s = xls_json_stream_new(&small);
        struct xls_json *v = NULL;
        char *error = NULL;
        int i;

        /* spaces between values do not count */
        memset(text, ' ', sizeof(text));
        for (i = 0; i < 3; i++) {
            assert_int_equal(feed(s, text, 100, piece, &v, NULL), 0);
            memset(text + 100, 'a', 64);
            text[100] = text[163] = '"';
            assert_int_equal(feed(s, text + 100, 64, piece, &v, NULL), 1);
            xls_json_free(v);
            v = NULL;
        }
        /* a number is complete with the byte after it */
        memset(text, '1', 64);
        assert_int_equal(feed(s, text, 64, piece, &v, NULL), 0);
        assert_int_equal(feed(s, " ", 1, 1, &v, NULL), 1);
        assert_int_equal(v->type, XLS_JSON_NUMBER);
        xls_json_free(v);
        v = NULL;

        memset(text, 'a', 65);
        text[0] = text[64] = '"';
        assert_int_equal(feed(s, text, 65, piece, &v, &error), -1);
        assert_non_null(strstr(error, "more than 64 bytes"));
        free(error);
        xls_json_stream_free(s);
    }
}

static void stream_never_holds_more_than_the_limit(void **state)
{
    static const char *const starts[] = { "\"", "[", "[1,{\"a", "1", "[\"\\" };
    char block[4096];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        const struct xls_json_limits limits = { 100000, 64, 1000 };
        struct xls_json_stream *s = xls_json_stream_new(&limits);
        struct xls_json *v = NULL;
        char *error = NULL;
        size_t used, total = strlen(starts[i]);
        int r;

        r = xls_json_stream_feed(s, starts[i], total, &used, &v, &error);
        memset(block, *starts[i] == '"' ? 'x' : *starts[i] == '1' ? '1' : ' ',
               sizeof(block));
        while (!r) {
            r = xls_json_stream_feed(s, block, sizeof(block), &used, &v,
                                     &error);
            total += used;
        }
        assert_int_equal(r, -1);
        assert_true(total <= limits.max_bytes + 1);
        free(error);
        xls_json_stream_free(s);
    }
}

static void a_stream_can_be_freed_in_mid_value(void **state)
{
    struct xls_json_stream *s = xls_json_stream_new(&small);
    struct xls_json *v = NULL;

    (void)state;
    assert_int_equal(feed(s, "{\"a\":[1,{\"b\":", 13, 100, &v, NULL), 0);
    xls_json_stream_free(s);
    xls_json_stream_free(NULL);
}

static uint64_t seed;

static unsigned rnd(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static struct xls_json *random_tree(unsigned depth)
{
    static const char *const words[] = { "", "a", "\"\\/\b\f\n\r\t", "\x01",
                                         "\xc3\xa4", "\xf0\x9f\x98\x80",
                                         "</script>", "\x7f" };
    struct xls_json *v;
    unsigned i, n;

    switch (rnd(depth ? 8 : 6)) {
    case 0:
        return xls_json_null();
    case 1:
        return xls_json_bool(rnd(2));
    case 2:
        return xls_json_int((int64_t)(seed << rnd(2) * 40));
    case 3:
        return xls_json_uint(UINT64_MAX - rnd(1000));
    case 4:
        return xls_json_double(((double)seed - 1e15) / (1 + rnd(100000)));
    case 5:
        return xls_json_string(words[rnd(8)]);
    case 6:
        v = xls_json_array();
        for (i = 0, n = rnd(8); i < n; i++)
            xls_json_append(v, random_tree(depth - 1));
        return v;
    default:
        v = xls_json_object();
        for (i = 0, n = rnd(8); i < n; i++)
            xls_json_set(v, words[rnd(8)], random_tree(depth - 1));
        return v;
    }
}

static bool equal(const struct xls_json *a, const struct xls_json *b)
{
    size_t i;

    if (a->type != b->type)
        return false;
    switch (a->type) {
    case XLS_JSON_NULL:
        return true;
    case XLS_JSON_BOOL:
        return a->u.b == b->u.b;
    case XLS_JSON_INT:
        return a->u.i == b->u.i;
    case XLS_JSON_UINT:
        return a->u.u == b->u.u;
    case XLS_JSON_NUMBER:
        return a->u.d == b->u.d;
    case XLS_JSON_STRING:
        return a->u.str.len == b->u.str.len &&
               !strcmp(a->u.str.s, b->u.str.s);
    default:
        if (a->u.list.num != b->u.list.num)
            return false;
        for (i = 0; i < a->u.list.num; i++) {
            if (a->u.list.keys &&
                strcmp(a->u.list.keys[i], b->u.list.keys[i]))
                return false;
            if (!equal(a->u.list.items[i], b->u.list.items[i]))
                return false;
        }
        return true;
    }
}

static void random_trees_survive_print_parse_and_copy(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < 2000; i++) {
        struct xls_json *v, *back, *copy;
        char *text, *error = NULL;

        seed = i;
        v = random_tree(5);
        text = xls_json_print(v, i & 1);
        back = xls_json_parse(text, strlen(text), &xls_json_limits_qmp, &error);
        if (!back || !equal(v, back))
            fail_msg("seed %d: %s: %s", i, text, error ? error : "differs");
        copy = xls_json_copy(v);
        assert_true(equal(v, copy));
        xls_json_free(v);
        xls_json_free(back);
        xls_json_free(copy);
        free(text);
    }
}

static void pretty_output_is_indented_by_two(void **state)
{
    struct xls_json *v = parse("{\"a\":[1],\"b\":{}}", &small);
    char *s = xls_json_print(v, true);

    (void)state;
    assert_string_equal(s, "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}\n");
    free(s);
    xls_json_free(v);
}

static void setting_a_key_again_replaces_its_value(void **state)
{
    struct xls_json *o = xls_json_object();

    (void)state;
    xls_json_set_int(xls_json_set_bool(xls_json_set_str(o, "a", "x"), "b",
                                       true), "a", 2);
    xls_json_set_str(o, "c", NULL);
    print_equals(o, "{\"a\":2,\"b\":true}");
}

static void readers_say_not_there_for_anything_else(void **state)
{
    struct xls_json *v = parse("{\"s\":\"x\",\"a\":[1],\"b\":true,\"n\":null}",
                               &small);
    int64_t i;
    uint64_t u;

    (void)state;
    assert_null(xls_json_get(NULL, "x"));
    assert_null(xls_json_get(xls_json_get(v, "a"), "x"));
    assert_null(xls_json_get(v, "x"));
    assert_null(xls_json_at(NULL, 0));
    assert_null(xls_json_at(v, 0));
    assert_null(xls_json_at(xls_json_get(v, "a"), 1));
    assert_int_equal(xls_json_len(NULL), 0);
    assert_int_equal(xls_json_len(v), 0);
    assert_int_equal(xls_json_len(xls_json_get(v, "a")), 1);
    assert_null(xls_json_str(NULL));
    assert_null(xls_json_get_str(v, "a"));
    assert_null(xls_json_get_str(v, "n"));
    assert_string_equal(xls_json_get_str(v, "s"), "x");
    assert_true(xls_json_get_bool(v, "b", false));
    assert_true(xls_json_get_bool(v, "s", true));
    assert_false(xls_json_get_bool(NULL, "b", false));
    assert_false(xls_json_get_int(v, "s", &i));
    assert_false(xls_json_get_uint(NULL, "s", &u));
    xls_json_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_limit_is_exact),
        cmocka_unit_test(depth_limit_is_exact),
        cmocka_unit_test(what_no_reader_takes_is_not_printed),
        cmocka_unit_test(any_bytes_can_be_shown),
        cmocka_unit_test(depth_has_a_ceiling_whatever_the_limit),
        cmocka_unit_test(number_of_values_limit_is_exact),
        cmocka_unit_test(qmp_and_file_limits_hold_at_their_size),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(message_names_line_and_column),
        cmocka_unit_test(duplicate_keys_are_refused),
        cmocka_unit_test(integers_are_exact_in_64_bits),
        cmocka_unit_test(numbers_do_not_depend_on_the_locale),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(strings_must_be_utf8),
        cmocka_unit_test(nul_in_a_string_is_refused),
        cmocka_unit_test(stream_yields_the_same_however_it_is_split),
        cmocka_unit_test(stream_yields_value_after_value),
        cmocka_unit_test(stream_refuses_at_every_split),
        cmocka_unit_test(stream_size_limit_is_exact_for_each_value),
        cmocka_unit_test(stream_never_holds_more_than_the_limit),
        cmocka_unit_test(a_stream_can_be_freed_in_mid_value),
        cmocka_unit_test(random_trees_survive_print_parse_and_copy),
        cmocka_unit_test(pretty_output_is_indented_by_two),
        cmocka_unit_test(setting_a_key_again_replaces_its_value),
        cmocka_unit_test(readers_say_not_there_for_anything_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
