/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_STORAGE_FOLD_INTERNAL_H
#define PLUGIN_STORAGE_FOLD_INTERNAL_H

#include "storage/fold.h"

void fold_say(struct fold *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether a snapshot other than rec (NULL: any) refers to the file, by the
 * given method (-1: any). */
bool fold_referred(const struct store *st, const char *path, int method,
                   const xl_snapshot_record *rec);

/* Whether a disk of the domain is configured with this file. */
bool fold_configured(const struct store *st, const char *path);

/* Sets or lifts a layer's protection, by whether it is frozen or active. */
int fold_protect(const struct store *st, const char *path, struct error *e);

/*
 * Folds base, which only child is based on, and takes it out of rec; disk is
 * gone then. The first for files that no domain has open, the second for the
 * chain of the running domain.
 */
int fold_offline(struct fold *f, const struct layers *l,
                 xl_snapshot_record *rec, xl_snapshot_disk *disk,
                 const struct layer *base, const struct layer *child,
                 struct error *e);
int fold_online(struct fold *f, const struct layers *l,
                xl_snapshot_record *rec, xl_snapshot_disk *disk,
                const struct layer *base, const struct layer *child,
                struct error *e);

/* The disk leaves the record, which is written. */
int fold_drop(struct fold *f, xl_snapshot_record *rec, xl_snapshot_disk *disk,
              struct error *e);

#endif
