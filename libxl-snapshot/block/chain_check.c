/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/chain.h"

#include <stdlib.h>
#include <string.h>

#include "diskimage/spec.h"
#include "common/files.h"
#include "diskimage/mismatch.h"
#include "xen/records.h"

#define JSON_SPEC "json:"

static const char *or_none(const char *s)
{
    return s ? s : "none";
}

static bool same_path(const char *a, const char *b)
{
    return a && b && (!strcmp(a, b) || xls_same_file(a, b));
}

/*
 * Whether the recorded backing file is the one that is open. QEMU writes a
 * layer's own name as json: when another backing file is open than the image
 * asks for, so a plain name is its word that they are the same, however they
 * are written (nbd:HOST:PORT and nbd://HOST:PORT, say).
 */
static bool same_backing(const libxl_disk_layer *layer,
                         const libxl_disk_layer *based)
{
    const char *recorded = layer->backing_recorded_full
                               ? layer->backing_recorded_full
                               : layer->backing_recorded;
    char *path;
    bool same;

    if (!strcmp(recorded, based->spec ? based->spec : "") ||
        (based->filename && !strcmp(recorded, based->filename)))
        return true;
    path = xls_spec_file(recorded);
    same = same_path(path, based->filename);
    free(path);
    return same || (layer->spec && layer->spec[0] &&
                    strncmp(layer->spec, JSON_SPEC, strlen(JSON_SPEC)));
}

/* A storage without a format node on it is what raw shows of it. */
static bool same_format(const char *recorded, const libxl_disk_layer *based)
{
    return !strcmp(recorded, based->driver) ||
           (!strcmp(recorded, "raw") &&
            based->format == LIBXL_DISK_FORMAT_RAW) ||
           (based->protocol && !strcmp(recorded, based->protocol) &&
            based->format == LIBXL_DISK_FORMAT_RAW);
}

static void check_backing(libxl_disk_chain *chain, int i)
{
    libxl_disk_layer *layer = &chain->layers[i];
    const libxl_disk_layer *based = NULL;
    int child;

    for (child = xls_chain_child(chain, i, -1); child >= 0 && !based;
         child = xls_chain_child(chain, i, child))
        if (!strcmp(chain->layers[child].child, "backing"))
            based = xls_chain_below_filters(chain, child);
    /* What has no header to record it in, such as a filter. */
    if (!layer->backing_recorded && layer->kind == LIBXL_DISK_LAYER_KIND_NONE)
        return;
    if (!layer->backing_recorded != !based ||
        (based && !same_backing(layer, based)))
        xls_mismatch(chain, layer, LIBXL_DISK_MISMATCH_KIND_BACKING,
                     "the image records the backing file %s, but QEMU has %s "
                     "open", or_none(layer->backing_recorded),
                     or_none(layer->backing_opened));
    else if (based && layer->backing_recorded_format &&
             !same_format(layer->backing_recorded_format, based))
        xls_mismatch(chain, layer, LIBXL_DISK_MISMATCH_KIND_BACKING_FORMAT,
                     "the image records the format %s of its backing file %s, "
                     "but QEMU has it open as %s",
                     layer->backing_recorded_format, layer->backing_recorded,
                     based->driver);
}

static void check_file(libxl_disk_chain *chain, libxl_disk_layer *layer)
{
    bool file = layer->kind == LIBXL_DISK_LAYER_KIND_FILE;

    if (!layer->stat_valid &&
        (file || layer->kind == LIBXL_DISK_LAYER_KIND_BLOCK))
        xls_mismatch(chain, layer, LIBXL_DISK_MISMATCH_KIND_FILE,
                     "QEMU has %s open, but there is no %s of that name",
                     or_none(layer->filename),
                     file ? "regular file" : "block device");
}

static void check_record(libxl_disk_chain *chain, const char *who,
                         const char *path, libxl_disk_format format)
{
    const libxl_disk_layer *data = xls_chain_below_filters(chain, 0);

    if (!path || !path[0])
        xls_mismatch(chain, &chain->layers[0], LIBXL_DISK_MISMATCH_KIND_RECORD,
                     "%s names no file for the disk, but QEMU has %s open",
                     who, or_none(data->filename));
    else if (!same_path(path, data->filename))
        xls_mismatch(chain, &chain->layers[0], LIBXL_DISK_MISMATCH_KIND_RECORD,
                     "%s names %s, but QEMU has %s open", who, path,
                     or_none(data->filename));
    else if (format != data->format)
        xls_mismatch(chain, &chain->layers[0], LIBXL_DISK_MISMATCH_KIND_RECORD,
                     "%s says that %s is of format %s, but QEMU has it open as "
                     "%s", who, path,
                     or_none(libxl_disk_format_to_string(format)),
                     data->driver);
}

static void check_params(libxl_disk_chain *chain, const char *who,
                         const char *params)
{
    libxl_disk_format format = LIBXL_DISK_FORMAT_UNKNOWN;
    const char *path = NULL;

    if (params)
        format = xls_records_params_split(params, &path);
    check_record(chain, who, path, format);
}

static void check_records(libxl_disk_chain *chain,
                          const struct xls_chain_records *records)
{
    libxl_disk_layer *top = &chain->layers[0];

    check_record(chain, "libxl's stored configuration",
                 records->disk->pdev_path, records->disk->format);
    check_params(chain, "xenstore (libxl's entry)", records->params);
    check_params(chain, "xenstore (the backend's entry)",
                 records->backend_params);
    if (!!records->disk->readwrite == top->read_only)
        xls_mismatch(chain, top, LIBXL_DISK_MISMATCH_KIND_RECORD,
                     "libxl's stored configuration has the disk %s, but QEMU "
                     "has it open %s",
                     records->disk->readwrite ? "writable" : "read-only",
                     top->read_only ? "read-only" : "for writing");
}

void xls_chain_check(const struct xls_chain_records *records,
                     libxl_disk_chain *chain)
{
    int i;

    chain->validated = chain->agrees = true;
    for (i = 0; i < chain->num_layers; i++) {
        check_file(chain, &chain->layers[i]);
        check_backing(chain, i);
    }
    if (records && chain->num_layers)
        check_records(chain, records);
}
