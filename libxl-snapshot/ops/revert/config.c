/* SPDX-License-Identifier: LGPL-2.1-only */
/* Whether what the configuration of the new domain names is on this host. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "ops/revert/revert.h"
#include "session/paths.h"

static int missing(struct xls_revert *r, const char *what, const char *path)
{
    XLS_ERROR(&r->op.log, "the configuration of domain %s names the %s %s, "
              "which does not exist; put it back, or revert with another "
              "configuration", r->name, what, path);
    return ERROR_NOTFOUND;
}

/* A name without a directory is looked up by libxl. */
static int check_file(struct xls_revert *r, const char *what, const char *path)
{
    return path && path[0] == '/' && access(path, F_OK)
               ? missing(r, what, path) : 0;
}

static int check_files(struct xls_revert *r)
{
    const libxl_domain_build_info *b = &r->config.b_info;
    const bool hvm = b->type == LIBXL_DOMAIN_TYPE_HVM;
    const struct {
        const char *what, *path;
    } files[] = {
        { "kernel", b->kernel },
        { "ramdisk", b->ramdisk },
        { "device tree", b->device_tree },
        { "boot loader", b->bootloader },
        { "device model", b->device_model },
        { "kernel of the stub domain", b->stubdomain_kernel },
        { "ramdisk of the stub domain", b->stubdomain_ramdisk },
        { "firmware", hvm ? b->u.hvm.firmware : NULL },
        { "firmware", hvm ? b->u.hvm.system_firmware : NULL },
        { "SMBIOS firmware", hvm ? b->u.hvm.smbios_firmware : NULL },
        { "ACPI firmware", hvm ? b->u.hvm.acpi_firmware : NULL },
    };
    size_t i;
    int rc = 0, rc_file;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        rc_file = check_file(r, files[i].what, files[i].path);
        if (rc_file)
            rc = rc_file;
    }
    return rc;
}

static int check_script(struct xls_revert *r, const char *what,
                        const char *script)
{
    char *path;
    int rc;

    if (!script || !script[0])
        return 0;
    path = script[0] == '/' ? xls_strdup(script)
                            : xls_asprintf(XLS_XEN_SCRIPT_DIR "/%s", script);
    rc = access(path, X_OK) ? missing(r, what, path) : 0;
    free(path);
    return rc;
}

static bool in_dom0(uint32_t domid, const char *name)
{
    return !domid && (!name || !name[0]);
}

/* "br0.10" and "br0:10" are VLANs of an Open vSwitch bridge. */
static int check_bridge(struct xls_revert *r, const libxl_device_nic *nic)
{
    bool plain = !nic->script || strstr(nic->script, "vif-bridge");
    char *name, *path;
    int rc;

    if (!nic->bridge || !nic->bridge[0] ||
        !(plain || strstr(nic->script, "vif-openvswitch")))
        return 0;
    name = xls_strdup(nic->bridge);
    if (!plain)
        name[strcspn(name, ".:")] = '\0';
    path = xls_asprintf("/sys/class/net/%s%s", name, plain ? "/bridge" : "");
    rc = access(path, F_OK) ? missing(r, "bridge", name) : 0;
    free(name);
    free(path);
    return rc;
}

static int check_nics(struct xls_revert *r)
{
    int i, rc = 0, rc_nic;

    for (i = 0; i < r->config.num_nics; i++) {
        const libxl_device_nic *nic = &r->config.nics[i];

        if (!in_dom0(nic->backend_domid, nic->backend_domname))
            continue;
        rc_nic = check_script(r, "network script", nic->script);
        if (!rc_nic)
            rc_nic = check_bridge(r, nic);
        if (rc_nic)
            rc = rc_nic;
    }
    return rc;
}

/* The guest finds the drive as after an eject. */
static void empty_drive(struct xls_revert *r, libxl_device_disk *disk)
{
    XLS_NOTICE(&r->op.log, "drive %s of domain %s is empty: %s does not exist "
               "any more", disk->vdev, r->name, disk->pdev_path);
    free(disk->pdev_path);
    disk->pdev_path = NULL;
    disk->format = LIBXL_DISK_FORMAT_EMPTY;
    disk->backend = LIBXL_DISK_BACKEND_UNKNOWN;
}

static int check_disks(struct xls_revert *r)
{
    int i, rc = 0, rc_disk;

    for (i = 0; i < r->config.num_disks; i++) {
        libxl_device_disk *disk = &r->config.disks[i];
        bool script = disk->script && disk->script[0];

        if (!in_dom0(disk->backend_domid, disk->backend_domname))
            continue;
        rc_disk = check_script(r, "block script", disk->script);
        /* What a script's target is, only the script knows. */
        if (!rc_disk && !script && disk->pdev_path &&
            disk->pdev_path[0] == '/' && access(disk->pdev_path, F_OK)) {
            if (disk->is_cdrom)
                empty_drive(r, disk);
            else
                rc_disk = missing(r, "disk image", disk->pdev_path);
        }
        if (rc_disk)
            rc = rc_disk;
    }
    return rc;
}

int xls_revert_check_config(struct xls_revert *r)
{
    int rc_files = check_files(r);
    int rc_nics = check_nics(r);
    int rc_disks = check_disks(r);

    return rc_files ? rc_files : rc_nics ? rc_nics : rc_disks;
}
