/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_JOURNAL_H
#define XLS_JOURNAL_H

#include "common/json/json.h"
#include "session/op.h"

/*
 * What an operation is about to do to a domain, on disk before it begins and
 * removed when it has ended, whichever way. Found by a later operation, it
 * tells that the process that wrote it was killed.
 *
 * One JSON file per domain under XLS_STATE_DIR, mode 0600, replaced
 * atomically and synced. It is about one life of a domain: this uuid and id
 * since this start of the host.
 */

/* A new journal of op's domain, to be completed by the operation. */
struct xls_json *xls_journal_new(const struct xls_op *op,
                                 const char *operation);
int xls_journal_write(struct xls_op *op, const struct xls_json *content);
int xls_journal_remove(struct xls_op *op);
/* The same care for another file in the journals' directory. */
int xls_journal_write_to(struct xls_op *op, const char *path,
                         const struct xls_json *content);

/*
 * begin/recover.c: deals with what killed processes have left of the domain,
 * which must be locked: finishes or undoes what was under way, has it run
 * again if it ran, and tidies up after earlier lives of it.
 */
int xls_recover(struct xls_op *op);

/* For recover.c and job/. The directory of the journals, the file of a domain's
 * (malloc'ed), and its content; ERROR_SNAPSHOT_INCOMPLETE when it cannot be
 * read. */
char *xls_journal_path(const char *uuid, uint32_t domid);
int xls_journal_read(struct xls_op *op, const char *path,
                     struct xls_json **content);
/* Whether it was written since the host was started. */
bool xls_journal_of_this_boot(const struct xls_json *journal);
/*
 * intent/foreign.c: whether a journal or job file whose name, which begins with
 * a uuid, is of another domain is op's business now: that domain has ended, and
 * a file that the journal names is in a backing chain of op's.
 */
bool xls_journal_is_inherited(struct xls_op *op, const char *name,
                              const struct xls_json *journal);
/* Whether nobody is writing a journal or job file of such a name now. */
bool xls_journal_is_abandoned(struct xls_op *op, const char *name);
/* Whether op's uuid is that of the running domain of this id. */
bool xls_journal_lives(struct xls_op *op, uint64_t domid);

#endif
