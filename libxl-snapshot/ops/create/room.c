/* SPDX-License-Identifier: LGPL-2.1-only */
/* Whether there is room for the memory file, asked before the guest stops. */
#include "ops/create/create.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/alloc.h"

#define PAGE        4096u
/* Frames that a save of a PVH or HVM guest lists, whatever its size. */
#define FRAMES      (1u << 20)
/* Each frame is listed with 8 bytes. */
#define PER_FRAME   8u
/* Headers, the virtual CPUs' state and that of QEMU's devices. */
#define THE_REST    (64ull << 20)

uint64_t xls_create_memory_bound(const libxl_dominfo *info)
{
    uint64_t paged = info->paged_memkb == LIBXL_MEMKB_DEFAULT
                         ? 0 : info->paged_memkb;
    uint64_t bytes = (info->current_memkb + paged) * 1024ull;
    uint64_t frames = bytes / PAGE;

    return bytes + (frames > FRAMES ? frames : FRAMES) * PER_FRAME + THE_REST;
}

int xls_create_check_room(struct xls_create *c)
{
    const char *path = c->args->memory_path, *slash = strrchr(path, '/');
    uint64_t bound = xls_create_memory_bound(&c->op.info), room;
    char *dir = slash > path ? xls_memdup0(path, slash - path)
                             : xls_strdup("/");
    struct statvfs fs;
    int rc = 0;

    if (statvfs(dir, &fs)) {
        XLS_ERRORE(&c->op.log, "cannot look at %s", dir);
        rc = ERROR_SNAPSHOT_STORAGE;
        goto out;
    }
    room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (c->args->ignore_room || room >= bound)
        goto out;
    XLS_ERROR(&c->op.log, "%s has room for %llu MiB, and the memory of domain "
              "%s may take up to %llu MiB: free some, or give another place "
              "(memory_path), or take the snapshot all the same (ignore_room); "
              "the guest was not stopped", dir,
              (unsigned long long)(room >> 20), c->op.name,
              (unsigned long long)(bound >> 20));
    rc = ERROR_SNAPSHOT_STORAGE;

out:
    free(dir);
    return rc;
}
