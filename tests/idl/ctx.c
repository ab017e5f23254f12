/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A libxl_ctx on a machine without Xen, and random values of libxl's structs.
 *
 * libxl_ctx_alloc opens the hypervisor and xenstore, and uses neither before
 * it is asked to. The definitions here come before those of the shared
 * libraries, so that the ctx is libxl's own, but for two handles that nothing
 * in these tests may use.
 */
#include <stdio.h>
#include <stdlib.h>

#include <libxl.h>

#include "random.h"

#define SUBSTITUTE __attribute__((visibility("default")))

struct xc_interface_core;
struct xs_handle;
SUBSTITUTE struct xc_interface_core *xc_interface_open(
    xentoollog_logger *logger, xentoollog_logger *dombuild, unsigned flags);
SUBSTITUTE int xc_interface_close(struct xc_interface_core *xch);
SUBSTITUTE struct xs_handle *xs_open(unsigned long flags);
SUBSTITUTE void xs_close(struct xs_handle *xsh);

static char handle;
static xentoollog_logger *logger;

struct xc_interface_core *xc_interface_open(xentoollog_logger *lg,
                                            xentoollog_logger *dombuild,
                                            unsigned flags)
{
    (void)lg, (void)dombuild, (void)flags;
    return (struct xc_interface_core *)&handle;
}

int xc_interface_close(struct xc_interface_core *xch)
{
    (void)xch;
    return 0;
}

struct xs_handle *xs_open(unsigned long flags)
{
    (void)flags;
    return (struct xs_handle *)&handle;
}

void xs_close(struct xs_handle *xsh)
{
    (void)xsh;
}

int xls_random_ctx_open(void **state)
{
    libxl_ctx *ctx = NULL;

    logger = (xentoollog_logger *)xtl_createlogger_stdiostream(
        stderr, XTL_CRITICAL, 0);
    if (!logger || libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, logger))
        return -1;
    *state = ctx;
    return 0;
}

int xls_random_ctx_close(void **state)
{
    libxl_ctx_free(*state);
    xtl_logger_destroy(logger);
    return 0;
}

void xls_random_libxl_device_disk(libxl_device_disk *p)
{
    p->backend_domid = xls_random_uint(0, UINT32_MAX);
    p->backend_domname = xls_random_string();
    p->pdev_path = xls_random_string();
    p->vdev = xls_random_string();
    p->backend = xls_random_enum(libxl_disk_backend_string_table);
    p->format = xls_random_enum(libxl_disk_format_string_table);
    p->script = xls_random_string();
    p->removable = xls_random_int(INT32_MIN, INT32_MAX);
    p->readwrite = xls_random_int(INT32_MIN, INT32_MAX);
    p->is_cdrom = xls_random_int(INT32_MIN, INT32_MAX);
    xls_random_bool(&p->direct_io_safe);
    xls_random_libxl_defbool(&p->discard_enable);
    p->specification = xls_random_enum(libxl_disk_specification_string_table);
    p->transport = xls_random_enum(libxl_disk_transport_string_table);
    p->irq = xls_random_uint(0, UINT32_MAX);
    p->base = xls_random_uint(0, INT64_MAX - 1);
    xls_random_libxl_defbool(&p->colo_enable);
    xls_random_libxl_defbool(&p->colo_restore_enable);
    p->colo_host = xls_random_string();
    p->colo_port = xls_random_int(INT32_MIN, INT32_MAX);
    p->colo_export = xls_random_string();
    p->active_disk = xls_random_string();
    p->hidden_disk = xls_random_string();
    xls_random_libxl_defbool(&p->trusted);
}

static bool same_defbool(libxl_defbool a, libxl_defbool b)
{
    return xls_same_string(libxl_defbool_to_string(a),
                           libxl_defbool_to_string(b));
}

bool xls_same_libxl_device_disk(const libxl_device_disk *a,
                                const libxl_device_disk *b)
{
    return a->backend_domid == b->backend_domid &&
           xls_same_string(a->backend_domname, b->backend_domname) &&
           xls_same_string(a->pdev_path, b->pdev_path) &&
           xls_same_string(a->vdev, b->vdev) &&
           a->backend == b->backend && a->format == b->format &&
           xls_same_string(a->script, b->script) &&
           a->removable == b->removable && a->readwrite == b->readwrite &&
           a->is_cdrom == b->is_cdrom &&
           a->direct_io_safe == b->direct_io_safe &&
           same_defbool(a->discard_enable, b->discard_enable) &&
           a->specification == b->specification &&
           a->transport == b->transport && a->irq == b->irq &&
           a->base == b->base &&
           same_defbool(a->colo_enable, b->colo_enable) &&
           same_defbool(a->colo_restore_enable, b->colo_restore_enable) &&
           xls_same_string(a->colo_host, b->colo_host) &&
           a->colo_port == b->colo_port &&
           xls_same_string(a->colo_export, b->colo_export) &&
           xls_same_string(a->active_disk, b->active_disk) &&
           xls_same_string(a->hidden_disk, b->hidden_disk) &&
           same_defbool(a->trusted, b->trusted);
}
