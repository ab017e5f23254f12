/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef TEST_SUPPORT_RUNNING_H
#define TEST_SUPPORT_RUNNING_H

#include <stdbool.h>

/*
 * From now on the domain of trees.h counts as running, or not. What the
 * library would do to its disks through QEMU is done with qemu-img then. True
 * once more, after a process was killed: what is open is what that had done.
 */
void set_running(bool running);

/* Called around what is the library's part. */
extern void (*library_begins)(void), (*library_ends)(void);

#endif
