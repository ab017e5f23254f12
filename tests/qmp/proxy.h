/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_QMP_PROXY_H
#define XLS_TESTS_QMP_PROXY_H

/*
 * A process between the library and a QEMU's monitor. It forwards everything,
 * but for one message of the library's that it is told to spoil. Like QEMU, it
 * serves one client at a time: the next one is greeted when the work for the one
 * before is done.
 */
#include <stdbool.h>

enum proxy_fault {
    PROXY_NONE,
    PROXY_CUT_BEFORE,   /* the connection breaks, QEMU never sees the command */
    PROXY_CUT_AFTER,    /* QEMU executes the command, then the connection
                         * breaks */
    PROXY_LOSE_REPLY,   /* QEMU executes it, its reply is dropped */
    PROXY_LATE_REPLY,   /* QEMU executes it, its reply comes after the hold */
    PROXY_LATE,         /* QEMU gets the command after the hold, whether the
                         * client has given up by then or not */
    PROXY_LONG_REPLY,   /* the same two, but held for so long that whoever */
    PROXY_LONG,         /* connects anew gives up, too */
    PROXY_FAULTS
};

extern const char *const proxy_fault_names[PROXY_FAULTS];

/* Listens at path in front of the monitor at qemu, until proxy_stop. */
void proxy_start(const char *path, const char *qemu);
void proxy_stop(void);                          /* not started: nothing */

/* What is counted and spoiled. */
enum proxy_kind { PROXY_COMMANDS, PROXY_QUERIES };

/*
 * The n-th (from 1) message of a kind from now on is spoiled; 0: none is. The
 * counting begins anew.
 */
void proxy_spoil(enum proxy_kind kind, int n, enum proxy_fault fault);
/* Whether that message came, and which command it was. */
bool proxy_spoiled(char *command, int size);
/* Waits until the proxy holds nothing and has no client. */
void proxy_wait_idle(void);

/* Milliseconds of the two holds. */
#define PROXY_HOLD_MS   450
#define PROXY_LONG_MS   1500

#endif
