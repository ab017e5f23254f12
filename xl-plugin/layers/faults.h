/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_FAULTS_H
#define PLUGIN_LAYERS_FAULTS_H

#include "util/strings.h"

/* What is wrong with files that snapshots need. */
struct fault {
    char *file, *what;
    struct strings snapshots;   /* those that cannot be relied on for it */
};
struct faults {
    struct fault *v;
    int num;
};

/* What is known already is noted for the snapshot as well, and not again. */
void faults_add(struct faults *f, const char *file, const char *what,
                const char *snapshot);
bool faults_concern(const struct faults *f, const char *snapshot);
void faults_free(struct faults *f);

#endif
