/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_SUPERVISE_SUPERVISE_H
#define PLUGIN_SUPERVISE_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

/*
 * A domain of xl's is watched by a process in the background, which does what
 * on_poweroff, on_reboot and on_crash say. xl up to Xen 4.17 ends that process
 * when the domain is suspended, which a snapshot with memory does, and a
 * domain made by revert has none yet. For these, the supervisor here takes
 * over.
 */

/* The processes that watch over a domain: pidfds. */
struct watchers {
    int *fds;
    int num;
    int hold;                   /* of supervise_start; -1: none */
};
/* Those of the domain of this name: an xl or xl-snapshot that has
 * /var/log/xen/xl-<name>.log open for writing. None is no error. */
void watchers_find(const char *name, struct watchers *w);
void watchers_close(struct watchers *w);

/*
 * Starts a supervisor in the background. With w, which may end when the
 * domain is suspended, it first waits for all of those to have ended, until
 * some time after supervise_release, or the end of this process; if one of
 * them lives on, nothing is to be done and it ends. Without, it takes over at
 * once.
 */
int supervise_start(const char *name, uint32_t domid, struct watchers *w,
                    struct error *e);
/* The suspension is over. */
void supervise_release(struct watchers *w);

#endif
