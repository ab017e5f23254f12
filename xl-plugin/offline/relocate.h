/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_OFFLINE_RELOCATE_H
#define PLUGIN_OFFLINE_RELOCATE_H

#include "layers/image.h"
#include "store/store.h"

/*
 * Images that were moved or copied by hand: the store's records, and the names
 * of backing files in the images' headers, follow. from and to: directories or
 * files, absolute.
 */

/* An image that the store names, or one below it, by where it is now. */
struct relocated {
    char *old, *path;
    libxl_disk_format format;
    char *backing;              /* NULL: none on this host */
    libxl_disk_format backing_format;
    bool rewrite;               /* the header does not lead to it */
};

struct relocate {
    struct store *st;
    const char *from, *to;
    /* As in struct merge. */
    int (*unused)(void *user, const char *path, struct error *e);
    void *user;

    struct relocated *v;
    int num;
    struct strings missing;     /* a sentence for each file */
};

/* Where a file that was at path is; malloc'ed, NULL: it was not moved. */
char *relocate_path(const struct relocate *r, const char *path);

/* Looks at everything; nothing is changed. -1: what is missing, or is not what
 * the store and the headers say, or is in use. */
int relocate_check(struct relocate *r, struct error *e);
/* Rewrites headers, then records. Interrupted, it can be done again. */
int relocate_apply(struct relocate *r, struct error *e);
void relocate_dispose(struct relocate *r);

#endif
