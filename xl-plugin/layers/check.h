/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_CHECK_H
#define PLUGIN_LAYERS_CHECK_H

#include "layers/faults.h"
#include "layers/image.h"
#include "store/store.h"

/*
 * Looks through the layers that snapshots need, each once: a file is there and
 * is an image of the format that all who name it say; what it is based on is
 * there too, and so are the snapshots inside it; and qemu-img finds its
 * metadata in order. Changes nothing, and may be used on layers in use.
 */
struct checked;
struct check {
    struct checked *files;
    int num;
    struct faults *faults;
    bool missing;               /* one of them is a file that is not there */
    /* Of something that is no fault. */
    void (*notice)(void *user, const char *file, const char *text);
    /* Before each file, with the bytes that are done; nonzero: no more. */
    int (*progress)(void *user, uint64_t done);
    void *user;
};

/* What a look at files and headers tells, of all layers of a snapshot. */
void check_add(struct check *c, const xl_snapshot_record *rec);
/* Then what their content tells. 1: progress ended it. */
int check_contents(struct check *c);
void check_free(struct check *c);

#endif
