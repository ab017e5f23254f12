/* SPDX-License-Identifier: LGPL-2.1-only */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "memimage/memory.h"
#include "ops/create/create.h"
#include "savefile/memfile.h"

/*
 * The configuration in the memory file names the frozen layers: they, and not
 * what the guest writes after, belong to this memory. A plain restore from it
 * is refused by their immutability, unless it is given other disks or the
 * flag is lifted.
 */
static char *config_json(struct xls_create *c)
{
    libxl_domain_config *config = &c->disks.config;
    char **kept = xls_calloc(config->num_disks, sizeof(*kept));
    char *json;
    int i, k;

    for (k = 0; k < config->num_disks; k++) {
        kept[k] = config->disks[k].pdev_path;
        for (i = 0; i < c->num_todo; i++)
            if (c->todo[i].disk->rec == &config->disks[k] &&
                c->todo[i].frozen_path)
                config->disks[k].pdev_path = (char *)c->todo[i].frozen_path;
    }
    json = libxl_domain_config_to_json(c->op.ctx, config);
    for (k = 0; k < config->num_disks; k++)
        config->disks[k].pdev_path = kept[k];
    free(kept);
    return json;
}

static int check_format(struct xls_create *c)
{
    const libxl_domain_snapshot_args *a = c->args;

    switch (a->memory_format) {
    case LIBXL_SNAPSHOT_MEMORY_FORMAT_IMAGE:
        break;
    case LIBXL_SNAPSHOT_MEMORY_FORMAT_RAW:
        if (!a->memory_parent || !a->memory_parent[0])
            return 0;
        XLS_ERROR(&c->op.log, "a memory file of format raw cannot be based on "
                  "%s; only one of format image can", a->memory_parent);
        return ERROR_INVAL;
    default:
        XLS_ERROR(&c->op.log, "unknown memory_format %d", a->memory_format);
        return ERROR_INVAL;
    }
    return 0;
}

int xls_create_check_memory(struct xls_create *c)
{
    const libxl_domain_snapshot_args *a = c->args;
    int rc;

    if (!a->memory_path || !a->memory_path[0]) {
        XLS_ERROR(&c->op.log, "saving memory needs memory_path");
        return ERROR_INVAL;
    }
    rc = check_format(c);
    if (!rc)
        rc = xls_memory_check_level(&c->op.log, a->memory_level);
    if (!rc)
        rc = xls_file_check_new(&c->op.log, a->memory_path);
    if (!rc)
        rc = xls_create_check_room(c);
    if (!rc && a->memory_parent && a->memory_parent[0])
        rc = xls_memory_open_parent(&c->op.log, a->memory_path,
                                    a->memory_parent, a->memory_chain,
                                    &c->memory_parent);
    if (rc)
        return rc;
    c->memory_tmp = xls_unique_path(a->memory_path);
    return 0;
}

static int add_header(struct xls_create *c)
{
    char *json = config_json(c);
    size_t len;
    void *header;
    int rc;

    if (!json) {
        XLS_ERROR(&c->op.log, "libxl cannot write the configuration of domain "
                  "%s as JSON", c->op.name);
        return ERROR_FAIL;
    }
    header = xls_memfile_make_header(json, &len);
    rc = c->image ? xls_image_write(c->image, header, len)
                  : xls_fd_write(&c->op.log, c->memory_fd, c->memory_tmp,
                                 header, len);
    free(header);
    free(json);
    return rc;
}

int xls_create_memory_file(struct xls_create *c)
{
    int rc;

    if (!c->args->memory)
        return 0;
    rc = xls_file_create(&c->op.log, c->memory_tmp, NULL, &c->memory_fd);
    if (rc)
        return rc;
    c->memory_made = true;
    xls_identify_fd(c->memory_fd, &c->memory_id);
    if (c->args->memory_format == LIBXL_SNAPSHOT_MEMORY_FORMAT_IMAGE) {
        const struct xls_image_write_how how = {
            .level = c->args->memory_level,
            .hurry = !c->args->live,
            .parent = c->memory_parent,
        };

        rc = xls_image_writer_new(&c->op.log, c->memory_fd, c->memory_tmp,
                                  &how, &c->image);
        if (rc)
            return rc;
    }
    return add_header(c);
}

void xls_create_undo_memory_file(struct xls_create *c)
{
    if (c->memory_made)
        xls_file_unlink(&c->op.log, c->memory_tmp);
    c->memory_made = false;
}

static uint64_t file_taken(void *user)
{
    const struct xls_create *c = user;
    struct stat st;

    return fstat(c->memory_fd, &st) ? 0 : st.st_size;
}

/* libxl itself says so. */
static bool file_failed(void *user)
{
    (void)user;
    return false;
}

static uint64_t image_taken(void *user)
{
    const struct xls_create *c = user;

    return xls_image_write_taken(c->image);
}

static bool image_failed(void *user)
{
    const struct xls_create *c = user;

    return xls_image_fill_failed(c->memory_pipe);
}

int xls_create_save(struct xls_create *c)
{
    struct xls_save_to to = { .fd = c->memory_fd, .taken = file_taken,
                              .failed = file_failed, .user = c };
    int rc, rc_image;

    if (!c->args->memory)
        return 0;
    if (c->image) {
        to.taken = image_taken;
        to.failed = image_failed;
        rc = xls_image_fill(&c->op.log, c->image, &c->memory_pipe, &to.fd);
        if (rc)
            return rc;
    }
    rc = xls_domain_save(&c->op, &to, c->args->live, &c->suspend);
    rc_image = xls_image_pipe_end(c->memory_pipe);
    c->memory_pipe = NULL;
    return rc ? rc : rc_image;
}

void xls_create_undo_save(struct xls_create *c)
{
    if (c->suspend.suspended && !xls_domain_resume(&c->op))
        c->suspend.suspended = false;
}

int xls_create_finish_memory(struct xls_create *c)
{
    struct stat st;
    int rc;

    if (!c->args->memory)
        return 0;
    rc = c->image ? xls_image_write_end(c->image) : 0;
    if (rc)
        return rc;
    rc = xls_fd_sync(&c->op.log, c->memory_fd, c->memory_tmp);
    if (rc)
        return rc;
    if (!fstat(c->memory_fd, &st))
        c->memory_bytes = c->memory_content = st.st_size;
    if (c->image)
        c->memory_content = xls_image_write_taken(c->image);
    /* From here on recovery knows the file by its identity. */
    rc = xls_create_journal(c);
    if (rc)
        return rc;
    rc = xls_file_rename_new(&c->op.log, c->memory_tmp, c->args->memory_path);
    if (!rc)
        c->memory_made = false;
    else if (xls_is_file(c->args->memory_path, &c->memory_id))
        xls_file_unlink(&c->op.log, c->args->memory_path);
    return rc;
}
