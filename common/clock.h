/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_CLOCK_H
#define XLS_COMMON_CLOCK_H

#include <stdint.h>

uint64_t xls_now_us(void);      /* CLOCK_MONOTONIC */

/* How long to wait until something is looked at again. */
struct xls_poll {
    unsigned ms, max_ms;        /* the next wait, at first; the longest */
    uint64_t began_us;          /* 0, at first */
};

/* Sleeps, since since_us: the longer it has gone on, the longer. */
void xls_poll_pause(struct xls_poll *poll, uint64_t since_us);

#endif
