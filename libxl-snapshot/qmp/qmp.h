/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_QMP_H
#define XLS_QMP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json/json.h"
#include "common/log.h"

/*
 * A client of one QEMU's monitor socket, as libxl uses it.
 *
 * QEMU serves one client at a time, and libxl serialises its own use by a
 * flock(2) on a file beside its userdata; a connection here holds that lock
 * from open to close, so it must be short-lived and must never be open while
 * the same process calls a libxl function that talks to QEMU
 * (libxl_domain_suspend and libxl_domain_resume of an HVM guest do).
 *
 * QEMU is not trusted: replies are bounded in size and depth, each command
 * has a deadline, and after a timeout or a malformed reply the connection is
 * dead (every further call fails), since replies could no longer be told
 * apart. The failure that made it so is logged, the further ones are not.
 *
 * A process that dies with a connection open leaves no lock behind: the
 * kernel drops it, and the next holder removes the file.
 *
 * Functions return 0 or a negative libxl/our error (ERROR_TIMEDOUT,
 * ERROR_SNAPSHOT_QEMU: QEMU answered with an error; ERROR_SNAPSHOT_QMP:
 * the connection failed or QEMU broke the protocol).
 */
struct xls_qmp;

/*
 * socket_path: e.g. /run/xen/qmp-libxl-<domid>; lock_path: libxl's lock file
 * of that domain, NULL for none (a QEMU that is not libxl's, in tests).
 * Waits for the lock and the handshake, up to timeout_ms in all; failures
 * are logged. ERROR_TIMEDOUT: another process kept the lock, or QEMU did not
 * greet (it serves another client, or hangs). *qmp is NULL then. log must
 * outlive the connection.
 */
int xls_qmp_open(const struct xls_log *log, const char *socket_path,
                 const char *lock_path, unsigned timeout_ms,
                 struct xls_qmp **qmp);
void xls_qmp_close(struct xls_qmp *qmp);        /* NULL is fine */
/* Whether the connection is of no more use. */
bool xls_qmp_dead(const struct xls_qmp *qmp);

/*
 * Runs one command. args (may be NULL) is consumed in every case. ret (may be
 * NULL) gets the "return" value, to be freed by the caller. On
 * ERROR_SNAPSHOT_QEMU nothing is logged: the caller knows what it means and
 * finds QEMU's words in xls_qmp_error_*.
 */
int xls_qmp_run(struct xls_qmp *qmp, const char *command,
                struct xls_json *args, unsigned timeout_ms,
                struct xls_json **ret);
/* Of the last command that returned ERROR_SNAPSHOT_QEMU; "" before. Control
 * characters in QEMU's text are replaced by '?', and it is cut after 1,000
 * bytes. Valid until the next command. */
const char *xls_qmp_error_class(const struct xls_qmp *qmp);
const char *xls_qmp_error_desc(const struct xls_qmp *qmp);
/* Like xls_qmp_run, but logs an ERROR_SNAPSHOT_QEMU as "<what>: <desc>". */
int xls_qmp_must(struct xls_qmp *qmp, const char *what, const char *command,
                 struct xls_json *args, unsigned timeout_ms,
                 struct xls_json **ret);

/*
 * The same in two steps: stage sends the command but for its last byte and
 * waits until QEMU has read that, which takes it longer than to act, for it
 * reads byte by byte; fire sends the last byte. Nothing else may be sent in
 * between; closing the connection instead discards the command.
 */
int xls_qmp_stage(struct xls_qmp *qmp, const char *command,
                  struct xls_json *args, unsigned timeout_ms);
int xls_qmp_fire(struct xls_qmp *qmp, const char *command,
                 unsigned timeout_ms, struct xls_json **ret);

/* Microseconds (CLOCK_MONOTONIC) from the last command's last byte sent to
 * its reply's last byte received. */
uint64_t xls_qmp_last_us(const struct xls_qmp *qmp);

/* QEMU's version, from the greeting: major * 1000000 + minor * 1000 + micro. */
unsigned xls_qmp_version(const struct xls_qmp *qmp);
/* Whether QEMU has a command (query-commands, asked once per connection). */
int xls_qmp_has_command(struct xls_qmp *qmp, const char *command, bool *has);

/*
 * The next event, waiting up to timeout_ms (0: only what has come already);
 * events that arrive during commands are queued (the oldest are dropped past
 * 1,000 or 1 MiB of text). *event is
 * {"event":…,"data":…,"timestamp":…}, caller frees. ERROR_TIMEDOUT when none
 * came; the connection lives on then. Events queued before the connection
 * died are still given.
 */
int xls_qmp_event(struct xls_qmp *qmp, unsigned timeout_ms,
                  struct xls_json **event);

/*
 * Passes an open file to QEMU (SCM_RIGHTS with add-fd into a new fd set), for
 * a QEMU that may not open files itself; it opens "/dev/fdset/<*fdset>".
 * remove_fd drops the set again.
 */
int xls_qmp_add_fd(struct xls_qmp *qmp, int fd, const char *opaque,
                   int64_t *fdset);
int xls_qmp_remove_fd(struct xls_qmp *qmp, int64_t fdset);

/*
 * A transaction: xls_qmp_transaction_add takes ownership of data; _stage and
 * _fire send all actions as one QMP "transaction", in the two steps of
 * xls_qmp_stage and _fire. _stage empties the list in every case.
 */
struct xls_qmp_transaction {
    struct xls_json *actions;
};
void xls_qmp_transaction_add(struct xls_qmp_transaction *t, const char *type,
                             struct xls_json *data);
int xls_qmp_transaction_stage(struct xls_qmp *qmp,
                              struct xls_qmp_transaction *t,
                              unsigned timeout_ms);
int xls_qmp_transaction_fire(struct xls_qmp *qmp, unsigned timeout_ms);
void xls_qmp_transaction_dispose(struct xls_qmp_transaction *t);

#endif
