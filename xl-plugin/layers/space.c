/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/space.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* A qcow2 grows by an L2 entry and a refcount for each cluster as well, and by
 * tables for these; it is 1/4096 of 64 KiB clusters' data, and a few clusters
 * in any case. */
static uint64_t with_tables(uint64_t data, uint64_t cluster)
{
    if (!cluster)
        return data;
    return data + data / 4096 * (65536 / cluster + 1) + 8 * cluster;
}

/* What is written is whole clusters: extends each extent of the layer at depth
 * to these, and drops all others. */
static int to_clusters(struct image_extent *x, int num, uint64_t depth,
                       uint64_t cluster)
{
    uint64_t start, end;
    int i, kept = 0;

    for (i = 0; i < num; i++) {
        if (x[i].depth != depth)
            continue;
        start = x[i].start / cluster * cluster;
        end = (x[i].start + x[i].length + cluster - 1) / cluster * cluster;
        if (kept && start < x[kept - 1].start + x[kept - 1].length)
            start = x[kept - 1].start + x[kept - 1].length;
        if (start >= end)
            continue;
        x[kept].start = start;
        x[kept++].length = end - start;
    }
    return kept;
}

/* The bytes of a that are not in b; both sorted. */
static uint64_t not_in(const struct image_extent *a, int num_a,
                       const struct image_extent *b, int num_b)
{
    uint64_t bytes = 0, start, end;
    int i, j = 0, k;

    for (i = 0; i < num_a; i++) {
        uint64_t a_end = a[i].start + a[i].length;

        bytes += a[i].length;
        while (j < num_b && b[j].start + b[j].length <= a[i].start)
            j++;
        for (k = j; k < num_b && b[k].start < a_end; k++) {
            start = b[k].start > a[i].start ? b[k].start : a[i].start;
            end = b[k].start + b[k].length < a_end ? b[k].start + b[k].length
                                                   : a_end;
            bytes -= end - start;
        }
    }
    return bytes;
}

uint64_t space_needed(const struct image *base, const struct image *child,
                      bool backward)
{
    const struct image *to = backward ? base : child;
    uint64_t cluster = to->cluster_size ? to->cluster_size : 4096, bytes;
    struct image_extent *from = NULL, *have = NULL;
    struct error e = { 0 };
    int num_from, num_have = 0;

    /* A raw file that has all its blocks. */
    if (backward && !base->cluster_size &&
        base->actual_size >= child->virtual_size)
        return 0;
    if (image_map(child->path, child->format, &from, &num_from, &e) ||
        (backward && image_map(base->path, base->format, &have, &num_have,
                               &e))) {
        /* Too many extents to tell them all. */
        bytes = backward ? child->actual_size : base->actual_size;
    } else {
        num_from = to_clusters(from, num_from, backward ? 0 : 1, cluster);
        num_have = to_clusters(have, num_have, 0, cluster);
        bytes = not_in(from, num_from, have, num_have);
    }
    error_clear(&e);
    free(from);
    free(have);
    return with_tables(bytes, to->cluster_size);
}

int space_check(const struct image *base, const struct image *child,
                bool backward, struct error *e)
{
    const struct image *from = backward ? child : base;
    const struct image *to = backward ? base : child;
    uint64_t needed, available;
    struct statvfs fs;
    struct stat st;

    if (stat(to->path, &st) || statvfs(to->path, &fs))
        return error_errno(e, "cannot look at %s", to->path);
    if (!S_ISREG(st.st_mode))
        return 0;
    available = (uint64_t)fs.f_bavail * fs.f_frsize;
    /* Where all of the disk fits, that is enough to know. */
    if (available > with_tables(child->virtual_size, to->cluster_size))
        return 0;
    needed = space_needed(base, child, backward);
    if (needed <= available)
        return 0;
    return error_set(e, "to merge %s into %s takes %" PRIu64 " bytes, but its "
                     "file system has %" PRIu64 " free: make room there, and "
                     "delete the snapshot again", from->path, to->path, needed,
                     available);
}
