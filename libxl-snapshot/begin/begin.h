/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BEGIN_H
#define XLS_BEGIN_H

#include "session/op.h"

/*
 * How an operation that changes a domain begins: looks the domain up, takes its
 * lock, so that no two operations of this library work on one domain
 * (ERROR_SNAPSHOT_BUSY when another process or thread holds it), and recovers
 * what killed processes have left. Ends with xls_op_end.
 */
int xls_begin(struct xls_op *op, const char *func, libxl_ctx *ctx,
              uint32_t domid, const libxl_snapshot_how *how);
/* Waits for the lock for so many milliseconds. */
int xls_begin_patient(struct xls_op *op, const char *func, libxl_ctx *ctx,
                      uint32_t domid, const libxl_snapshot_how *how,
                      unsigned patience_ms);

#endif
