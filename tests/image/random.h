/* SPDX-License-Identifier: LGPL-2.1-only */
/* Random numbers that a seed gives again (splitmix64). */
#ifndef TESTS_IMAGE_RANDOM_H
#define TESTS_IMAGE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* Another row of numbers for each number. */
static inline struct rng rng_for(uint64_t seed, uint64_t number)
{
    struct rng r = { seed };

    r.state = rng_next(&r) ^ (number * 0xd1342543de82ef95ULL);
    return r;
}

static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return n ? rng_next(r) % n : 0;
}

static inline uint64_t rng_from_to(struct rng *r, uint64_t from, uint64_t to)
{
    return from + rng_below(r, to - from + 1);
}

static inline bool rng_one_in(struct rng *r, unsigned n)
{
    return rng_below(r, n) == 0;
}

static inline void rng_fill(struct rng *r, void *data, size_t len)
{
    uint8_t *p = data;

    while (len) {
        uint64_t v = rng_next(r);
        size_t n = len < sizeof(v) ? len : sizeof(v);

        memcpy(p, &v, n);
        p += n;
        len -= n;
    }
}

#endif
