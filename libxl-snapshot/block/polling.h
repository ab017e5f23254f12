/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BLOCK_POLLING_H
#define XLS_BLOCK_POLLING_H

#include "session/op.h"

/*
 * How long the iothread of a disk polls before it sleeps. block-stream, and
 * block-commit of what is not the active layer, copy 512 KiB at a time, and for
 * each the iothread waits for a worker thread, twice; to be woken up takes
 * longer than the copying, above all in a virtual machine and where CPUs sleep
 * deeply. Xen's QEMU makes one iothread for each xen-disk, named after it. One
 * whose time is not QEMU's own default is left alone, and so is a QEMU that has
 * none of that name: its jobs are slower.
 */
void xls_polling_longer(struct xls_op *op, const char *vdev);
/* Back to QEMU's default; may be done again, and by another process. */
void xls_polling_restore(struct xls_op *op, const char *vdev);

#endif
