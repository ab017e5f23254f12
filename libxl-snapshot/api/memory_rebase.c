/* SPDX-License-Identifier: LGPL-2.1-only */
/* libxl_snapshot_memory_rebase: an image is written anew on what is further
 * down its chain, and takes its own place when it has the same content. */
#include "memimage/memory.h"

#include <string.h>
#include <sys/uio.h>

#include "common/files.h"

struct rebase {
    struct xls_op op;
    struct xls_image_writer *writer;
    uint64_t total;
};

static int write_parts(void *user, struct iovec *iov, int num)
{
    struct rebase *r = user;
    int i, rc = 0;

    for (i = 0; !rc && i < num; i++)
        rc = xls_image_write(r->writer, iov[i].iov_base, iov[i].iov_len);
    if (!rc && xls_op_progress(&r->op, "rebase",
                               xls_image_write_taken(r->writer), r->total))
        rc = ERROR_ABORTED;
    return rc;
}

/* What is below the image that is called so, or none for no name. */
static int find_parent(struct rebase *r, const struct xls_image *image,
                       const char *path, struct xls_image **parent)
{
    struct xls_image *i = xls_image_parent(image);

    *parent = NULL;
    if (!path)
        return 0;
    while (i && !xls_same_file(xls_image_path(i), path))
        i = xls_image_parent(i);
    if (i) {
        *parent = i;
        return 0;
    }
    XLS_ERROR(&r->op.log, "%s is not an image that %s is based on", path,
              xls_image_path(image));
    return ERROR_INVAL;
}

static int write_anew(struct rebase *r, struct xls_image *image,
                      struct xls_image *parent, int level,
                      const struct xls_memory_new *file)
{
    const struct xls_image_write_how how = {
        .level = level, .parent = parent, .same = image,
    };
    const struct xls_image_read_how read = { 0 };
    int rc;

    rc = xls_image_writer_new(&r->op.log, file->fd, file->tmp, &how,
                              &r->writer);
    if (rc)
        return rc;
    r->total = xls_image_info(image)->content;
    rc = xls_image_pour(image, write_parts, r, &read);
    if (!rc)
        rc = xls_image_write_end(r->writer);
    xls_image_writer_free(r->writer);
    return rc;
}

/* Whether what was written is good for what it is to replace, read afresh. */
static int check_written(struct rebase *r, const struct xls_image *image,
                         const char *tmp)
{
    const struct xls_image_read_how read = { .everything = true };
    struct xls_image *written;
    int rc;

    rc = xls_image_open(&r->op.log, tmp, &written);
    if (rc)
        return rc;
    rc = xls_image_verify(written, &read);
    if (!rc && memcmp(xls_image_info(written)->checksum,
                      xls_image_info(image)->checksum,
                      sizeof(xls_image_info(image)->checksum))) {
        XLS_ERROR(&r->op.log, "what was written anew of %s has another "
                  "content; it was dropped", xls_image_path(image));
        rc = ERROR_SNAPSHOT_IMAGE_CORRUPT;
    }
    xls_image_close(written);
    return rc;
}

static int rebase(struct rebase *r, struct xls_image *image, const char *path,
                  const char *parent_path, int level)
{
    struct xls_memory_new file;
    struct xls_image *parent;
    int rc;

    rc = find_parent(r, image, parent_path, &parent);
    if (rc || parent == xls_image_parent(image))
        return rc;
    rc = xls_memory_new_begin(&r->op.log, path, &file);
    if (rc)
        return rc;
    rc = write_anew(r, image, parent, level, &file);
    if (!rc)
        rc = check_written(r, image, file.tmp);
    return xls_memory_new_end(&file, true, rc);
}

int libxl_snapshot_memory_rebase(libxl_ctx *ctx, const char *path,
                                 const char *parent_path, int level,
                                 const libxl_snapshot_how *how)
{
    struct xls_image *image = NULL;
    struct rebase r = { .writer = NULL };
    int rc;

    xls_op_open_inactive(&r.op, __func__, ctx, how);
    if (!xls_image_is(path)) {
        XLS_ERROR(&r.op.log, "%s is no memory image; only one can be based on "
                  "another", path);
        rc = ERROR_INVAL;
    } else {
        rc = xls_memory_check_level(&r.op.log, level);
    }
    if (!rc)
        rc = xls_image_open(&r.op.log, path, &image);
    if (!rc)
        rc = rebase(&r, image, path, parent_path, level);
    xls_image_close(image);
    xls_op_end(&r.op);
    return rc;
}
