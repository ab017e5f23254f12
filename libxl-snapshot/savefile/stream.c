/* SPDX-License-Identifier: LGPL-2.1-only */
#include "savefile/stream.h"

#include <endian.h>
#include <string.h>

#include "savefile/memfile.h"

#define LIBXL_END           0U
#define LIBXL_LIBXC_CONTEXT 1U
#define LIBXC_END           0U
#define LIBXC_PAGE_DATA     1U
#define LIBXC_IDENT         0x58454e46U     /* "XENF", big endian */
#define BIG_ENDIAN_RECORDS  1U
#define MAX_BATCH           1024U

enum {
    START,                      /* of xl's header, or of libxl's stream */
    XL_HEADER,
    LIBXL_HEADER,
    LIBXL_RECORD,
    LIBXC_HEADER,               /* that of the image and that of the domain */
    LIBXC_RECORD,
    PAGE_DATA,                  /* its count and what is reserved */
    DONE,
    STRANGE,
};

static const unsigned wants[] = {
    [START] = 16, [XL_HEADER] = 48, [LIBXL_HEADER] = 16, [LIBXL_RECORD] = 8,
    [LIBXC_HEADER] = 40, [LIBXC_RECORD] = 8, [PAGE_DATA] = 16,
    [DONE] = 0, [STRANGE] = 0,
};

static uint32_t word(const struct xls_stream *s, unsigned at)
{
    uint32_t v;

    memcpy(&v, s->head + at, sizeof(v));
    return v;
}

/* The next head begins after skip bytes. */
static void go(struct xls_stream *s, int state, uint64_t skip)
{
    s->state = state;
    s->have = 0;
    s->want = wants[state];
    s->skip = skip;
}

void xls_stream_init(struct xls_stream *s)
{
    memset(s, 0, sizeof(*s));
    go(s, START, 0);
}

/* From the head that has come so far to more of it. */
static void widen(struct xls_stream *s, int state)
{
    s->state = state;
    s->want = wants[state];
}

static uint64_t padded(uint32_t len)
{
    return ((uint64_t)len + 7) & ~7ULL;
}

static void libxl_header(struct xls_stream *s)
{
    uint64_t ident;

    memcpy(&ident, s->head, sizeof(ident));
    if (be64toh(ident) != XLS_STREAM_IDENT ||
        be32toh(word(s, 8)) != XLS_STREAM_VERSION ||
        be32toh(word(s, 12)) & BIG_ENDIAN_RECORDS) {
        go(s, STRANGE, 0);
        return;
    }
    s->start = s->at - wants[LIBXL_HEADER];
    go(s, LIBXL_RECORD, 0);
}

static void libxl_record(struct xls_stream *s)
{
    uint32_t type = le32toh(word(s, 0)), len = le32toh(word(s, 4));

    if (type == LIBXL_END)
        go(s, len ? STRANGE : DONE, 0);
    else if (type == LIBXL_LIBXC_CONTEXT)
        go(s, len ? STRANGE : LIBXC_HEADER, 0);
    else
        go(s, LIBXL_RECORD, padded(len));
}

static void libxc_header(struct xls_stream *s)
{
    uint64_t marker;
    uint16_t options;

    memcpy(&marker, s->head, sizeof(marker));
    memcpy(&options, s->head + 16, sizeof(options));
    go(s, marker != UINT64_MAX || be32toh(word(s, 8)) != LIBXC_IDENT ||
                  be16toh(options) & BIG_ENDIAN_RECORDS
              ? STRANGE
              : LIBXC_RECORD, 0);
}

static void libxc_record(struct xls_stream *s)
{
    uint32_t type = le32toh(word(s, 0)), len = le32toh(word(s, 4));

    if (type == LIBXC_END)
        go(s, LIBXL_RECORD, padded(len));
    else if (type == LIBXC_PAGE_DATA && len >= 8)
        widen(s, PAGE_DATA);
    else
        go(s, LIBXC_RECORD, padded(len));
}

/* Only a record whose length fits its count and a number of whole pages; any
 * other is kept as it is. */
static void page_data(struct xls_stream *s)
{
    uint32_t len = le32toh(word(s, 4)), count = le32toh(word(s, 8));
    uint64_t arrays = 8 + 8ULL * count;

    if (count && count <= MAX_BATCH && len >= arrays &&
        (len - arrays) % XLS_STREAM_PAGE == 0 &&
        (len - arrays) / XLS_STREAM_PAGE <= count) {
        go(s, LIBXC_RECORD, arrays - 8);
        s->pages = (len - arrays) / XLS_STREAM_PAGE;
    } else {
        go(s, LIBXC_RECORD, padded(len) - 8);
    }
}

static void see(struct xls_stream *s)
{
    switch (s->state) {
    case START:
        widen(s, memcmp(s->head, XLS_MEMFILE_MAGIC, s->have) ? LIBXL_HEADER
                                                             : XL_HEADER);
        if (s->state == LIBXL_HEADER)
            libxl_header(s);
        break;
    case XL_HEADER:
        if (xls_memfile_understood(s->head))
            go(s, LIBXL_HEADER, le32toh(word(s, 44)));
        else
            go(s, STRANGE, 0);
        break;
    case LIBXL_HEADER:
        libxl_header(s);
        break;
    case LIBXL_RECORD:
        libxl_record(s);
        break;
    case LIBXC_HEADER:
        libxc_header(s);
        break;
    case LIBXC_RECORD:
        libxc_record(s);
        break;
    case PAGE_DATA:
        page_data(s);
        break;
    case DONE:
        go(s, STRANGE, 0);
        break;
    default:
        break;
    }
}

static size_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

size_t xls_stream_pass(struct xls_stream *s, const uint8_t *data, size_t len,
                       uint32_t *pages)
{
    size_t pos = 0;

    *pages = 0;
    while (pos < len || (s->pages && !s->skip)) {
        size_t n;

        if (s->skip) {
            n = least(s->skip, len - pos);
            s->skip -= n;
        } else if (s->pages) {
            *pages = s->pages;
            s->pages = 0;
            break;
        } else if (s->state == DONE || s->state == STRANGE) {
            s->state = STRANGE;
            n = len - pos;
        } else {
            n = least(s->want - s->have, len - pos);
            memcpy(s->head + s->have, data + pos, n);
            s->have += n;
        }
        pos += n;
        s->at += n;
        if (s->want && s->have == s->want)
            see(s);
    }
    return pos;
}

bool xls_stream_whole(const struct xls_stream *s)
{
    return s->state == DONE;
}
