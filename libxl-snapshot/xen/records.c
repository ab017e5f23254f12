/* SPDX-License-Identifier: LGPL-2.1-only */
#include "xen/records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xenstore.h>

#include "common/alloc.h"
#include "common/files.h"

/*
 * libxl serialises changes of a domain's devices by a flock on this file,
 * which goes with the domain: a lock on a file that is no longer there locks
 * nothing.
 */
static int lock_devices(struct xls_op *op, int *fd)
{
    char *path = xls_userdata_path(op, "l", "libxl-device-changes-lock");
    struct stat now, locked;
    int rc;

    for (;;) {
        *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (*fd < 0) {
            XLS_ERRORE(&op->log, "cannot open libxl's lock %s", path);
            rc = ERROR_SNAPSHOT_STORAGE;
            break;
        }
        while (flock(*fd, LOCK_EX) && errno == EINTR)
            ;
        if (!fstat(*fd, &locked) && !stat(path, &now) &&
            now.st_dev == locked.st_dev && now.st_ino == locked.st_ino) {
            rc = 0;
            break;
        }
        close(*fd);
        rc = xls_op_refresh(op);
        if (rc)
            break;
    }
    free(path);
    return rc;
}

/* Where xenstore has the params of a disk: libxl's own, and the backend's. */
static void params_paths(const struct xls_op *op, int devid, char *paths[2])
{
    paths[0] = xls_asprintf("/libxl/%u/device/vbd/%d/params", op->domid,
                            devid);
    paths[1] = xls_asprintf("/local/domain/0/backend/qdisk/%u/%d/params",
                            op->domid, devid);
}

static struct xs_handle *open_xenstore(struct xls_op *op)
{
    struct xs_handle *xsh = xs_open(0);

    if (!xsh)
        XLS_ERRORE(&op->log, "cannot connect to xenstore");
    return xsh;
}

static int write_params(struct xls_op *op, struct xs_handle *xsh,
                        xs_transaction_t t, const char *path,
                        const char *text)
{
    unsigned len;
    char *old = xs_read(xsh, t, path, &len);
    bool same = old && !strcmp(old, text);

    free(old);
    if (same || xs_write(xsh, t, path, text, strlen(text)))
        return 0;
    XLS_ERRORE(&op->log, "cannot write %s in xenstore", path);
    return ERROR_FAIL;
}

static int set_xenstore(struct xls_op *op, const struct xls_record *records,
                        int num)
{
    struct xs_handle *xsh;
    xs_transaction_t t;
    int i, rc;

    xsh = open_xenstore(op);
    if (!xsh)
        return ERROR_FAIL;
    do {
        t = xs_transaction_start(xsh);
        if (t == XBT_NULL) {
            XLS_ERRORE(&op->log, "cannot start a xenstore transaction");
            rc = ERROR_FAIL;
            break;
        }
        rc = 0;
        for (i = 0; i < num && !rc; i++) {
            char *text = xls_records_params_text(&records[i]), *paths[2];

            params_paths(op, records[i].devid, paths);
            rc = write_params(op, xsh, t, paths[0], text);
            if (!rc)
                rc = write_params(op, xsh, t, paths[1], text);
            free(text);
            free(paths[0]);
            free(paths[1]);
        }
        if (xs_transaction_end(xsh, t, rc != 0))
            break;
        if (!rc && errno != EAGAIN) {
            XLS_ERRORE(&op->log, "cannot write the disks' params in xenstore");
            rc = ERROR_FAIL;
        }
    } while (!rc);
    xs_close(xsh);
    return rc;
}

int xls_records_params(struct xls_op *op, int devid, char **params,
                       char **backend_params)
{
    struct xs_handle *xsh = open_xenstore(op);
    char *paths[2];
    unsigned len;

    *params = *backend_params = NULL;
    if (!xsh)
        return ERROR_FAIL;
    params_paths(op, devid, paths);
    *params = xs_read(xsh, XBT_NULL, paths[0], &len);
    *backend_params = xs_read(xsh, XBT_NULL, paths[1], &len);
    free(paths[0]);
    free(paths[1]);
    xs_close(xsh);
    return 0;
}

static int load_config(struct xls_op *op, libxl_domain_config *config,
                       uint8_t **data, int *len)
{
    int rc = xls_records_config(op, op->domid, config, data, len);

    if (rc)
        XLS_ERROR(&op->log, "libxl's stored configuration of domain %s cannot "
                  "be read", op->name);
    return rc;
}

/* Durable: libxl renames the file into place without an fsync. */
static int store_config(struct xls_op *op, const uint8_t *data, int len)
{
    char *path = xls_userdata_path(op, "d", XLS_CONFIG_ID);
    int fd = -1, rc;

    rc = libxl_userdata_store(op->ctx, op->domid, XLS_CONFIG_ID, data, len);
    if (rc) {
        XLS_ERROR(&op->log, "libxl cannot store the configuration of domain "
                  "%s in %s", op->name, path);
        goto out;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        XLS_ERRORE(&op->log, "cannot open %s", path);
        rc = ERROR_SNAPSHOT_STORAGE;
        goto out;
    }
    rc = xls_fd_sync(&op->log, fd, path);
    if (!rc)
        rc = xls_dir_sync(&op->log, path);

out:
    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

/* Edits the configuration; *changed tells whether anything had to be. */
static int edit_config(struct xls_op *op, libxl_domain_config *config,
                       const struct xls_record *records, int num,
                       bool *changed)
{
    int i, k;

    *changed = false;
    for (i = 0; i < num; i++) {
        libxl_device_disk *disk = NULL;

        for (k = 0; k < config->num_disks; k++)
            if (config->disks[k].vdev &&
                !strcmp(config->disks[k].vdev, records[i].vdev))
                disk = &config->disks[k];
        if (!disk) {
            XLS_ERROR(&op->log, "libxl's stored configuration of domain %s "
                      "has no disk %s", op->name, records[i].vdev);
            return ERROR_FAIL;
        }
        if (disk->pdev_path && !strcmp(disk->pdev_path, records[i].path) &&
            disk->format == records[i].format)
            continue;
        free(disk->pdev_path);
        disk->pdev_path = xls_strdup(records[i].path);
        disk->format = records[i].format;
        *changed = true;
    }
    return 0;
}

int xls_records_set(struct xls_op *op, const struct xls_record *records,
                    int num)
{
    libxl_domain_config config;
    uint8_t *old = NULL;
    char *json = NULL;
    int lock = -1, len = 0, rc;
    bool changed;

    libxl_domain_config_init(&config);
    rc = lock_devices(op, &lock);
    if (rc)
        goto out;
    rc = load_config(op, &config, &old, &len);
    if (rc)
        goto out;
    rc = edit_config(op, &config, records, num, &changed);
    if (rc)
        goto out;
    if (changed) {
        json = libxl_domain_config_to_json(op->ctx, &config);
        if (!json) {
            XLS_ERROR(&op->log, "libxl cannot write the configuration of "
                      "domain %s as JSON", op->name);
            rc = ERROR_FAIL;
            goto out;
        }
        rc = store_config(op, (uint8_t *)json, strlen(json) + 1);
        if (rc)
            goto out;
    }
    rc = set_xenstore(op, records, num);
    if (rc && changed && store_config(op, old, len))
        XLS_ERROR(&op->log, "and libxl's stored configuration of domain %s "
                  "could not be put back", op->name);

out:
    if (lock >= 0)
        close(lock);
    free(old);
    free(json);
    libxl_domain_config_dispose(&config);
    return rc;
}
