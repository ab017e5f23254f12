/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_STREAM_H
#define XLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XLS_STREAM_PAGE 4096U     /* bytes */

/*
 * Finds the pages in what `xl save` writes: its header, libxl's stream version
 * 2, and in that libxc's (docs/specs/ in Xen). The rest is the skeleton. It
 * looks at the skeleton alone, so it finds the same places when they are put
 * back in.
 */
struct xls_stream {
    int state;
    uint8_t head[48];           /* what it needs to see whole */
    unsigned have, want;
    uint64_t skip;              /* bytes until then */
    uint32_t pages;             /* that follow after these */
    uint64_t at;                /* bytes of skeleton so far */
    uint64_t start;             /* of libxl's stream; 0: not there yet */
};

void xls_stream_init(struct xls_stream *s);

/*
 * Goes through skeleton from where the last call ended, and stops where pages
 * follow, *pages of them. Returns how many bytes it took: all, when none
 * follow.
 */
size_t xls_stream_pass(struct xls_stream *s, const uint8_t *data, size_t len,
                       uint32_t *pages);

/* It ended where libxl's END record ends. */
bool xls_stream_whole(const struct xls_stream *s);

#endif
