/* SPDX-License-Identifier: LGPL-2.1-only */
/* What a domain must not be started on. */
#include "xlcreate/rewrite.h"

#include <stdio.h>

#include <libxlutil.h>

#include "common/alloc.h"
#include "common/files.h"
#include "layers/image.h"

static bool same(const char *a, const char *b)
{
    return a && b && (str_same(a, b) || xls_same_file(a, b));
}

static const char *active_layer(const struct store *st, const char *vdev)
{
    const xl_snapshot_domain_disk *d = store_disk(st, vdev);

    return d ? d->top_path : NULL;
}

static bool is_active(const struct store *st, const char *path)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++)
        if (same(st->info.disks[i].top_path, path))
            return true;
    return false;
}

static char *find(const struct store *st, const libxl_device_disk *disk)
{
    const char *path = disk->pdev_path, *top;
    int i, j;

    for (i = 0; i < st->num_records && !is_active(st, path); i++)
        for (j = 0; j < st->records[i]->num_disks; j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];

            if (d->method != LIBXL_SNAPSHOT_METHOD_EXTERNAL ||
                !same(d->layer_path, path))
                continue;
            top = active_layer(st, d->vdev);
            return xls_asprintf("disk %s is %s, the frozen layer of snapshot "
                                "%s of %s, which a domain that writes it would "
                                "destroy; name %s in the configuration",
                                disk->vdev, path, st->records[i]->name,
                                st->domain,
                                top ? top : "an overlay on it");
        }
    return NULL;
}

static char *find_anywhere(const char *root, const libxl_device_disk *disk)
{
    struct strings domains = { 0 };
    struct error e = { 0 };
    char *why = NULL;
    int i;

    if (store_domains(root, &domains, &e))
        why = xls_strdup(e.text);
    for (i = 0; !why && i < domains.num; i++) {
        struct store *st;

        /* One that cannot be read is another domain's trouble. */
        if (store_open(root, domains.v[i], false, 0, &st, &e))
            error_clear(&e);
        else
            why = find(st, disk);
        store_close(st);
    }
    strings_free(&domains);
    error_clear(&e);
    return why;
}

char *start_obstacle(const char *text, const char *root)
{
    FILE *null = fopen("/dev/null", "we");
    XLU_Config *config = null ? xlu_cfg_init(null, "config") : NULL;
    XLU_ConfigList *list;
    char *why = NULL;
    const char *spec;
    int i;

    if (config && !xlu_cfg_readdata(config, text, strlen(text)) &&
        !xlu_cfg_get_list(config, "disk", &list, NULL, 1))
        for (i = 0; !why && (spec = xlu_cfg_get_listitem(list, i)); i++) {
            libxl_device_disk disk;

            libxl_device_disk_init(&disk);
            if (!xlu_disk_parse(config, 1, &spec, &disk) && disk.readwrite &&
                !disk.is_cdrom && !str_none(disk.pdev_path) &&
                disk.pdev_path[0] == '/' && str_none(disk.backend_domname))
                why = find_anywhere(root, &disk);
            libxl_device_disk_dispose(&disk);
        }
    if (config)
        xlu_cfg_destroy(config);
    if (null)
        fclose(null);
    return why;
}
