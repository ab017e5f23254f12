/* SPDX-License-Identifier: LGPL-2.1-only */
#include "base/clock.h"

#include <time.h>

#define MIN_MS 10

uint64_t xls_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* What is left at the pace since the last look; max_ms when that tells nothing.
 * When all is done, what is left is a flush. */
static unsigned left_ms(const struct xls_poll *poll, uint64_t offset,
                        uint64_t length, uint64_t now)
{
    double ms;

    if (length && offset >= length)
        return MIN_MS;
    if (!poll->at_us || offset <= poll->offset || !length)
        return poll->max_ms;
    ms = (double)(length - offset) * (double)(now - poll->at_us) /
         (double)(offset - poll->offset) / 1000;
    return ms < MIN_MS ? MIN_MS : ms < poll->max_ms ? (unsigned)ms
                                                    : poll->max_ms;
}

void xls_poll_pause(struct xls_poll *poll, uint64_t offset, uint64_t length)
{
    uint64_t now = xls_now_us();
    unsigned left = left_ms(poll, offset, length, now);
    unsigned ms = poll->ms < left ? poll->ms : left;
    struct timespec ts = { ms / 1000, (ms % 1000) * 1000000L };

    poll->offset = offset;
    poll->at_us = now;
    poll->ms = poll->ms < poll->max_ms / 2 ? poll->ms * 2 : poll->max_ms;
    nanosleep(&ts, NULL);
}
