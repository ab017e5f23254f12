/* SPDX-License-Identifier: LGPL-2.1-only */
#include "commands/create_chain.h"

#include <stdlib.h>

#include "common/files.h"
#include "layers/image.h"

static int check_depth(const struct create_options *o,
                       const libxl_disk_snapshot *d, int num, struct error *e)
{
    if (d->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL ||
        num < (int)o->max_layers)
        return 0;
    return error_set(e, "disk %s has %d layers already, and %u is the most "
                     "that it may have; delete snapshots (xl snapshot-delete) "
                     "or merge layers (xl disk-pull, xl disk-commit) first, or "
                     "use --max-layers", d->disk.vdev, num, o->max_layers);
}

/* Whether a snapshot of the domain is inside the image by that name. */
static bool is_ours(const struct store *st, const char *path, const char *name)
{
    int i, j;

    for (i = 0; i < st->num_records; i++)
        for (j = 0; j < st->records[i]->num_disks; j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];

            if (d->method == LIBXL_SNAPSHOT_METHOD_INTERNAL &&
                str_same(d->internal_name, name) &&
                (str_same(d->layer_path, path) ||
                 xls_same_file(d->layer_path, path)))
                return true;
        }
    for (i = 0; i < st->info.num_leftovers; i++)
        if (str_same(st->info.leftovers[i].internal_name, name))
            return true;
    return false;
}

static int check_inside(struct cli *cli, const struct store *st,
                        const libxl_disk_snapshot *d, const struct image *top,
                        struct error *e)
{
    struct strings others = { 0 };
    char *names;
    int i;

    if (d->method == LIBXL_SNAPSHOT_METHOD_INTERNAL) {
        if (!image_internal_named(top, d->name))
            return 0;
        return error_set(e, "disk %s: %s holds an internal snapshot \"%s\" "
                         "already; choose another name, or delete that one "
                         "with 'qemu-img snapshot -d' while the domain is off",
                         d->disk.vdev, d->disk.pdev_path, d->name);
    }
    for (i = 0; i < top->internal.num; i++)
        if (!is_ours(st, d->disk.pdev_path, top->internal.v[i]))
            strings_add(&others, top->internal.v[i]);
    if (others.num) {
        names = strings_join(&others, ", ");
        cli_say(cli, "disk %s: %s holds internal snapshots that are not of "
                "these commands (%s). They stay in the layer that is frozen "
                "now, and it cannot be merged while it holds them; 'qemu-img "
                "snapshot -d' deletes them while no domain uses the image",
                d->disk.vdev, d->disk.pdev_path, names);
        free(names);
    }
    strings_free(&others);
    return 0;
}

int create_check_chain(struct cli *cli, const struct store *st,
                       const struct create_options *o,
                       const libxl_disk_snapshot *d, struct error *e)
{
    struct error ignored = { 0 };
    struct image *layers;
    int num, ret;

    if (d->method == LIBXL_SNAPSHOT_METHOD_NONE ||
        d->disk.pdev_path[0] != '/')
        return 0;
    /* The library sees what QEMU has open, and checks it as well. */
    if (image_chain(d->disk.pdev_path, d->disk.format, &layers, &num,
                    &ignored)) {
        error_clear(&ignored);
        return 0;
    }
    ret = image_check_data_files(layers, num, e);
    if (ret)
        error_set(e, "disk %s: %s", d->disk.vdev, e->text);
    if (!ret)
        ret = check_depth(o, d, num, e);
    if (!ret)
        ret = check_inside(cli, st, d, &layers[0], e);
    image_list_free(layers, num);
    return ret;
}
