/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_OFFLINE_MERGE_INTERNAL_H
#define PLUGIN_OFFLINE_MERGE_INTERNAL_H

#include "offline/merge.h"

void merge_say(struct merge *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether a snapshot other than rec (NULL: any) refers to the file, by the
 * given method (-1: any). */
bool merge_referred(const struct store *st, const char *path, int method,
                    const xl_snapshot_record *rec);

/* Whether a disk of the domain is configured with this file. */
bool merge_configured(const struct store *st, const char *path);

/* Whether the file is the active layer of a disk of the domain, or of one that
 * runs. */
bool merge_active(const struct merge *f, const char *path);

/* Whether no domain runs on the file now; to be asked right before it is
 * written, renamed over or removed. */
int merge_unused(const struct merge *f, const char *path, struct error *e);

/* Lifts the protection of an active layer, sets that of any other. */
int merge_protect(const struct merge *f, const char *path, struct error *e);

/*
 * Around the writing of a layer by qemu-img. merge_begin notes it, lifts its
 * protection, and gives it a hidden name, so that no domain can be started on
 * it by a configuration or through another layer; it fails when a domain, or
 * any other process, has the layer open. merge_file is the name to use.
 * merge_end gives it its own name again, protects it, and takes the note back.
 * After a failure in between, merge_abandon puts all in order and keeps the
 * error that there is.
 */
int merge_begin(struct merge *f, const char *path, libxl_disk_format format,
                struct error *e);
/* For a layer that gets all the data of the one that it is based on, from. */
int merge_begin_from(struct merge *f, const char *path, const struct image *from,
                     libxl_disk_format format, struct error *e);
const char *merge_file(const struct merge *f, const char *path);
int merge_end(struct merge *f, struct error *e);
void merge_abandon(struct merge *f);

/* The same for a layer whose data goes into the one below it, into, which is
 * then to have its name: the upper one is hidden. merge_end_into gives it that
 * name and removes the upper one. */
int merge_begin_into(struct merge *f, const char *path, const char *into,
                     libxl_disk_format format, struct error *e);
int merge_end_into(struct merge *f, struct error *e);

/* The directories of both have it on disk; a file of that name is an error. */
int merge_rename(const char *from, const char *to, struct error *e);

/* In merge_hidden.c, for these: the file gets its noted hidden name, or its own
 * one again. What is no regular file keeps its name. */
int merge_put_aside(struct merge *f, struct error *e);
int merge_put_back(struct merge *f, struct error *e);
/* No running domain has the file in a chain, and no process has it open; path
 * is its own name. */
int merge_check_unused(struct merge *f, const char *path, const char *file,
                       struct error *e);

/*
 * The data of child has been merged into base, the deleted snapshot's layer:
 * all that refers to child is made to refer to base, and child's file goes.
 * The disk leaves rec. Ends merge_begin.
 */
int merge_is_done(struct merge *f, const xl_snapshot_record *rec,
                  const char *vdev, const struct image *base, const char *child,
                  struct error *e);

/*
 * Merges base, which only child is based on, and takes it out of rec; disk is
 * gone then. The first for files that no domain has open, the second for the
 * chain of the running domain.
 */
int merge_offline(struct merge *f, const struct layers *l,
                  xl_snapshot_record *rec, xl_snapshot_disk *disk,
                  const struct layer *base, const struct layer *child,
                  struct error *e);
int merge_online(struct merge *f, xl_snapshot_record *rec,
                 xl_snapshot_disk *disk, const struct layer *base,
                 const struct layer *child, struct error *e);

/* Several layers are based on base: one of them, that is not of a running
 * domain, gets its data and is based on it no more. */
int merge_apart(struct merge *f, const struct layers *l,
                const struct layer *base, struct error *e);

/* The disk leaves the record, which is written. */
int merge_drop(struct merge *f, xl_snapshot_record *rec, xl_snapshot_disk *disk,
               struct error *e);

/* An internal snapshot is deleted and leaves the record: 1. 0: it has to
 * stay. image: the file that holds it, NULL when that is gone. */
int merge_inside(struct merge *f, const struct layer *image,
                 xl_snapshot_record *rec, xl_snapshot_disk *disk,
                 struct error *e);
/* Why it has to stay. */
const char *merge_inside_obstacle(const struct layer *image,
                                  const xl_snapshot_disk *disk);
/* Removes internal snapshots that nothing needs, where that is possible. */
int merge_leftovers(struct merge *f, struct error *e);

#endif
