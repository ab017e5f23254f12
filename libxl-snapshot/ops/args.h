/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_ARGS_H
#define XLS_ARGS_H

#include "session/op.h"

/* ERROR_INVAL, logged, when a name in the arguments of a public function is not
 * UTF-8: before anything is done, since no journal and no command to QEMU can
 * hold it. */
int xls_args_check(const struct xls_op *op,
                   const libxl_domain_snapshot_args *args);
int xls_args_check_config(const struct xls_op *op,
                          const libxl_domain_config *config);
int xls_args_check_copy(const struct xls_op *op,
                        const libxl_disk_copy_args *args);

#endif
