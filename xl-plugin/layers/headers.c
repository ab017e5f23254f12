/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/headers.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/files.h"
#include "diskimage/format.h"
#include "diskimage/mismatch.h"
#include "layers/image.h"
#include "store/device.h"

static const char *or_none(const char *s)
{
    return str_none(s) ? "none" : s;
}

/* Backing files as whole paths, where QEMU and qemu-img can tell them. */
static bool same_backing(const libxl_disk_layer *layer,
                         const struct image *image)
{
    const char *known = layer->backing_recorded_full
                            ? layer->backing_recorded_full
                            : layer->backing_recorded;

    return str_same(known, image->backing) ||
           (known && image->backing && xls_same_file(known, image->backing));
}

static void compare(libxl_disk_chain *chain, libxl_disk_layer *layer,
                    const struct image *image)
{
    libxl_disk_format known = xls_driver_format(layer->backing_recorded_format);

    if (!same_backing(layer, image))
        xls_mismatch(chain, layer, LIBXL_DISK_MISMATCH_KIND_HEADER,
                     "the header of the image now names the backing file %s, "
                     "QEMU found %s there", or_none(image->backing),
                     or_none(layer->backing_recorded));
    else if (image->backing && image->backing_format != known)
        xls_mismatch(chain, layer, LIBXL_DISK_MISMATCH_KIND_HEADER,
                     "the header of the image now names the format %s of the "
                     "backing file, QEMU found %s there",
                     libxl_disk_format_to_string(image->backing_format),
                     or_none(layer->backing_recorded_format));
    if (image->virtual_size != layer->virtual_size)
        xls_mismatch(chain, layer, LIBXL_DISK_MISMATCH_KIND_HEADER,
                     "the header of the image says that it holds %" PRIu64
                     " bytes, QEMU %" PRIu64, image->virtual_size,
                     layer->virtual_size);
}

/* The images that one run of qemu-img found, from the top on. */
struct headers {
    struct image *images;
    int num;
};

static const struct image *find(const struct headers *headers,
                                const libxl_disk_layer *layer)
{
    int i;

    for (i = 0; i < headers->num; i++)
        if (str_same(headers->images[i].path, layer->filename) &&
            headers->images[i].format == layer->format)
            return &headers->images[i];
    return NULL;
}

static void check_layer(libxl_disk_chain *chain, libxl_disk_layer *layer,
                        const struct headers *headers)
{
    const struct image *known = find(headers, layer);
    struct error e = { 0 };
    struct image image;

    /* A file that is not there is told already. */
    if (!layer->stat_valid || layer->format == LIBXL_DISK_FORMAT_RAW ||
        !xls_format_driver(layer->format))
        return;
    if (known) {
        compare(chain, layer, known);
        return;
    }
    if (image_info(layer->filename, layer->format, &image, &e)) {
        xls_mismatch(chain, layer, LIBXL_DISK_MISMATCH_KIND_HEADER,
                     "its header cannot be read: %s", e.text);
        error_clear(&e);
        return;
    }
    compare(chain, layer, &image);
    image_dispose(&image);
}

void headers_check(libxl_disk_chain *chain)
{
    struct headers headers = { 0 };
    struct error ignored = { 0 };
    int i;

    /* Where a header leads elsewhere, this does not come to what QEMU has
     * open below; those layers are then looked at one by one. */
    if (chain->num_layers > 1 &&
        image_chain(chain->layers[0].filename, chain->layers[0].format,
                    &headers.images, &headers.num, &ignored))
        error_clear(&ignored);
    for (i = 0; i < chain->num_layers; i++)
        check_layer(chain, &chain->layers[i], &headers);
    image_list_free(headers.images, headers.num);
}

static void check_device(libxl_disk_chain *chain, libxl_disk_layer *layer,
                         const xl_snapshot_record *rec)
{
    const xl_snapshot_disk *d = record_disk(rec, chain->vdev);
    char *now;

    if (!d || !(str_same(d->layer_path, layer->filename) ||
                xls_same_file(d->layer_path, layer->filename)) ||
        device_is(d->layer_path, d->device))
        return;
    now = device_identity(d->layer_path);
    xls_mismatch(chain, layer, LIBXL_DISK_MISMATCH_KIND_FILE,
                 "%s is another block device now than when snapshot %s was "
                 "taken: %s, not %s", d->layer_path, rec->name,
                 or_none(now), d->device);
    free(now);
}

void headers_check_devices(libxl_disk_chain *chain, const struct store *st)
{
    int i, j;

    for (i = 0; i < chain->num_layers; i++)
        for (j = 0; j < st->num_records; j++)
            check_device(chain, &chain->layers[i], st->records[j]);
}

static bool is_local(const libxl_disk_layer *layer)
{
    return layer->filename && layer->filename[0] == '/';
}

int headers_verify(const libxl_disk_chain *chain, const char *top,
                   libxl_disk_format format, struct error *e)
{
    struct image *images = NULL;
    bool local = false;
    int i, num = 0, ret = 0;

    for (i = 0; i < chain->num_layers; i++)
        local |= is_local(&chain->layers[i]);
    if (!local)
        return 0;
    if (top[0] == '/' && image_chain(top, format, &images, &num, e))
        return -1;
    for (i = 0; !ret && i < chain->num_layers; i++) {
        const char *opened = chain->layers[i].filename;
        const char *named = i < num ? images[i].path : "no such layer";

        if (is_local(&chain->layers[i]) && !str_same(opened, named) &&
            !xls_same_file(opened, named))
            ret = error_set(e, "disk %s: QEMU has %s open as layer %d, but the "
                            "headers of the images lead to %s; 'xl disk-chain "
                            "--validate' shows the chain", chain->vdev, opened,
                            i, named);
    }
    image_list_free(images, num);
    return ret;
}
