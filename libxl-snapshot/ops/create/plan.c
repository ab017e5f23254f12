/* SPDX-License-Identifier: LGPL-2.1-only */
#include "ops/create/create.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"

void xls_create_disk_dispose(struct xls_create_disk *d)
{
    free(d->node);
    free(d->base_path);
    free(d->overlay_path);
    free(d->second_name);
}

void xls_create_dispose(struct xls_create *c)
{
    int i;

    for (i = 0; i < c->num_todo; i++)
        xls_create_disk_dispose(&c->todo[i]);
    free(c->todo);
    xls_image_writer_free(c->image);
    xls_image_close(c->memory_parent);
    free(c->memory_tmp);
    if (c->memory_fd >= 0)
        close(c->memory_fd);
    xls_disks_dispose(&c->disks);
}

bool xls_create_is_undone(const struct xls_create *c)
{
    int i;

    for (i = 0; i < c->num_todo; i++) {
        const struct xls_create_disk *d = &c->todo[i];

        if (d->switched || d->snapshotted || d->moved || d->linked || d->made)
            return false;
    }
    return !c->op.in_doubt;
}

bool xls_create_exists(const char *path)
{
    return path && !access(path, F_OK);
}

bool xls_create_is_layer(const struct xls_layer *layer, const char *path)
{
    return path && (!strcmp(layer->path, path) ||
                    xls_same_file(layer->path, path));
}

char *xls_create_second_name(const struct xls_json *disk)
{
    const char *recorded = xls_json_get_str(disk, "second_name");
    const char *base = xls_json_get_str(disk, "base_path");
    const char *frozen = xls_json_get_str(disk, "frozen_path");

    if (recorded)
        return xls_strdup(recorded);
    return base && frozen &&
           xls_json_get_bool(xls_json_get(disk, "args"), "keep_path", false)
               ? xls_file_second_name_unrecorded(frozen, base) : NULL;
}
