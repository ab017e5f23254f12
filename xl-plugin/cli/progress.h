/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_CLI_PROGRESS_H
#define PLUGIN_CLI_PROGRESS_H

#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include <libxl_snapshot.h>

/*
 * While an operation of the library runs: how far it is, on a terminal (and
 * nowhere else, unless lines is set), and Ctrl-C (or Ctrl-\, SIGTERM, SIGHUP),
 * which cancels it instead of ending the process in the middle.
 */
struct progress {
    bool terminal, shown;
    bool lines;                 /* elsewhere than on a terminal, plain lines */
    int told;                   /* the last one, percent */
    struct timespec start;
    bool shielded;
    sigset_t mask;              /* before that */
};
void progress_start(struct progress *p);
/*
 * After it: Ctrl-C, which goes to all processes of the terminal, does not end
 * those that the library starts from now on, such as libxl's helper that saves
 * memory: the save is cancelled, and does not fail. Not for what starts a
 * QEMU, which would keep the signals blocked that it is ended by.
 */
void progress_shield(struct progress *p);
void progress_end(struct progress *p);
/* For libxl_snapshot_how, whose user is then the struct progress. Nonzero: to
 * be cancelled. */
int progress_report(void *user, const libxl_snapshot_progress *progress);

#endif
