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
    uint64_t end_us;            /* when it will have ended; 0: not known */
};

/* What was looked at is now at offset of length (0: that is not known). */
void xls_poll_saw(struct xls_poll *poll, uint64_t offset, uint64_t length);

/*
 * Sleeps, since since_us: the longer it has gone on, the longer, but not beyond
 * the time at which what was seen will have ended when it goes on as it did.
 */
void xls_poll_pause(struct xls_poll *poll, uint64_t since_us);

#endif
