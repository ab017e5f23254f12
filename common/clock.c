/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/clock.h"

#include <time.h>

#define MIN_MS 10
/* A wait lasts at most this part of the time that has passed, so that what it
 * oversleeps does not count. */
#define PARTS 10
/* Eleven days: an end that far away is none. */
#define FAR_US 1e12

uint64_t xls_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* At its pace since the last look. When all is done, what is left is a flush,
 * which may end at any time. */
void xls_poll_saw(struct xls_poll *poll, uint64_t offset, uint64_t length)
{
    uint64_t now = xls_now_us();
    double left = FAR_US;

    if (length && offset >= length)
        left = 0;
    else if (length && poll->at_us && offset > poll->offset)
        left = (double)(length - offset) * (double)(now - poll->at_us) /
               (double)(offset - poll->offset);
    poll->end_us = left < FAR_US ? now + (uint64_t)left : 0;
    poll->offset = offset;
    poll->at_us = now;
}

/* Most of what is left, so that the end is not overslept by much. */
static uint64_t most_us(const struct xls_poll *poll, uint64_t now)
{
    if (!poll->end_us)
        return poll->max_ms * 1000ull;
    return poll->end_us > now ? (poll->end_us - now) * 3 / 4 : 0;
}

void xls_poll_pause(struct xls_poll *poll, uint64_t since_us)
{
    uint64_t now = xls_now_us(), part, us, most, slept;
    struct timespec ts;

    if (!poll->began_us)
        poll->began_us = now;
    part = (now - poll->began_us) / 1000 / PARTS;
    if (part > poll->ms)
        poll->ms = part < poll->max_ms ? (unsigned)part : poll->max_ms;
    us = poll->ms * 1000ull;
    slept = now - since_us;
    us = us > slept ? us - slept : 0;
    most = most_us(poll, now);
    us = us < most ? us : most;
    /* Whoever else waits for what is used in looking has its turn. */
    us = us < MIN_MS * 1000 ? MIN_MS * 1000 : us;
    ts = (struct timespec){ us / 1000000, (us % 1000000) * 1000L };
    nanosleep(&ts, NULL);
}
