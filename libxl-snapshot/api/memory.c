/* SPDX-License-Identifier: LGPL-2.1-only */
/* libxl_snapshot_memory_*: memory files, without a domain. */
#include "memimage/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "savefile/memfile.h"

struct call {
    struct xls_op op;
    const char *phase;
};

static int report(void *user, uint64_t done, uint64_t total)
{
    struct call *call = user;

    return xls_op_progress(&call->op, call->phase, done, total);
}

static void begin(struct call *call, const char *func, libxl_ctx *ctx,
                  const libxl_snapshot_how *how, const char *phase,
                  struct xls_image_read_how *read)
{
    memset(read, 0, sizeof(*read));
    read->progress = report;
    read->user = call;
    read->everything = true;
    call->phase = phase;
    xls_op_open_inactive(&call->op, func, ctx, how);
}

static int end(struct call *call, int rc)
{
    if (rc == ERROR_ABORTED)
        XLS_ERROR(&call->op.log, "cancelled; nothing has changed");
    xls_op_end(&call->op);
    return rc;
}

static void fill_info(const struct xls_image *image,
                      libxl_snapshot_memory_info *info)
{
    const struct image_info *i = xls_image_info(image);
    const struct xls_image *parent = xls_image_parent(image);

    info->format = LIBXL_SNAPSHOT_MEMORY_FORMAT_IMAGE;
    info->stored = xls_image_file_size(image);
    info->content = i->content;
    info->complete = i->flags & IMAGE_WHOLE;
    info->pages = i->pages;
    info->pages_zero = i->zero;
    info->pages_stored = i->stored;
    info->pages_repeated = i->repeated;
    info->pages_parent = i->parent;
    info->parent = parent ? xls_strdup(xls_image_path(parent)) : NULL;
    info->chain = xls_image_depth(image) + 1;
}

int libxl_snapshot_memory_get_info(libxl_ctx *ctx, const char *path,
                                   const libxl_snapshot_how *how,
                                   libxl_snapshot_memory_info *info)
{
    struct xls_image_read_how read;
    struct xls_image *image;
    struct call call;
    int rc;

    begin(&call, __func__, ctx, how, "", &read);
    libxl_snapshot_memory_info_dispose(info);
    libxl_snapshot_memory_info_init(info);
    if (xls_image_is(path)) {
        rc = xls_image_open(&call.op.log, path, &image);
        if (!rc) {
            fill_info(image, info);
            xls_image_close(image);
        }
    } else {
        info->format = LIBXL_SNAPSHOT_MEMORY_FORMAT_RAW;
        rc = xls_memory_walk(&call.op.log, path, &info->complete,
                             &info->stored);
        info->content = info->stored;
        info->chain = 1;
    }
    return end(&call, rc);
}

/* A plain file whose stream goes to its end. */
static int check_plain(struct call *call, const char *path, uint64_t *size)
{
    bool complete;
    int rc = xls_memory_walk(&call->op.log, path, &complete, size);

    return rc ? rc : xls_memory_must_be_complete(&call->op.log, path,
                                                 complete);
}

static int verify_image(struct call *call, const char *path,
                        const struct xls_image_read_how *read)
{
    struct xls_image *image;
    int rc;

    rc = xls_image_open(&call->op.log, path, &image);
    if (rc)
        return rc;
    rc = xls_image_verify(image, read);
    if (!rc)
        rc = xls_image_read_checked(image, -1, NULL, read);
    if (!rc)
        rc = xls_memory_must_be_complete(
            &call->op.log, path, xls_image_info(image)->flags & IMAGE_WHOLE);
    xls_image_close(image);
    return rc;
}

int libxl_snapshot_memory_verify(libxl_ctx *ctx, const char *path,
                                 const libxl_snapshot_how *how)
{
    struct xls_image_read_how read;
    struct call call;
    uint64_t size;
    int rc;

    begin(&call, __func__, ctx, how, "verify", &read);
    rc = xls_image_is(path) ? verify_image(&call, path, &read)
                            : check_plain(&call, path, &size);
    return end(&call, rc);
}

/* The bytes of a plain file, as they are. */
static int copy_plain(struct call *call, const char *from, int to,
                      const char *to_name)
{
    static const size_t space = 1 << 20;
    uint64_t at = 0, size;
    uint8_t *data;
    int fd, rc;

    rc = check_plain(call, from, &size);
    if (!rc)
        rc = xls_memfile_open(&call->op.log, from, &fd);
    if (rc)
        return rc;
    data = xls_calloc(1, space);
    while (!rc && at < size) {
        size_t n = size - at < space ? size - at : space;

        rc = xls_fd_read_at(&call->op.log, fd, from, data, n, at);
        if (!rc)
            rc = xls_fd_write(&call->op.log, to, to_name, data, n);
        at += n;
        if (!rc && report(call, at, size))
            rc = ERROR_ABORTED;
    }
    free(data);
    close(fd);
    return rc;
}

static int unpack(struct call *call, const char *from, int to,
                  const char *to_name, const struct xls_image_read_how *read)
{
    struct xls_image *image;
    int rc;

    rc = xls_image_open(&call->op.log, from, &image);
    if (rc)
        return rc;
    rc = xls_image_read_checked(image, to, to_name, read);
    xls_image_close(image);
    return rc;
}

int libxl_snapshot_memory_export(libxl_ctx *ctx, const char *path,
                                 const char *raw_path,
                                 const libxl_snapshot_how *how)
{
    struct xls_image_read_how read;
    struct xls_memory_new file;
    struct call call;
    int rc;

    begin(&call, __func__, ctx, how, "export", &read);
    rc = xls_file_check_new(&call.op.log, raw_path);
    if (!rc)
        rc = xls_memory_new_begin(&call.op.log, raw_path, &file);
    if (!rc) {
        rc = xls_image_is(path) ? unpack(&call, path, file.fd, raw_path, &read)
                                : copy_plain(&call, path, file.fd, raw_path);
        rc = xls_memory_new_end(&file, false, rc);
    }
    return end(&call, rc);
}

/* Writes an image of a plain file's content. */
static int pack(struct call *call, const char *raw_path, int level,
                struct xls_image *parent, const struct xls_memory_new *file)
{
    const struct xls_image_write_how how = { .level = level,
                                             .parent = parent };
    struct xls_image_writer *w;
    int fd, rc;

    rc = xls_memfile_open(&call->op.log, raw_path, &fd);
    if (rc)
        return rc;
    rc = xls_image_writer_new(&call->op.log, file->fd, file->tmp, &how, &w);
    if (!rc) {
        lseek(fd, 0, SEEK_SET);
        rc = xls_image_write_from(w, fd, raw_path);
        if (!rc)
            rc = xls_image_write_end(w);
        xls_image_writer_free(w);
    }
    close(fd);
    return rc;
}

int libxl_snapshot_memory_import(libxl_ctx *ctx, const char *raw_path,
                                 const char *path, const char *parent_path,
                                 int level, const libxl_snapshot_how *how)
{
    struct xls_image *parent = NULL;
    struct xls_image_read_how read;
    struct xls_memory_new file;
    struct call call;
    uint64_t size;
    int rc;

    begin(&call, __func__, ctx, how, "import", &read);
    rc = xls_memory_check_level(&call.op.log, level);
    if (!rc)
        rc = xls_file_check_new(&call.op.log, path);
    if (!rc)
        rc = check_plain(&call, raw_path, &size);
    if (!rc && parent_path)
        rc = xls_memory_open_parent(&call.op.log, path, parent_path,
                                    IMAGE_MAX_CHAIN, &parent);
    if (!rc)
        rc = xls_memory_new_begin(&call.op.log, path, &file);
    if (!rc) {
        rc = pack(&call, raw_path, level, parent, &file);
        rc = xls_memory_new_end(&file, false, rc);
    }
    xls_image_close(parent);
    return end(&call, rc);
}
