/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_OFFLINE_MERGE_H
#define PLUGIN_OFFLINE_MERGE_H

#include "layers/layers.h"

/* What the library did to one disk of the running domain. */
struct merge_result {
    char *top_path;             /* NULL: not told */
    libxl_disk_format top_format;
    char *unused_path;
};

/*
 * Removing the state of deleted snapshots.
 *
 * A frozen layer is an image file; what is based on it (other snapshots'
 * layers, the domain's active layer) decides what can become of it: with
 * nothing based on it, it is unlinked; with one layer, the two are merged
 * into one; with several, its data goes up into all but one first. Where
 * something else still needs it, it stays, and with it the snapshot's record,
 * hidden, until a later merge finds it free.
 *
 * At each moment the store describes what is on disk: data is copied before
 * the store is changed, and files are unlinked after. An interruption leaves
 * at most a layer more than needed, which merge_recover makes whole and the
 * next merge_all removes.
 */
struct merge {
    struct store *st;
    struct live *live;          /* follows what the library does */
    uint32_t domid;             /* INVALID_DOMID: the domain does not run */
    /* For layers that the running domain uses; the library's delete. */
    int (*external)(void *user, const char *vdev, const char *layer,
                    libxl_snapshot_merge merge, struct merge_result *result,
                    struct error *e);
    int (*internal)(void *user, const char *vdev, const char *name,
                    struct error *e);
    /* Makes the memory images that are based on this one do without it; NULL:
     * there are none. */
    int (*memory)(void *user, const xl_snapshot_record *rec, struct error *e);
    /* 0: no running domain has the file in a chain, as asked afresh; -1: e
     * says who has, or may have. NULL: no domain runs. */
    int (*unused)(void *user, const char *path, struct error *e);
    /* A sentence for the user: what was done or why something stays. */
    void (*say)(void *user, const char *text);
    void *user;
};

/* Marks a snapshot as deleted. Its record goes with merge_all. merge: which
 * way its layers are merged; AUTO: as it was recorded for each disk. */
int merge_hide(struct store *st, xl_snapshot_record *rec,
               libxl_snapshot_merge merge, struct error *e);

/* Puts in order what an interrupted merge was at: files that were written are
 * sound and protected again, and all refers to the right ones. */
int merge_recover(struct merge *f, struct error *e);

/* Removes what hidden snapshots no longer need to hold. */
int merge_all(struct merge *f, struct error *e);

/* Why a frozen layer cannot be merged away; NULL when it can be. */
const char *merge_obstacle(const struct merge *f, const struct layers *l,
                           const struct layer *base);

/* Unlinks an image that nothing uses; what is used, or is the file that the
 * domain's config names, stays, which is said. A reference from the record
 * except (may be NULL) is none. */
int merge_discard(struct merge *f, const char *path,
                  const xl_snapshot_record *except, struct error *e);

/* The store's references to the file from now mean the file to. */
int merge_follow(struct store *st, const char *from, const char *to,
                 libxl_disk_format to_format, struct error *e);

/* What was in the layer from, of the running domain's chain, is in the layer to
 * now: so for the store, and for images outside the chain. */
int merge_moved(struct merge *f, const char *from, const char *to,
                libxl_disk_format to_format, struct error *e);

#endif
