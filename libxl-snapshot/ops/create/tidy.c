/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a killed create has left of a domain that has been restarted since, or of
 * a disk that is another one by now.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block/inside.h"
#include "common/files.h"
#include "common/freeze.h"
#include "common/json/file_id.h"
#include "diskimage/written.h"
#include "ops/create/create.h"
#include "xen/users.h"

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

/* Whether an overlay may be removed; says so if not. */
static bool is_needed(struct xls_op *op, const char *vdev, const char *overlay,
                      const char *base)
{
    bool used = xls_is_active(op, overlay) ||
                xls_check_unused(op, XLS_NO_DOMID, vdev, overlay);

    if (!used && !xls_image_written(overlay))
        return false;
    XLS_WARN(&op->log, "disk %s: %s, the overlay of an interrupted snapshot on "
             "%s, is kept: it %s", vdev, overlay, base,
             used ? "is in use" : "holds data that a guest wrote");
    return true;
}

/* The overlay is at the disk's path, and what it is based on at frozen. */
static int tidy_in_place(struct xls_op *op, const char *vdev, const char *base,
                         const char *frozen)
{
    int rc;

    if (is_needed(op, vdev, base, frozen)) {
        if (!xls_is_active(op, frozen))
            xls_file_freeze(&op->log, frozen);
        return 0;
    }
    rc = xls_file_thaw(&op->log, frozen);
    return rc ? rc : xls_file_rename(&op->log, frozen, base);
}

/* Whether the names mean the files of the journal. Others may have them by now, of
 * a domain that was made anew. */
static bool are_its_files(const struct xls_json *o, const char *base,
                          const char *frozen, const char *second)
{
    const struct xls_file_id id = xls_file_id_from_json(o, "base_id");

    return !id.ino || xls_was_file(base, &id) || xls_was_file(frozen, &id) ||
           (second && xls_was_file(second, &id));
}

int xls_create_tidy_disk(struct xls_op *op, const struct xls_json *o)
{
    const struct xls_json *args = xls_json_get(o, "args");
    const char *overlay = xls_json_get_str(o, "overlay_path");
    const char *frozen = xls_json_get_str(o, "frozen_path");
    const char *base = xls_json_get_str(o, "base_path");
    const char *vdev = xls_json_get_str(o, "vdev");
    bool keep_path = xls_json_get_bool(args, "keep_path", false);
    bool reused = xls_json_get_bool(args, "reuse_external", false);
    char *second;
    int rc = 0;

    if (!overlay && op->domid != XLS_NO_DOMID)
        return tidy_internal(op, o);
    if (!overlay || !frozen || !base || !vdev)
        return 0;
    second = xls_create_second_name(o);
    if (!are_its_files(o, base, frozen, second)) {
        XLS_NOTICE(&op->log, "disk %s: %s is another file by now than the one "
                   "of which a snapshot was interrupted; it is left as it is",
                   vdev, base);
        free(second);
        return 0;
    }
    if (second)
        xls_file_drop_second_name(&op->log, second, frozen);
    free(second);
    /* Its second name, while it was opened. */
    if (keep_path && xls_same_file(overlay, base))
        rc = xls_file_unlink(&op->log, overlay);
    if (rc)
        return rc;
    if (keep_path && !xls_create_exists(overlay) &&
        xls_create_exists(frozen) && !xls_same_file(frozen, base))
        return tidy_in_place(op, vdev, base, frozen);
    if (xls_create_exists(overlay)) {
        /* It was being undone, and QEMU has gone over to the base: that is the
         * disk's file again, with what the guest has written since. */
        if (!keep_path && xls_frozen(overlay)) {
            XLS_NOTICE(&op->log, "disk %s is on %s again; %s, the overlay of "
                       "an interrupted snapshot, is not used any more", vdev,
                       base, overlay);
            return 0;
        }
        if (is_needed(op, vdev, overlay, base)) {
            if (!keep_path && !xls_is_active(op, base))
                xls_file_freeze(&op->log, base);
            return 0;
        }
        /* What it is based on is the disk's file again: before it goes, so that
         * there is one that a domain can be started on. */
        rc = keep_path ? 0 : xls_file_thaw(&op->log, base);
        if (rc || reused)
            return rc;
        rc = xls_file_thaw(&op->log, overlay);
        if (!rc)
            rc = xls_file_unlink(&op->log, overlay);
    }
    /* What a kept overlay is based on keeps both its names. */
    if (!rc && keep_path && xls_same_file(frozen, base))
        rc = xls_file_unlink(&op->log, frozen);
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
