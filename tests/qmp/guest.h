/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_QMP_GUEST_H
#define XLS_TESTS_QMP_GUEST_H

/*
 * A guest that does not stop writing while the library works: a process that
 * writes and flushes one block after the other of the first disk, through a
 * monitor of its own, and notes what was acknowledged.
 */
#include "qmp/support.h"

/* The blocks that it writes, of 64 KiB each. */
#define GUEST_FIRST 8
#define GUEST_BLOCKS 8

void guest_start(struct qmp_vm *vm);
/* It goes on writing, and none of its writes has failed. */
void guest_writes_on(void);
/* Stops it; the test fails if a write or flush of it has failed. values gets
 * what each of its blocks holds. */
void guest_stop(unsigned char values[GUEST_BLOCKS]);
/* Ends it whatever it does; not started: nothing. */
void guest_end(void);
/* What it has flushed of late, the oldest first: that, and when, by guest_clock,
 * which may be NULL. */
struct guest_note {
    uint64_t at;
    unsigned char block, value;         /* block: from GUEST_FIRST */
};
#define GUEST_NOTES 65536
extern uint64_t (*guest_clock)(void);
const struct guest_note *guest_notes(int *num);
/* Its vCPUs stop and go on; not started: nothing. */
void guest_pause(bool paused);

#endif
