/* SPDX-License-Identifier: LGPL-2.1-only */
#include "base/clock.h"

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

/* Most of what is left at the pace since the last look, so that the end is not
 * overslept by much; max_ms when that tells nothing. When all is done, what is
 * left is a flush. */
static unsigned most_ms(const struct xls_poll *poll, uint64_t offset,
                        uint64_t length, uint64_t now)
{
    double ms;

    if (length && offset >= length)
        return MIN_MS;
    if (!poll->at_us || offset <= poll->offset || !length)
        return poll->max_ms;
    ms = 0.75 * (double)(length - offset) * (double)(now - poll->at_us) /
         (double)(offset - poll->offset) / 1000;
    return ms < MIN_MS ? MIN_MS : ms < poll->max_ms ? (unsigned)ms
                                                    : poll->max_ms;
}

void xls_poll_pause(struct xls_poll *poll, uint64_t offset, uint64_t length)
{
    uint64_t now = xls_now_us(), part;
    unsigned most, ms;
    struct timespec ts;

    if (!poll->began_us)
        poll->began_us = now;
    part = (now - poll->began_us) / 1000 / PARTS;
    if (part > poll->ms)
        poll->ms = part < poll->max_ms ? (unsigned)part : poll->max_ms;
    most = most_ms(poll, offset, length, now);
    ms = poll->ms < most ? poll->ms : most;
    poll->offset = offset;
    poll->at_us = now;
    ts = (struct timespec){ ms / 1000, (ms % 1000) * 1000000L };
    nanosleep(&ts, NULL);
}
