/* SPDX-License-Identifier: LGPL-2.1-only */
/* A content: its pages are found wherever it is cut in pieces, and what was
 * stored comes back. */
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <libxl_snapshot.h>

#include "place.h"
#include "savefile/stream.h"
#include "tests/image/reference.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    place_make();
    return 0;
}

/* Through the stream as writer and reader do it, in pieces of some size. */
static void look_for_pages(const uint8_t *data, size_t len, size_t piece,
                           const struct found *f)
{
    struct xls_stream s;
    uint64_t due = 0;
    size_t at = 0, n, found = 0;
    uint32_t pages;

    xls_stream_init(&s);
    while (at < len) {
        if (due && len - at < IMAGE_PAGE)
            break;
        if (due) {
            demand(found < f->num_pages && f->pages[found++] == at);
            at += IMAGE_PAGE;
            due--;
            continue;
        }
        n = len - at < piece ? len - at : piece;
        at += xls_stream_pass(&s, data + at, n, &pages);
        due = pages;
    }
    demand(found == f->num_pages);
    demand(!!due == f->amid_pages);
    demand(s.start == f->start);
    demand(due || xls_stream_whole(&s) == f->whole);
}

struct expected {
    const uint8_t *data;
    size_t len;
};

static int compare(void *user, struct iovec *iov, int num)
{
    struct expected *e = user;
    int i;

    for (i = 0; i < num; i++) {
        demand(iov[i].iov_len <= e->len);
        demand(!memcmp(iov[i].iov_base, e->data, iov[i].iov_len));
        e->data += iov[i].iov_len;
        e->len -= iov[i].iov_len;
    }
    return 0;
}

static void store_and_read(const uint8_t *data, size_t len,
                           const struct found *f)
{
    const struct xls_image_read_how how = { .everything = true };
    struct xls_image *parent = len % 3 ? NULL : place_open("parent");
    struct expected e = { data, len };
    struct xls_image *image;
    int rc = place_store("input", data, len, len % 2, parent);

    xls_image_close(parent);
    demand(rc == (f->amid_pages ? ERROR_SNAPSHOT_IMAGE_CORRUPT : 0));
    if (rc)
        return;
    image = place_open("input");
    demand(xls_image_info(image)->pages == f->num_pages);
    demand(!xls_image_verify(image, &how));
    demand(!xls_image_pour(image, compare, &e, &how));
    demand(!e.len);
    xls_image_close(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct found f;

    find_pages(data, size, &f);
    look_for_pages(data, size, SIZE_MAX, &f);
    look_for_pages(data, size, 1 + size % 23, &f);
    store_and_read(data, size, &f);
    found_free(&f);
    return 0;
}
