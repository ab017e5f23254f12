/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_DELETE_H
#define XLS_DELETE_H

#include "session/op.h"

/* Takes the layers, or the snapshots inside images, that args name out of the
 * disks of op's domain, which is locked. result, which is initialised, has the
 * disks that were done, also after a failure. */
int xls_delete_run(struct xls_op *op, const libxl_domain_snapshot_args *args,
                   libxl_domain_snapshot_result *result);

#endif
