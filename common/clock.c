/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/clock.h"

#include <time.h>

#define MIN_MS 10
/* A wait lasts at most this part of the time that has passed, so that what it
 * oversleeps does not count. */
#define PARTS 10

uint64_t xls_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void xls_poll_pause(struct xls_poll *poll, uint64_t since_us)
{
    uint64_t now = xls_now_us(), part, us, slept;
    struct timespec ts;

    if (!poll->began_us)
        poll->began_us = now;
    part = (now - poll->began_us) / 1000 / PARTS;
    if (part > poll->ms)
        poll->ms = part < poll->max_ms ? (unsigned)part : poll->max_ms;
    us = poll->ms * 1000ull;
    slept = now - since_us;
    us = us > slept ? us - slept : 0;
    /* Whoever else waits for what is used in looking has its turn. */
    us = us < MIN_MS * 1000 ? MIN_MS * 1000 : us;
    ts = (struct timespec){ us / 1000000, (us % 1000000) * 1000L };
    nanosleep(&ts, NULL);
}
