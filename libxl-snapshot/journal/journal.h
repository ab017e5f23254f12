/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_JOURNAL_H
#define XLS_JOURNAL_H

#include "json/json.h"
#include "op.h"

/*
 * What an operation is about to do to a domain, on disk before it begins and
 * removed when it has ended, whichever way. Found by a later operation, it
 * tells that the process that wrote it was killed.
 *
 * One JSON file per domain under XLS_STATE_DIR, mode 0600, replaced
 * atomically and synced.
 */
int xls_journal_write(struct xls_op *op, const struct xls_json *content);
/* *content is NULL when there is none. */
int xls_journal_read(struct xls_op *op, struct xls_json **content);
int xls_journal_remove(struct xls_op *op);

#endif
