/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/internal.h"

#include <limits.h>
#include <time.h>

uint64_t xls_qmp__deadline(unsigned timeout_ms)
{
    return xls_now_us() + (uint64_t)timeout_ms * 1000;
}

int xls_qmp__left_ms(uint64_t deadline)
{
    uint64_t now = xls_now_us(), ms;

    if (now >= deadline)
        return 0;
    ms = (deadline - now + 999) / 1000;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

void xls_qmp__back_off(unsigned *ms, uint64_t deadline)
{
    unsigned left = (unsigned)xls_qmp__left_ms(deadline);
    unsigned n = *ms < left ? *ms : left;
    struct timespec ts = {
        .tv_sec = n / 1000,
        .tv_nsec = (long)(n % 1000) * 1000000,
    };

    nanosleep(&ts, NULL);
    *ms *= 2;
}
