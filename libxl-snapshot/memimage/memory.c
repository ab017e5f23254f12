/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the functions that deal with memory files share. */
#include "memimage/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "common/unique.h"
#include "savefile/memfile.h"
#include "savefile/stream.h"

static size_t folder_len(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 - path : 0;
}

int xls_memory_open_parent(const struct xls_log *log, const char *path,
                           const char *parent_path, unsigned chain,
                           struct xls_image **parent)
{
    size_t len = folder_len(path);
    int rc;

    *parent = NULL;
    if (folder_len(parent_path) != len || memcmp(path, parent_path, len)) {
        XLS_ERROR(log, "a memory image can be based on one in its own "
                  "directory only, and %s is not where %s is", parent_path,
                  path);
        return ERROR_INVAL;
    }
    rc = xls_image_open(log, parent_path, parent);
    if (rc)
        return rc;
    /* Itself, its parent, and all below that. */
    if (xls_image_depth(*parent) + 2 > chain) {
        XLS_INFO(log, "%s is not based on %s, since more than %u images would "
                 "be needed to bring it back", path, parent_path, chain);
        xls_image_close(*parent);
        *parent = NULL;
    }
    return 0;
}

int xls_memory_walk(const struct xls_log *log, const char *path,
                    bool *complete, uint64_t *size)
{
    static const size_t space = 64 << 10;
    struct xls_stream stream;
    uint64_t at = 0;
    uint8_t *data;
    off_t end;
    int fd, rc;

    rc = xls_memfile_open(log, path, &fd);
    if (rc)
        return rc;
    end = lseek(fd, 0, SEEK_END);
    data = xls_calloc(1, space);
    xls_stream_init(&stream);
    while (!rc && end > 0 && at < (uint64_t)end) {
        size_t n = (uint64_t)end - at < space ? end - at : space;
        uint32_t pages;

        rc = xls_fd_read_at(log, fd, path, data, n, at);
        if (rc)
            break;
        at += xls_stream_pass(&stream, data, n, &pages);
        at += (uint64_t)pages * XLS_STREAM_PAGE;
    }
    *complete = at == (uint64_t)end && xls_stream_whole(&stream);
    *size = end;
    free(data);
    close(fd);
    return rc;
}

int xls_memory_must_be_complete(const struct xls_log *log, const char *path,
                                bool complete)
{
    if (complete)
        return 0;
    XLS_ERROR(log, "the stream in %s does not go to its end; nothing can be "
              "brought back from it", path);
    return ERROR_SNAPSHOT_IMAGE_CORRUPT;
}

int xls_memory_check_level(const struct xls_log *log, int level)
{
    if (level >= 0 && level <= 19)
        return 0;
    XLS_ERROR(log, "level %d is not one of 0 to 19", level);
    return ERROR_INVAL;
}

int xls_memory_new_begin(const struct xls_log *log, const char *path,
                         struct xls_memory_new *file)
{
    int rc;

    file->log = log;
    file->path = path;
    file->tmp = xls_unique_path(path);
    rc = xls_file_create(log, file->tmp, NULL, &file->fd);
    if (rc)
        free(file->tmp);
    return rc;
}

int xls_memory_new_end(struct xls_memory_new *file, bool replace, int rc)
{
    if (!rc)
        rc = xls_fd_sync(file->log, file->fd, file->tmp);
    close(file->fd);
    if (!rc)
        rc = replace ? xls_file_rename(file->log, file->tmp, file->path)
                     : xls_file_rename_new(file->log, file->tmp, file->path);
    if (rc)
        xls_file_unlink(file->log, file->tmp);
    free(file->tmp);
    return rc;
}
