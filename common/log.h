/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_LOG_H
#define XLS_COMMON_LOG_H

#include <xentoollog.h>

/*
 * Where a function reports details of a failure. libxl offers no way to get
 * at the logger of a libxl_ctx, so the caller's logger travels in the public
 * "how" and is wrapped here.
 *
 * Messages name the value that was wrong and, where there is one, the way
 * out; they end without a newline. Text that came from QEMU or from a guest
 * is only ever an argument, never the format.
 */
struct xls_log {
    xentoollog_logger *lg;
    const char *prefix;         /* the public function that is running */
};

void xls_log(const struct xls_log *log, xentoollog_level level,
             int errnoval, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define XLS_ERROR(log, ...)   xls_log((log), XTL_ERROR, -1, __VA_ARGS__)
#define XLS_ERRORE(log, ...)  xls_log((log), XTL_ERROR, errno, __VA_ARGS__)
#define XLS_WARN(log, ...)    xls_log((log), XTL_WARN, -1, __VA_ARGS__)
#define XLS_NOTICE(log, ...)  xls_log((log), XTL_NOTICE, -1, __VA_ARGS__)
#define XLS_INFO(log, ...)    xls_log((log), XTL_INFO, -1, __VA_ARGS__)
#define XLS_DEBUG(log, ...)   xls_log((log), XTL_DEBUG, -1, __VA_ARGS__)

#endif
