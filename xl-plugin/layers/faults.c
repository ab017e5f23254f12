/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/faults.h"

#include <stdlib.h>

#include "common/alloc.h"

static struct fault *find(const struct faults *f, const char *file,
                          const char *what)
{
    int i;

    for (i = 0; i < f->num; i++)
        if (str_same(f->v[i].file, file) && str_same(f->v[i].what, what))
            return &f->v[i];
    return NULL;
}

void faults_add(struct faults *f, const char *file, const char *what,
                const char *snapshot)
{
    struct fault *fault = find(f, file, what);

    if (!fault) {
        f->v = xls_realloc(f->v, f->num + 1, sizeof(*f->v));
        fault = &f->v[f->num++];
        memset(fault, 0, sizeof(*fault));
        fault->file = xls_strdup(file);
        fault->what = xls_strdup(what);
    }
    if (!strings_has(&fault->snapshots, snapshot))
        strings_add(&fault->snapshots, snapshot);
}

bool faults_concern(const struct faults *f, const char *snapshot)
{
    int i;

    for (i = 0; i < f->num; i++)
        if (strings_has(&f->v[i].snapshots, snapshot))
            return true;
    return false;
}

void faults_free(struct faults *f)
{
    int i;

    for (i = 0; i < f->num; i++) {
        free(f->v[i].file);
        free(f->v[i].what);
        strings_free(&f->v[i].snapshots);
    }
    free(f->v);
    memset(f, 0, sizeof(*f));
}
