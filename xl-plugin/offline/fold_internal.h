/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_OFFLINE_FOLD_INTERNAL_H
#define PLUGIN_OFFLINE_FOLD_INTERNAL_H

#include "offline/fold.h"

void fold_say(struct fold *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether a snapshot other than rec (NULL: any) refers to the file, by the
 * given method (-1: any). */
bool fold_referred(const struct store *st, const char *path, int method,
                   const xl_snapshot_record *rec);

/* Whether a disk of the domain is configured with this file. */
bool fold_configured(const struct store *st, const char *path);

/* Whether the file is the active layer of a disk of the domain, or of one that
 * runs. */
bool fold_active(const struct fold *f, const char *path);

/* Whether no domain runs on the file now; to be asked right before it is
 * written, renamed over or removed. */
int fold_unused(const struct fold *f, const char *path, struct error *e);

/* Lifts the protection of an active layer, sets that of any other. */
int fold_protect(const struct fold *f, const char *path, struct error *e);

/*
 * Around the writing of a layer by qemu-img. fold_begin notes it, lifts its
 * protection, and gives it a hidden name, so that no domain can be started on
 * it by a configuration or through another layer; it fails when a domain, or
 * any other process, has the layer open. fold_file is the name to use.
 * fold_end gives it its own name again, protects it, and takes the note back.
 * After a failure in between, fold_abandon puts all in order and keeps the
 * error that there is.
 */
int fold_begin(struct fold *f, const char *path, libxl_disk_format format,
               struct error *e);
/* For a layer that gets all the data of the one that it is based on, from. */
int fold_begin_from(struct fold *f, const char *path, const struct image *from,
                    libxl_disk_format format, struct error *e);
const char *fold_file(const struct fold *f, const char *path);
int fold_end(struct fold *f, struct error *e);
void fold_abandon(struct fold *f);

/* The same for a layer whose data goes into the one below it, into, which is
 * then to have its name: the upper one is hidden. fold_end_into gives it that
 * name and removes the upper one. */
int fold_begin_into(struct fold *f, const char *path, const char *into,
                    libxl_disk_format format, struct error *e);
int fold_end_into(struct fold *f, struct error *e);

/* The directories of both have it on disk; a file of that name is an error. */
int fold_rename(const char *from, const char *to, struct error *e);

/* In fold_hidden.c, for these: the file gets its noted hidden name, or its own
 * one again. What is no regular file keeps its name. */
int fold_put_aside(struct fold *f, struct error *e);
int fold_put_back(struct fold *f, struct error *e);
/* No running domain has the file in a chain, and no process has it open; path
 * is its own name. */
int fold_check_unused(struct fold *f, const char *path, const char *file,
                      struct error *e);

/*
 * The data of child has been merged into base, the deleted snapshot's layer:
 * all that refers to child is made to refer to base, and child's file goes.
 * The disk leaves rec. Ends fold_begin.
 */
int fold_merged(struct fold *f, const xl_snapshot_record *rec,
                const char *vdev, const struct image *base, const char *child,
                struct error *e);

/*
 * Folds base, which only child is based on, and takes it out of rec; disk is
 * gone then. The first for files that no domain has open, the second for the
 * chain of the running domain.
 */
int fold_offline(struct fold *f, const struct layers *l,
                 xl_snapshot_record *rec, xl_snapshot_disk *disk,
                 const struct layer *base, const struct layer *child,
                 struct error *e);
int fold_online(struct fold *f, xl_snapshot_record *rec,
                xl_snapshot_disk *disk, const struct layer *base,
                const struct layer *child, struct error *e);

/* Several layers are based on base: one of them, that is not of a running
 * domain, gets its data and is based on it no more. */
int fold_apart(struct fold *f, const struct layers *l,
               const struct layer *base, struct error *e);

/* The disk leaves the record, which is written. */
int fold_drop(struct fold *f, xl_snapshot_record *rec, xl_snapshot_disk *disk,
              struct error *e);

/* An internal snapshot is deleted and leaves the record: 1. 0: it has to
 * stay. image: the file that holds it, NULL when that is gone. */
int fold_inside(struct fold *f, const struct layer *image,
                xl_snapshot_record *rec, xl_snapshot_disk *disk,
                struct error *e);
/* Why it has to stay. */
const char *fold_inside_obstacle(const struct layer *image,
                                 const xl_snapshot_disk *disk);
/* Removes internal snapshots that nothing needs, where that is possible. */
int fold_leftovers(struct fold *f, struct error *e);

#endif
