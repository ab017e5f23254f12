/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_PREPARED_H
#define XLS_BLOCK_PREPARED_H

#include "block/disk.h"

/* What a qcow2 image that a toolstack has prepared is to be. */
struct xls_prepared {
    const char *path;
    uint64_t size;
    const char *backing;        /* the file that it is based on; NULL: none */
    const char *backing_driver;
    bool empty;                 /* there is nothing in it yet */
};

/*
 * Whether it is that: a disk that goes over to it would show what it holds, and
 * a later start of the domain what its header names. ERROR_INVAL, or the errors
 * of xls_header_read.
 */
int xls_prepared_check(struct xls_op *op, const char *vdev,
                       const struct xls_prepared *wanted);

#endif
