/* SPDX-License-Identifier: LGPL-2.1-only */
#include "ops/args.h"

#include "common/text.h"

struct text {
    const char *what, *value;
};

static int check_texts(const struct xls_op *op, const struct text *texts)
{
    int rc = 0;

    for (; texts->what && !rc; texts++)
        rc = xls_text_check(&op->log, texts->what, texts->value);
    return rc;
}

int xls_args_check(const struct xls_op *op,
                   const libxl_domain_snapshot_args *args)
{
    const struct text memory[] = {
        { "memory_path", args->memory_path },
        { "memory_parent", args->memory_parent },
        { 0 }
    };
    int i, rc;

    rc = check_texts(op, memory);
    for (i = 0; i < args->num_disks && !rc; i++) {
        const libxl_disk_snapshot *d = &args->disks[i];
        const struct text disk[] = {
            { "a disk's vdev", d->disk.vdev },
            { "a disk's pdev_path", d->disk.pdev_path },
            { "a disk's name", d->name },
            { "a disk's external_path", d->external_path },
            { 0 }
        };

        rc = check_texts(op, disk);
    }
    return rc;
}

int xls_args_check_config(const struct xls_op *op,
                          const libxl_domain_config *config)
{
    int i, rc;

    rc = xls_text_check(&op->log, "the domain's name", config->c_info.name);
    for (i = 0; i < config->num_disks && !rc; i++)
        rc = xls_text_check(&op->log, "a disk's pdev_path",
                            config->disks[i].pdev_path);
    return rc;
}

int xls_args_check_copy(const struct xls_op *op,
                        const libxl_disk_copy_args *args)
{
    int i, rc;

    rc = xls_text_check(&op->log, "target", args->target);
    for (i = 0; i < args->num_base && !rc; i++)
        rc = xls_text_check(&op->log, "a base's target", args->base[i].target);
    return rc;
}
