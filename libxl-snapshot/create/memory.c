/* SPDX-License-Identifier: LGPL-2.1-only */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "create.h"
#include "domain/memfile.h"
#include "files/files.h"

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

int xls_create_memory_file(struct xls_create *c)
{
    char *json;
    int rc;

    if (!c->args->memory)
        return 0;
    rc = xls_file_create(&c->op.log, c->memory_tmp, NULL, &c->memory_fd);
    if (rc)
        return rc;
    c->memory_made = true;
    json = config_json(c);
    if (!json) {
        XLS_ERROR(&c->op.log, "libxl cannot write the configuration of domain "
                  "%s as JSON", c->op.name);
        return ERROR_FAIL;
    }
    rc = xls_memfile_write_header(&c->op.log, c->memory_fd, c->memory_tmp,
                                  json);
    free(json);
    return rc;
}

void xls_create_undo_memory_file(struct xls_create *c)
{
    if (c->memory_made)
        xls_file_unlink(&c->op.log, c->memory_tmp);
    c->memory_made = false;
}

int xls_create_save(struct xls_create *c)
{
    return c->args->memory ? xls_domain_save(&c->op, c->memory_fd,
                                             c->args->live, &c->suspend)
                           : 0;
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
    rc = xls_fd_sync(&c->op.log, c->memory_fd, c->memory_tmp);
    if (rc)
        return rc;
    if (!fstat(c->memory_fd, &st))
        c->memory_bytes = st.st_size;
    rc = xls_file_rename_new(&c->op.log, c->memory_tmp, c->args->memory_path);
    if (rc)
        return rc;
    c->memory_made = false;
    rc = xls_dir_sync(&c->op.log, c->args->memory_path);
    if (rc)
        xls_file_unlink(&c->op.log, c->args->memory_path);
    return rc;
}
