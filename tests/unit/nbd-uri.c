/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the target of a copy may be, and what QEMU is told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libxl_snapshot.h>

#include "block/target.h"
#include "common/percent.h"
#include "log.h"

static void gives(const char *uri, const char *options)
{
    struct xls_target target;
    char *text;

    test_logged[0] = '\0';
    if (xls_target_parse(&test_log, uri, &target))
        fail_msg("%s: %s", uri, test_logged);
    assert_int_equal(target.kind, XLS_TARGET_NBD);
    text = xls_json_print(target.nbd, false);
    assert_string_equal(text, options);
    free(text);
    xls_target_dispose(&target);
}

static void is_refused(const char *uri)
{
    struct xls_target target;

    test_logged[0] = '\0';
    if (xls_target_parse(&test_log, uri, &target) != ERROR_INVAL)
        fail_msg("%s is taken", uri);
    assert_non_null(strstr(test_logged, uri));
    xls_target_dispose(&target);
}

static void uris_become_options(void **state)
{
    (void)state;
    gives("nbd://host/x", "{\"driver\":\"nbd\",\"server\":{\"type\":\"inet\","
          "\"host\":\"host\",\"port\":\"10809\"},\"export\":\"x\"}");
    gives("nbd://[::1]:7/a%20b", "{\"driver\":\"nbd\",\"server\":{\"type\":"
          "\"inet\",\"host\":\"::1\",\"port\":\"7\"},\"export\":\"a b\"}");
    gives("nbd://10.0.0.1:65535", "{\"driver\":\"nbd\",\"server\":{\"type\":"
          "\"inet\",\"host\":\"10.0.0.1\",\"port\":\"65535\"}}");
    gives("nbd+unix:///x?socket=/run/s", "{\"driver\":\"nbd\",\"server\":{"
          "\"type\":\"unix\",\"path\":\"/run/s\"},\"export\":\"x\"}");
}

static void others_are_refused(void **state)
{
    static const char *const wrong[] = {
        "", "x", "nbd:", "nbd://", "nbd:///x", "nbd://h:/x", "nbd://h:65536/x",
        "nbd://h:1a/x", "nbd://[::1/x", "nbd://[::1]7/x", "nbd://h/%", "nbd://h/%0",
        "nbd://h/%zz", "nbd://h/%00", "nbd://h/x?y", "nbd://h/x#y",
        "nbd+unix:///x", "nbd+unix:///x?socket=run/s", "nbds://h/x",
        "nbd+unix:///x?socket=/run/s&tls=1", "json:{}", "http://h/x" };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        is_refused(wrong[i]);
}

/* A name in an export's URI comes back as it was, and leaves no character that
 * means something in a URI. */
static void any_name_fits_into_a_uri(void **state)
{
    static const char *const names[] = { "plain-1._~", "a+b c", "\xc3\xa4/?#%",
                                         "100%", "" };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *coded = xls_percent_encode(names[i], NULL), *back;

        assert_null(strpbrk(coded, "+ /?#"));
        back = xls_percent_decode(coded, strlen(coded));
        assert_string_equal(back, names[i]);
        free(coded);
        free(back);
    }
    assert_null(xls_percent_decode("a%0", 3));
    assert_null(xls_percent_decode("a%41", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uris_become_options),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(any_name_fits_into_a_uri),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
