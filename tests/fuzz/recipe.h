/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Contents as text, one word and its numbers a line:
 *
 *   xl N           xl's header with a configuration of N bytes
 *   libxl          the header of libxl's stream
 *   libxc          both headers of libxc's
 *   record T N     a record of type T with N bytes and its padding
 *   head T N       the head of one alone
 *   batch T…       PAGE_DATA with a page of each type; 13 to 15: without data
 *   page N         a page; 0: of zeros
 *   word N         32 bits
 *   zeros N        bytes
 *   hex XX…        bytes
 */
#ifndef TESTS_FUZZ_RECIPE_H
#define TESTS_FUZZ_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recipe {
    uint8_t *data;
    size_t len;
    unsigned pages;             /* so far, each another one */
};

/* False: it says nothing of these. */
bool recipe_line(struct recipe *r, const char *line);

#endif
