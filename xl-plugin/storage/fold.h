/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_STORAGE_FOLD_H
#define PLUGIN_STORAGE_FOLD_H

#include "storage/layers.h"

/* What the library did to one disk of the running domain. */
struct fold_result {
    char *top_path;             /* NULL: not told */
    libxl_disk_format top_format;
    char *unused_path;
};

/*
 * Removing the state of deleted snapshots.
 *
 * A frozen layer is an image file; what is based on it (other snapshots'
 * layers, the domain's active layer) decides what can become of it: with
 * nothing based on it, it is unlinked; with one layer, the two are folded
 * into one; with several, or where something else still needs it, it stays,
 * and with it the snapshot's record, hidden, until a later fold finds it free.
 *
 * At each moment the store describes what is on disk: data is copied before
 * the store is changed, and files are unlinked after. An interruption leaves
 * at most a layer more than needed, and the next fold goes on.
 */
struct fold {
    struct store *st;
    struct live *live;          /* follows what the library does */
    uint32_t domid;             /* INVALID_DOMID: the domain does not run */
    /* For layers that the running domain uses; the library's delete. */
    int (*external)(void *user, const char *vdev, const char *layer,
                    libxl_snapshot_merge merge, struct fold_result *result,
                    struct error *e);
    int (*internal)(void *user, const char *vdev, const char *name,
                    struct error *e);
    /* A sentence for the user: what was done or why something stays. */
    void (*say)(void *user, const char *text);
    void *user;
};

/* Marks a snapshot as deleted. Its record goes with fold_all. */
int fold_hide(struct store *st, xl_snapshot_record *rec, struct error *e);

/* Removes what hidden snapshots no longer need to hold. */
int fold_all(struct fold *f, struct error *e);

/* Unlinks an image that nothing uses; what is used, or is the file that the
 * domain's config names, stays, which is said. A reference from the record
 * except (may be NULL) is none. */
int fold_discard(struct fold *f, const char *path,
                 const xl_snapshot_record *except, struct error *e);

/* The store's references to the file from now mean the file to. */
int fold_follow(struct store *st, const char *from, const char *to,
                libxl_disk_format to_format, struct error *e);

/* What was in the layer from, of the running domain's chain, is in the layer to
 * now: so for the store, and for images outside the chain. */
int fold_moved(struct fold *f, const char *from, const char *to,
               libxl_disk_format to_format, struct error *e);

#endif
