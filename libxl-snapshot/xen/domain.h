/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_DOMAIN_H
#define XLS_DOMAIN_H

#include "common/clock.h"
#include "session/op.h"

/*
 * Whether the domain's state allows a snapshot, and for memory whether libxl
 * can suspend it, found out before anything is touched. Logged.
 */
int xls_domain_check(struct xls_op *op, bool memory, bool live);

/* Pauses the domain's vCPUs; *paused tells whether this call did it (false
 * when they were paused before). That is one hypercall (libxl_domain.c of Xen
 * 4.17 and 4.20), so the QMP connection may stay open; for unpausing it is
 * closed. */
int xls_domain_pause(struct xls_op *op, bool *paused);
void xls_domain_unpause(struct xls_op *op);

/* What happened to the guest while its memory was saved. */
struct xls_suspend {
    bool suspended;             /* it is suspended now: resume it */
    uint64_t since_us;          /* CLOCK_MONOTONIC when that was first seen */
};

/* Where a domain's memory goes. */
struct xls_save_to {
    int fd;
    uint64_t (*taken)(void *user);      /* bytes so far */
    bool (*failed)(void *user);         /* it takes no more, and has said why */
    void *user;
};

/*
 * Writes the domain's memory and leaves it suspended. On failure
 * suspend->suspended tells whether it must be resumed.
 */
int xls_domain_save(struct xls_op *op, const struct xls_save_to *to, bool live,
                    struct xls_suspend *suspend);
int xls_domain_resume(struct xls_op *op);

#endif
