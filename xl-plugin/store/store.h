/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_STORE_STORE_H
#define PLUGIN_STORE_STORE_H

#include <libxl_snapshot.h>
#include <_xl_snapshot_types.h>

#include "util/error.h"
#include "util/strings.h"

#define STORE_ROOT "/var/lib/xen/snapshots"
#define STORE_FORMAT_VERSION 1

/*
 * What is known about one domain's snapshots; store/README.md describes the
 * directory. The functions that write change memory and file together.
 */
struct store {
    char *root;                 /* of all domains' stores */
    char *domain;
    char *path;                 /* this domain's directory */
    int dir;                    /* -1: there is none (yet) */
    int lock;                   /* -1: opened for reading */
    bool known;                 /* there is a domain.json */
    xl_snapshot_domain info;
    xl_snapshot_record **records;       /* by time of creation, then name */
    int num_records;
    struct strings healed;      /* what was left out of domain.json as it was
                                 * read; a sentence for the user each */
};

/*
 * change: makes the directory, and holds the domain's lock until
 * store_close; waits wait_s seconds for another command that has it. Without
 * change, a domain that has no directory is an empty store, also where its
 * name is too long for one. A file that
 * cannot be understood is an error that names it and what is wrong; nothing
 * is removed.
 */
int store_open(const char *root, const char *domain, bool change, int wait_s,
               struct store **st, struct error *e);
void store_close(struct store *st);             /* NULL is fine */

/* The names of all domains in the store. */
int store_domains(const char *root, struct strings *names, struct error *e);

xl_snapshot_record *store_find(const struct store *st, const char *name);
/* The same, but a missing or hidden one is an error that lists what there
 * is. */
xl_snapshot_record *store_must_find(const struct store *st, const char *name,
                                    struct error *e);

/* The snapshot whose memory image is this file; NULL: none of this store. */
xl_snapshot_record *store_find_memory(const struct store *st,
                                      const char *path);

/* Adds a record with this name, in memory only. */
xl_snapshot_record *store_add(struct store *st, const char *name);
int store_write(struct store *st, const xl_snapshot_record *rec,
                struct error *e);
/* Removes file and record; rec is freed. */
int store_remove(struct store *st, xl_snapshot_record *rec, struct error *e);

/* Gives a record without memory another name, which none has but the record
 * itself, after this was interrupted. */
int store_rename(struct store *st, const char *from, const char *to,
                 struct error *e);
/* A deleted snapshot whose layers are still in use gives its name away. */
int store_give_name_away(struct store *st, const char *name, struct error *e);

/*
 * store/move.c: the store, which is locked, becomes that of a domain of another
 * name, which has no snapshots yet. The second completes it for a store that
 * is found under the new name; one that is not locked only in memory.
 */
int store_move(struct store *st, const char *domain, struct error *e);
int store_finish_move(struct store *st, struct error *e);
/* Refuses, with the way out, where a store has snapshots or knows what nothing
 * else tells: an interrupted command's steps, or that a disk of the domain is
 * not what its configuration file names. */
int store_check_free(const struct store *st, struct error *e);

/* Each checks what it writes as it would be checked when it is read. */
int store_write_info(struct store *st, struct error *e);
/* Whether domain.json can name this as where a disk is: an absolute path or an
 * NBD export. */
bool store_place_ok(const char *path);
/* The disk's entry of domain.json; NULL when there is none. */
xl_snapshot_domain_disk *store_disk(const struct store *st, const char *vdev);
xl_snapshot_domain_disk *store_disk_add(struct store *st, const char *vdev);
void store_add_uuid(struct store *st, const char *uuid);

xl_snapshot_disk *record_disk(const xl_snapshot_record *rec,
                              const char *vdev);
xl_snapshot_disk *record_disk_add(xl_snapshot_record *rec, const char *vdev);
void record_disk_remove(xl_snapshot_record *rec, xl_snapshot_disk *disk);

/* Notes an internal snapshot as one that nothing needs; in memory only. */
void store_add_leftover(struct store *st, const xl_snapshot_disk *disk);
void store_remove_leftover(struct store *st, int index);

/* What the records say of the file from is true of the file to now. */
int store_move_layer(struct store *st, const char *from, const char *to,
                     libxl_disk_format format, struct error *e);

/* A merge that was interrupted after the data was copied counts as done, for
 * who only reads; in memory. */
void store_assume_merged(struct store *st);

/* Where a snapshot's memory image goes. */
char *store_memory_path(const struct store *st, const char *name);
/* Removes a snapshot's memory image. One that is outside of the store's own
 * directory must still be a memory file. */
int store_remove_memory(struct store *st, const xl_snapshot_record *rec,
                        struct error *e);
/* Where one is to be made (*path is malloc'ed) that then takes the place of that
 * one, if there is one, in one step. */
int store_new_memory(struct store *st, const xl_snapshot_record *rec,
                     char **path, struct error *e);
int store_take_new_memory(struct store *st, const xl_snapshot_record *rec,
                          const char *path, struct error *e);
/* Removes what killed commands have left of memory images half made. */
int store_sweep(struct store *st, struct error *e);

#endif
