/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_USERS_H
#define XLS_USERS_H

#include <sys/stat.h>

#include "session/op.h"

/*
 * Who uses a file: the images of all running domains, each with all that its
 * header says is below it, by device and inode (block devices: by their
 * number), however they are called. Headers are read afresh; QEMU is not
 * asked.
 */
struct xls_used {
    char *path;                 /* or the name of an NBD export, say */
    dev_t dev;                  /* 0: there is no such file */
    ino_t ino;                  /* 0: dev is the number of a block device */
    bool top;                   /* the active layer */
    uint32_t domid;
    char *vdev;
};
/* An image that cannot be examined, so that nobody knows what is below it. */
struct xls_unknown {
    uint32_t domid;
    char *why;
};
struct xls_users {
    struct xls_used *v;
    int num;
    struct xls_unknown *unknown;
    int num_unknown;
};
void xls_users_load(struct xls_op *op, struct xls_users *users);
void xls_users_dispose(struct xls_users *users);
/* Of op, its ctx and log are used. */

/* Where a running domain, other than these two (XLS_NO_DOMID: none), uses the
 * file at path, and what may hide such a use; NULL: nothing. What is not there
 * is used by those whose disk is so called. */
const struct xls_used *xls_users_find(const struct xls_users *users,
                                      const char *path, uint32_t but,
                                      uint32_t also);
const struct xls_unknown *xls_users_unknown(const struct xls_users *users,
                                            uint32_t but, uint32_t also);

/*
 * Refuses with ERROR_SNAPSHOT_CHAIN_SHARED, logged with the file and the
 * domain, when a running domain other than op's and also uses the file at
 * path, or when that cannot be found out. To be asked right before a file is
 * written, taken over or removed. vdev: the disk that it is about.
 */
int xls_check_unused(struct xls_op *op, uint32_t also, const char *vdev,
                     const char *path);
/* The same by what was loaded just before, for several files. */
int xls_users_check(struct xls_op *op, const struct xls_users *users,
                    uint32_t also, const char *vdev, const char *path);

/* Whether the file is, or may be, the active layer of a running domain's
 * disk, op's included. */
bool xls_is_active(struct xls_op *op, const char *path);

#endif
