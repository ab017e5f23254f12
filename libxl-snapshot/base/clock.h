/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BASE_CLOCK_H
#define XLS_BASE_CLOCK_H

#include <stdint.h>

uint64_t xls_now_us(void);      /* CLOCK_MONOTONIC */

/* How long to wait until something is looked at again. */
struct xls_poll {
    unsigned ms, max_ms;        /* the next wait, at first; the longest */
    uint64_t began_us;
    uint64_t offset, at_us;     /* as they were at the last look */
};

/*
 * Sleeps: the longer it has gone on, the longer, but not beyond the time at
 * which what is at offset will be at length when it goes on as it did (length
 * 0: that is not known).
 */
void xls_poll_pause(struct xls_poll *poll, uint64_t offset, uint64_t length);

#endif
