/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_UTIL_CAPTURE_H
#define PLUGIN_UTIL_CAPTURE_H

#include <pthread.h>

#include <xentoollog.h>

#include "util/strings.h"

/*
 * A logger that keeps what is logged as an error, without its context, for who
 * says it elsewhere, and passes the rest on. Any thread may log.
 */
struct capture {
    xentoollog_logger logger;
    xentoollog_logger *next;
    pthread_mutex_t lock;
    struct strings errors;
};
void capture_start(struct capture *c, xentoollog_logger *next);
void capture_end(struct capture *c);

/* All that was kept, in one line; "" for nothing. malloc'ed. */
char *capture_text(const struct capture *c);

#endif
