/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef TESTS_LOG_H
#define TESTS_LOG_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"

/* For a test program: a log that keeps everything said at ERROR. */
static char test_logged[65536];

static inline void __attribute__((format(printf, 5, 0)))
test_keep_message(xentoollog_logger *l, xentoollog_level level, int errnoval,
                  const char *context, const char *format, va_list al)
{
    size_t at = strlen(test_logged);

    (void)l;
    (void)errnoval;
    if (level < XTL_ERROR)
        return;
    at += snprintf(test_logged + at, sizeof(test_logged) - at, "%s: ",
                   context);
    if (at < sizeof(test_logged))
        vsnprintf(test_logged + at, sizeof(test_logged) - at, format, al);
}

static xentoollog_logger test_logger = { .vmessage = test_keep_message };
static const struct xls_log test_log __attribute__((unused)) = { &test_logger, "test" };

#endif
