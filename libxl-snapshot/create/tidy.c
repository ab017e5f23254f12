/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a killed create has left of a domain that has been restarted since, or of
 * a disk that is another one by now.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "block/inside.h"
#include "block/users.h"
#include "create.h"
#include "files/files.h"
#include "json/json.h"

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

/* An internal snapshot that a killed create made, in an image that the domain
 * has as the same disk again after a restart. */
static int tidy_internal(struct xls_op *op, const struct xls_json *o)
{
    const char *name = xls_json_get_str(xls_json_get(o, "args"), "name");
    const char *base = xls_json_get_str(o, "base_path");
    struct xls_disks disks = { 0 };
    struct xls_disk *disk;
    int rc;

    if (!name || !base)
        return 0;
    rc = xls_disks_load(op, &disks);
    if (rc)
        return rc;
    disk = xls_disks_find(&disks, xls_json_get_str(o, "vdev"));
    if (disk && disk->num_layers && xls_create_is_layer(&disk->layers[0], base) &&
        xls_internal_named(disk, name) == 1)
        rc = xls_internal_delete(op, disk, name);
    xls_op_qmp_close(op);
    xls_disks_dispose(&disks);
    return rc;
}

int xls_create_tidy_disk(struct xls_op *op, const struct xls_json *o)
{
    const struct xls_json *args = xls_json_get(o, "args");
    const char *overlay = xls_json_get_str(o, "overlay_path");
    const char *frozen = xls_json_get_str(o, "frozen_path");
    const char *base = xls_json_get_str(o, "base_path");
    const char *vdev = xls_json_get_str(o, "vdev");
    bool keep_path = xls_json_get_bool(args, "keep_path", false);
    bool in_place = false;      /* the overlay is at the disk's path */
    bool used;
    char *second = xls_create_second_name(o);
    int rc = 0;

    if (!overlay && op->domid != XLS_NO_DOMID)
        rc = tidy_internal(op, o);
    if (!overlay || !frozen || !base ||
        xls_json_get_bool(args, "reuse_external", false))
        goto out;
    if (second)
        xls_file_drop_second_name(&op->log, second, frozen);
    if (keep_path) {
        if (xls_same_file(overlay, base))
            rc = xls_file_unlink(&op->log, overlay);
        if (!rc && xls_same_file(frozen, base))
            rc = xls_file_unlink(&op->log, frozen);
        in_place = !rc && xls_create_exists(frozen) && xls_create_exists(base) && !xls_create_exists(overlay);
    }
    if (rc)
        goto out;
    if (in_place)
        overlay = base;
    if (!xls_create_exists(overlay))
        goto out;
    used = xls_is_active(op, overlay) ||
           xls_check_unused(op, XLS_NO_DOMID, vdev, overlay);
    if (used || xls_image_written(overlay)) {
        XLS_WARN(&op->log, "disk %s: %s, the overlay of an interrupted snapshot "
                 "on %s, is kept: it %s", vdev, overlay, in_place ? frozen : base,
                 used ? "is in use" : "holds data that a guest wrote");
        if (in_place && !xls_is_active(op, frozen))
            xls_file_freeze(&op->log, frozen);
    } else if (in_place) {
        rc = xls_file_thaw(&op->log, frozen);
        if (!rc)
            rc = xls_file_rename(&op->log, frozen, base);
    } else {
        rc = xls_file_thaw(&op->log, overlay);
        if (!rc)
            rc = xls_file_unlink(&op->log, overlay);
    }

out:
    free(second);
    return rc;
}

int xls_create_tidy_killed(struct xls_op *op, const struct xls_json *journal)
{
    const struct xls_json *disks = xls_json_get(journal, "disks");
    const char *path = xls_json_get_str(journal, "memory_tmp");
    size_t i;
    int rc;

    rc = path ? xls_file_unlink(&op->log, path) : 0;
    for (i = 0; i < xls_json_len(disks) && !rc; i++)
        rc = xls_create_tidy_disk(op, xls_json_at(disks, i));
    return rc;
}
