/* SPDX-License-Identifier: LGPL-2.1-only */
/* A logger that keeps errors and passes the rest on. */
#include "plugin.h"

#include <errno.h>

#include "log.h"
#include "util/capture.h"
#include "util/size.h"

static int passed_on;

static void __attribute__((format(printf, 5, 0)))
count(xentoollog_logger *l, xentoollog_level level, int errnoval,
      const char *context, const char *format, va_list al)
{
    (void)l;
    (void)errnoval;
    (void)context;
    (void)format;
    (void)al;
    assert_true(level < XTL_ERROR);
    passed_on++;
}

static xentoollog_logger next = { .vmessage = count };

static void errors_are_kept_and_the_rest_is_passed_on(void **state)
{
    struct capture capture;
    const struct xls_log log = { &capture.logger, "function" };
    char *text;

    (void)state;
    capture_start(&capture, &next);
    text = capture_text(&capture);
    assert_string_equal(text, "");
    free(text);
    XLS_WARN(&log, "a warning");
    XLS_DEBUG(&log, "more");
    XLS_ERROR(&log, "block %d is damaged", 3);
    errno = ENOENT;
    XLS_ERRORE(&log, "cannot open %s", "/x");
    text = capture_text(&capture);
    assert_string_equal(text, "block 3 is damaged; cannot open /x: No such "
                        "file or directory");
    free(text);
    capture_end(&capture);
    assert_int_equal(passed_on, 2);
}

static void *log_much(void *arg)
{
    const struct xls_log log = { arg, "thread" };
    int i;

    for (i = 0; i < 500; i++)
        XLS_ERROR(&log, "error %d", i);
    return NULL;
}

static void several_threads_log(void **state)
{
    struct capture capture;
    pthread_t threads[4];
    int i;

    (void)state;
    capture_start(&capture, &next);
    for (i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_much,
                                        &capture.logger), 0);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(capture.errors.num, 4 * 500);
    capture_end(&capture);
}

static void sizes_have_units(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {
        { 0, "0 B" }, { 1023, "1023 B" }, { 1536, "1.5 KiB" },
        { 130 << 20, "130 MiB" }, { UINT64_MAX, "16 EiB" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *text = size_text(sizes[i].bytes);

        assert_string_equal(text, sizes[i].text);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_kept_and_the_rest_is_passed_on),
        cmocka_unit_test(several_threads_log),
        cmocka_unit_test(sizes_have_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
