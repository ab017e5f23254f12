/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/log.h"

#include <stdarg.h>

void xls_log(const struct xls_log *log, xentoollog_level level,
             int errnoval, const char *fmt, ...)
{
    va_list al;

    if (!log || !log->lg)
        return;
    va_start(al, fmt);
    xtl_logv(log->lg, level, errnoval, log->prefix, fmt, al);
    va_end(al);
}
