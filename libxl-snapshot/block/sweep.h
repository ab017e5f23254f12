/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_SWEEP_H
#define XLS_BLOCK_SWEEP_H

#include "block/disk.h"

/*
 * Drops nodes of QEMU's that belong to no disk any more, and files that a process
 * of ours passed to it and did not take back. disks: what QEMU has
 * now; the domain is locked. Nothing is dropped while a block job runs. Fails
 * when QEMU does not answer.
 */
int xls_disks_sweep(struct xls_op *op, const struct xls_disks *disks);

#endif
