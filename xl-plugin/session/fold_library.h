/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_SESSION_FOLD_LIBRARY_H
#define PLUGIN_SESSION_FOLD_LIBRARY_H

#include "cli/cli.h"
#include "cli/progress.h"
#include "offline/fold.h"

/* A fold that asks the library for what the running domain has open. */
struct fold_library {
    struct cli *cli;
    struct session *s;
    struct progress progress;
    struct fold fold;
};
void fold_library_init(struct fold_library *f, struct cli *cli,
                       struct session *s);

#endif
