/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_BENCH_MEDIAN_H
#define XLS_TESTS_BENCH_MEDIAN_H

#include <stdint.h>
#include <stdlib.h>

static int median_order(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Sorts the values. */
static uint64_t median(uint64_t *values, size_t num)
{
    qsort(values, num, sizeof(*values), median_order);
    return values[num / 2];
}

#endif
