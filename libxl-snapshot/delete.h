/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_DELETE_H
#define XLS_DELETE_H

#include "block/fold.h"
#include "json/json.h"

/* delete/journal.c: notes that the fold is about to be done to the disk. */
int xls_delete_journal(struct xls_op *op, const struct xls_disk *disk,
                       const struct xls_fold *fold);
/* Completes what a killed delete has left, by its journal. */
int xls_delete_finish_killed(struct xls_op *op,
                             const struct xls_json *journal);

#endif
