/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_CHANGE_H
#define XLS_CHANGE_H

#include "common/steps.h"
#include "session/op.h"

/*
 * Commands to QEMU whose reply may not come.
 *
 * A reply that does not come in time, or a connection that breaks, does not
 * mean that a command was not executed. QEMU answers the first command of a new
 * connection (qmp_capabilities) only after what came on the one before it has
 * been executed or discarded, so a new connection shows what is so. Where none
 * comes about either, the operation is in doubt.
 */

/* Whether after this error of a command QEMU may have executed it. */
bool xls_unanswered(int rc);

/*
 * Marks the operation as in doubt (op->in_doubt): QEMU may have executed, or may
 * still execute, what this text names. From here on no file that this concerns
 * is removed, renamed or protected, and the journal stays. Logged once per
 * operation. Returns ERROR_SNAPSHOT_INCOMPLETE.
 */
int xls_op_doubt(struct xls_op *op, const char *what);

/* A query; asked once more on a new connection where no reply comes. args is
 * consumed. Fails as xls_qmp_must does, logged. */
int xls_op_ask(struct xls_op *op, const char *what, const char *command,
               struct xls_json *args, struct xls_json **ret);

/* What QEMU is like after a command that was not answered. */
typedef enum xls_done xls_done_f(struct xls_op *op, const char *name);

/*
 * A command that changes something. Where no reply comes, done (given name) is
 * asked on a new connection whether it has been executed; if not, or if done is
 * NULL, for a command that may be executed twice, it is run once more. Returns
 * as xls_qmp_must does, an error meaning that it was not executed, or
 * ERROR_SNAPSHOT_INCOMPLETE, the operation being in doubt. args is consumed.
 */
int xls_op_change(struct xls_op *op, const char *what, const char *command,
                  struct xls_json *args, xls_done_f *done, const char *name);
/* The same without a message where QEMU refuses. */
int xls_op_try(struct xls_op *op, const char *what, const char *command,
               struct xls_json *args, xls_done_f *done, const char *name);

#endif
