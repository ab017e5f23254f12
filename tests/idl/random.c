/* SPDX-License-Identifier: LGPL-2.1-only */
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint64_t next;

void xls_random_start(void)
{
    const char *seed = getenv("XLS_SEED");

    if (seed)
        next = strtoull(seed, NULL, 0);
    else if (getrandom(&next, sizeof(next), 0) != sizeof(next))
        abort();
    printf("XLS_SEED=%llu\n", (unsigned long long)next);
    fflush(stdout);
}

/* splitmix64 */
static uint64_t bits(void)
{
    uint64_t z = next += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static unsigned below(unsigned n)
{
    return bits() % n;
}

uint64_t xls_random_uint(uint64_t min, uint64_t max)
{
    switch (below(4)) {
    case 0:
        return min;
    case 1:
        return max;
    default:
        if (max - min == UINT64_MAX)
            return bits();
        return min + bits() % (max - min + 1);
    }
}

int64_t xls_random_int(int64_t min, int64_t max)
{
    return (uint64_t)min + xls_random_uint(0, (uint64_t)max - (uint64_t)min);
}

int xls_random_length(void)
{
    return below(5);
}

char *xls_random_string(void)
{
    static const char *const pieces[] = {
        "a", "Z", "0", " ", "\"", "\\", "/", "\n", "\t", "\r", "\x01", "\x1f",
        "\x7f", "\xc2\x80", "\xc3\xa4", "\xe2\x82\xac", "\xef\xbf\xbf",
        "\xf0\x9f\x90\xbc", "\xf4\x8f\xbf\xbf", "%s", "\\u0041", "null",
    };
    char *s;
    int n;

    if (!below(4))
        return NULL;
    s = calloc(1, 400);
    for (n = below(4) ? below(40) : 0; n; n--)
        strcat(s, pieces[below(sizeof(pieces) / sizeof(pieces[0]))]);
    return s;
}

int xls_random_enum(const libxl_enum_string_table *table)
{
    int n = 0;

    while (table[n].s)
        n++;
    return table[below(n)].v;
}

void xls_random_bool(bool *p)
{
    *p = below(2);
}

void xls_random_libxl_defbool(libxl_defbool *p)
{
    unsigned n = below(3);

    libxl_defbool_unset(p);
    if (n)
        libxl_defbool_set(p, n - 1);
}

void xls_random_libxl_uuid(libxl_uuid *p)
{
    uint8_t *bytes = libxl_uuid_bytearray(p);
    int i;

    for (i = 0; i < 16; i++)
        bytes[i] = xls_random_uint(0, UINT8_MAX);
}

bool xls_same_string(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}
