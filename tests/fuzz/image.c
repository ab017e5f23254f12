/* SPDX-License-Identifier: LGPL-2.1-only */
/* A file: it is an image or is refused, and a part of a chain as well. */
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <libxl_snapshot.h>

#include "mutate.h"
#include "place.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    place_make();
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                               unsigned seed)
{
    return mutate_image(data, size, max, seed, LLVMFuzzerMutate);
}

static int count(void *user, struct iovec *iov, int num)
{
    uint64_t *bytes = user;
    int i;

    for (i = 0; i < num; i++)
        *bytes += iov[i].iov_len;
    return 0;
}

static void demand_refusal(int rc)
{
    demand(!rc || rc == ERROR_SNAPSHOT_IMAGE_CORRUPT);
}

/* Its content may be anything, but is as long as it says. */
static void read_all(struct xls_image *image)
{
    const struct xls_image_read_how how = { .everything = true };
    const struct image_info *info = xls_image_info(image);
    uint64_t bytes = 0;
    int rc;

    demand_refusal(xls_image_verify(image, &how));
    rc = xls_image_pour(image, count, &bytes, &how);
    demand_refusal(rc);
    demand(rc || bytes == info->content);
    demand_refusal(xls_image_read_checked(image, -1, "nothing", &how));
}

static void write_child(struct xls_image *image)
{
    static const uint8_t content[] = "what a child of it holds";

    demand_refusal(place_store("child", content, sizeof(content), 0, image));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xls_image *image = NULL;
    int rc;

    place_write("input", data, size);
    rc = xls_image_open(&place_log, place_path("input"), &image);
    /* A parent of some other name is not there. */
    demand(rc == ERROR_SNAPSHOT_STORAGE || !rc ||
           rc == ERROR_SNAPSHOT_IMAGE_CORRUPT);
    if (rc)
        return 0;
    read_all(image);
    write_child(image);
    xls_image_close(image);
    return 0;
}
