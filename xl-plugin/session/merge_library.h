/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_SESSION_MERGE_LIBRARY_H
#define PLUGIN_SESSION_MERGE_LIBRARY_H

#include "cli/cli.h"
#include "cli/progress.h"
#include "offline/merge.h"

/* A merge that asks the library for what the running domain has open. */
struct merge_library {
    struct cli *cli;
    struct session *s;
    struct progress progress;
    struct merge merge;
};
void merge_library_init(struct merge_library *f, struct cli *cli,
                       struct session *s);

#endif
