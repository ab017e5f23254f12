/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_REVERT_H
#define XLS_REVERT_H

#include "op.h"

struct xls_revert {
    struct xls_op op;                   /* the old domain; inactive: none */
    const libxl_domain_snapshot_args *args;
    libxl_domain_config config;         /* of the new domain */
    char *name;                         /* that it ends up with */
    int memory_fd;                      /* -1: boot */
    bool old_gone;                      /* the old domain is destroyed */
    uint32_t domid;                     /* the new one; XLS_NO_DOMID: none */
    libxl_disk_snapshot_result *disks;  /* one per args->disks */
};

/* revert/disks.c */

/* Checks the disks of the arguments against the configuration, and has the
 * configuration name the layers that the domain is to start on. */
int xls_revert_prepare_disks(struct xls_revert *r);
/* Lets the toolstack put disks of methods INTERNAL and CALLER back. */
int xls_revert_storage(struct xls_revert *r);
/*
 * keep_path: once the new domain stands and the old one is gone, gives the
 * new layers the paths of those they replace, which no domain uses any more,
 * and tells QEMU and libxl. A disk for which that fails stays on the path it
 * has, with a warning: it is right there.
 */
void xls_revert_take_paths(struct xls_revert *r);

#endif
