/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_OP_H
#define XLS_OP_H

#include <stdbool.h>
#include <stdint.h>

#include <libxl_snapshot.h>
#include <libxl_utils.h>

#include "common/log.h"
#include "common/unique.h"
#include "qmp/qmp.h"

/* libxl's INVALID_DOMID is an int, and its domain ids are uint32_t. */
#define XLS_NO_DOMID ((uint32_t)INVALID_DOMID)

/*
 * What one call of a public function works with: the domain as libxl knows
 * it, held under this library's own lock, and, from time to time, a
 * connection to its QEMU.
 */
struct xls_op {
    libxl_ctx *ctx;
    uint32_t domid;
    const libxl_snapshot_how *how;      /* never NULL */
    struct xls_log log;
    libxl_dominfo info;
    bool was_paused;                    /* before the operation began */
    char *name;                         /* the domain's */
    char *uuid;
    int lock_fd;                        /* -1: not locked */
    unsigned patience_ms;               /* how long to wait for it */
    struct xls_qmp *qmp;                /* NULL: not connected */
    int qmp_failures;                   /* connections in a row that failed */
    bool in_doubt;                      /* see change.h */
};

/*
 * Looks the domain up, without the lock: for what only reads. What changes
 * anything begins with xls_begin (begin.h). func is the prefix of all log
 * messages.
 */
int xls_op_open(struct xls_op *op, const char *func, libxl_ctx *ctx,
                uint32_t domid, const libxl_snapshot_how *how);
void xls_op_end(struct xls_op *op);
/* Without a domain: the log and libxl alone. */
void xls_op_open_inactive(struct xls_op *op, const char *func, libxl_ctx *ctx,
                          const libxl_snapshot_how *how);

/*
 * Takes the operation lock of the domain of this id, or, for XLS_NO_DOMID, of
 * those to come of op's uuid; close *fd to give it back. ERROR_SNAPSHOT_BUSY,
 * logged, when it is held.
 */
int xls_op_lock(struct xls_op *op, uint32_t domid, int *fd);
/* Gives back op's own, if it is held. */
void xls_op_unlock(struct xls_op *op);

/* Refreshes op->info; ERROR_DOMAIN_NOTFOUND when the domain is gone. */
int xls_op_refresh(struct xls_op *op);

/* libxl's file of a kind ("d", "l") beside its userdata; malloc'ed. */
char *xls_userdata_path(const struct xls_op *op, const char *kind,
                        const char *id);

/* Connects to the domain's QEMU (nothing to do when connected), anew where the
 * connection has broken. After two failures in a row it is not tried again. Must
 * not be connected while libxl is called: it uses the same socket. */
int xls_op_qmp(struct xls_op *op);
void xls_op_qmp_close(struct xls_op *op);
/* Whether nobody is at QEMU's end of the socket: it has ended. To be asked when
 * xls_op_qmp failed. */
bool xls_op_qemu_gone(const struct xls_op *op);

/* Reports progress; nonzero when the caller wants the operation cancelled. */
int xls_op_progress(struct xls_op *op, const char *phase, uint64_t done,
                    uint64_t total);

/* How long QEMU may take to answer, milliseconds: a command that works in
 * memory, and one that opens or writes images. */
#define XLS_QMP_FAST    10000
#define XLS_QMP_SLOW    60000

#endif
