/* SPDX-License-Identifier: LGPL-2.1-only */
#include "ops/revert/revert.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "common/json/file_id.h"

void xls_revert_set_name(struct xls_revert *r, const char *name)
{
    r->name = xls_strdup(name);
    r->incoming = xls_asprintf("%s--incoming", name);
    r->outgoing = xls_asprintf("%s--outgoing", name);
}

void xls_revert_dispose(struct xls_revert *r)
{
    int i;

    for (i = 0; r->disks && i < r->args->num_disks; i++)
        libxl_disk_snapshot_result_dispose(&r->disks[i]);
    for (i = 0; r->second_names && i < r->args->num_disks; i++)
        free(r->second_names[i]);
    free(r->second_names);
    free(r->replaced);
    free(r->disks);
    free(r->name);
    free(r->incoming);
    free(r->outgoing);
    if (r->memory_fd >= 0)
        close(r->memory_fd);
    xls_image_close(r->image);
    libxl_domain_config_dispose(&r->config);
    free(r->conflict);
    free(r->aside.path);
    if (r->aside.fd >= 0)
        close(r->aside.fd);
    libxl_domain_config_dispose(&r->aside.config);
    xls_json_free(r->aside.stamps);
    xls_json_free(r->vm_tree);
}

void xls_revert_remove_incomplete(libxl_ctx *ctx, uint32_t domid)
{
    libxl_dominfo *list;
    int i, num = 0;

    if (!domid || domid == XLS_NO_DOMID)
        return;
    list = libxl_list_domain(ctx, &num);
    for (i = 0; i < num; i++)
        if (list[i].domid == domid && !list[i].dying)
            libxl_domain_destroy(ctx, domid, NULL);
    libxl_dominfo_list_free(list, num);
}

libxl_device_disk *xls_revert_disk(libxl_domain_config *config,
                                   const char *vdev)
{
    int i;

    for (i = 0; i < config->num_disks; i++)
        if (vdev && config->disks[i].vdev &&
            !strcmp(config->disks[i].vdev, vdev))
            return &config->disks[i];
    return NULL;
}

/* --- the paths that new layers take --- */

static bool takes_path(const libxl_disk_snapshot *a)
{
    return a->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL && a->keep_path &&
           a->external_path && a->disk.pdev_path;
}

static void alloc_plan(struct xls_revert *r)
{
    r->second_names = xls_calloc(r->args->num_disks, sizeof(char *));
    r->replaced = xls_calloc(r->args->num_disks, sizeof(*r->replaced));
}

void xls_revert_plan_paths(struct xls_revert *r)
{
    int i;

    alloc_plan(r);
    for (i = 0; i < r->args->num_disks; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];

        if (!takes_path(a))
            continue;
        r->second_names[i] = xls_file_second_name(a->disk.pdev_path);
        xls_identify(a->disk.pdev_path, &r->replaced[i]);
    }
}

void xls_revert_paths_to_json(const struct xls_revert *r, struct xls_json *o)
{
    struct xls_json *names = xls_json_array(), *replaced = xls_json_array();
    int i;

    for (i = 0; i < r->args->num_disks; i++) {
        struct xls_json *id = xls_json_object();

        xls_file_id_to_json(id, "file", &r->replaced[i]);
        xls_json_append(replaced, id);
        xls_json_append(names, r->second_names[i]
                                   ? xls_json_string(r->second_names[i])
                                   : xls_json_null());
    }
    xls_json_set(o, "second_names", names);
    xls_json_set(o, "replaced", replaced);
}

void xls_revert_paths_from_json(struct xls_revert *r, const struct xls_json *o)
{
    const struct xls_json *names = xls_json_get(o, "second_names");
    const struct xls_json *replaced = xls_json_get(o, "replaced");
    int i;

    alloc_plan(r);
    for (i = 0; i < r->args->num_disks; i++) {
        const libxl_disk_snapshot *a = &r->args->disks[i];
        const char *name = xls_json_str(xls_json_at(names, i));

        if (!takes_path(a))
            continue;
        /* Earlier versions recorded neither. */
        r->second_names[i] =
            name ? xls_strdup(name)
                 : xls_file_second_name_unrecorded(a->external_path,
                                                   a->disk.pdev_path);
        r->replaced[i] = xls_file_id_from_json(xls_json_at(replaced, i),
                                               "file");
    }
}
