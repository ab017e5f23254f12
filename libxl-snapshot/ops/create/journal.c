/* SPDX-License-Identifier: LGPL-2.1-only */
/* What a create is about to do. */
#include "intent/journal.h"

#include "common/files.h"
#include "common/json/file_id.h"
#include "ops/create/create.h"

static struct xls_json *disk_json(const struct xls_create *c,
                                  const struct xls_create_disk *d)
{
    struct xls_json *o = xls_json_object();

    xls_json_set(o, "args",
                 xls_json_of_text(libxl_disk_snapshot_to_json(c->op.ctx,
                                                              d->args),
                                  &xls_json_limits_file));
    xls_json_set_str(o, "vdev", d->disk->rec->vdev);
    xls_json_set_str(o, "node", d->node);
    xls_json_set_str(o, "base_path", d->base_path);
    xls_file_id_to_json(o, "base_id", &d->base_id);
    xls_json_set_str(o, "overlay_path", d->overlay_path);
    xls_json_set_str(o, "second_name", d->second_name);
    xls_json_set_str(o, "frozen_path", d->frozen_path);
    xls_json_set_str(o, "top_path", d->top_path);
    return o;
}

int xls_create_journal(struct xls_create *c)
{
    struct xls_json *o = xls_journal_new(&c->op, "create");
    struct xls_json *disks = xls_json_array();
    int i, rc;

    xls_json_set_str(o, "memory_tmp", c->memory_tmp);
    xls_json_set_str(o, "memory_path", c->args->memory_path);
    xls_file_id_to_json(o, "memory_id", &c->memory_id);
    for (i = 0; i < c->num_todo; i++)
        xls_json_append(disks, disk_json(c, &c->todo[i]));
    xls_json_set(o, "disks", disks);
    if (c->merge)
        xls_merge_journal(o, c->merge_disk, c->merge);
    rc = xls_journal_write(&c->op, o);
    xls_json_free(o);
    return rc;
}

int xls_create_close_journal(struct xls_create *c)
{
    return xls_journal_remove(&c->op);
}
