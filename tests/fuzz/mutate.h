/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef TESTS_FUZZ_MUTATE_H
#define TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* Changes an image and makes its checksums right again, mostly, so that what
 * is behind them is reached; other data by any alone. */
size_t mutate_image(uint8_t *data, size_t size, size_t max, unsigned seed,
                    size_t (*any)(uint8_t *data, size_t size, size_t max));

#endif
