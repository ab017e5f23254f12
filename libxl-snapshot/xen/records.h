/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_RECORDS_H
#define XLS_RECORDS_H

#include "session/op.h"

/* What libxl calls its stored configuration of a domain. */
#define XLS_CONFIG_ID "libxl-json"

/* A disk's new top layer, as libxl's records are to name it. */
struct xls_record {
    const char *vdev;
    int devid;
    const char *path;
    libxl_disk_format format;
};

/*
 * Makes libxl's two records of a domain's disks, the userdata JSON and
 * xenstore, name the given top layers; durable when it returns 0. Held
 * against concurrent device changes by libxl's own lock. Must be called
 * without a QMP connection. On failure the records are as before, unless the
 * log says otherwise. Disks whose records are right already cost nothing.
 */
int xls_records_set(struct xls_op *op, const struct xls_record *records,
                    int num);

/* xen/config.c: libxl's stored configuration of any domain, and (data may
 * be NULL) as it is there, malloc'ed; not logged. Neither libxl nor QEMU is
 * waited for. */
int xls_records_config(struct xls_op *op, uint32_t domid,
                       libxl_domain_config *config, uint8_t **data, int *len);

/* What xenstore has of a disk, for libxl and for the backend, as
 * "<format>:<path>"; malloc'ed, NULL: nothing. */
int xls_records_params(struct xls_op *op, int devid, char **params,
                       char **backend_params);
/* Such a text; malloc'ed. */
char *xls_records_params_text(const struct xls_record *rec);
/* Takes such a text apart: *path points into it; UNKNOWN, and *path "", when
 * it is none. */
libxl_disk_format xls_records_params_split(const char *params,
                                           const char **path);

#endif
