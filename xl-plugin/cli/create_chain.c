/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/create_chain.h"

#include "storage/image.h"

int create_check_chain(const libxl_disk_snapshot *d, struct error *e)
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
    image_list_free(layers, num);
    return ret;
}
