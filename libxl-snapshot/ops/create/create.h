/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_CREATE_H
#define XLS_CREATE_H

#include "memimage/pipe.h"
#include "merge/merge.h"
#include "xen/domain.h"

/* One disk of a create, and how far it has come. */
struct xls_create_disk {
    const libxl_disk_snapshot *args;
    struct xls_disk *disk;
    bool discard;
    char *node;                 /* the overlay's */
    char *base_path;            /* of the layer to be frozen: without links,
                                 * but for a block device */
    struct xls_file_id base_id, overlay_id;
    char *overlay_path;         /* where the overlay is made */
    char *second_name;          /* keep_path: of the disk's file while it takes
                                 * its path back */
    const char *frozen_path;    /* what the frozen layer is called after */
    const char *top_path;       /* what the overlay is called after */
    bool made;                  /* the overlay's file is there, by us */
    bool added;                 /* its node is */
    bool linked;                /* base_path has its second name */
    bool moved;                 /* base_path names the overlay */
    bool switched;              /* the guest writes to the overlay */
    bool merged;                /* … wrote to it, and that is in the layer
                                 * below again */
    bool called;                /* the storage's own snapshot is taken */
    bool snapshotted;           /* the internal snapshot is taken */
};

struct xls_create {
    struct xls_op op;
    const libxl_domain_snapshot_args *args;
    struct xls_disks disks;
    struct xls_create_disk *todo;
    int num_todo;
    char *memory_tmp;           /* the memory file until it is complete */
    int memory_fd;
    struct xls_file_id memory_id;
    bool memory_made;
    struct xls_image *memory_parent;    /* or NULL */
    struct xls_image_writer *image;     /* NULL: the file is a plain one */
    struct xls_image_pipe *memory_pipe;
    const struct xls_merge *merge;        /* under way, to undo one disk */
    const struct xls_disk *merge_disk;
    struct xls_suspend suspend;
    bool paused;                /* by us, for the window */
    bool left_paused;           /* by us, as the caller asked */
    uint64_t stopped_us, window_us, memory_bytes, memory_content;
};

/* ops/create/plan.c */

/* Frees what c, or d, holds, but for c's op. */
void xls_create_dispose(struct xls_create *c);
void xls_create_disk_dispose(struct xls_create_disk *d);
/* Whether every disk is as it was before, for all that is known. */
bool xls_create_is_undone(const struct xls_create *c);
/* The name that a disk's file bears while it takes its path back, where the
 * disk was to keep its path; malloc'ed. */
char *xls_create_second_name(const struct xls_json *disk);
/* Whether there is a file; whether a layer is in it. NULL: no. */
bool xls_create_exists(const char *path);
bool xls_create_is_layer(const struct xls_layer *layer, const char *path);

/* ops/create/check.c: checks c->args, and makes of them what there is to do. */
int xls_create_check(struct xls_create *c);
/* ops/create/steps.c: does it, or rolls it back; and rolls back what another
 * process has done of it. */
int xls_create_run(struct xls_create *c);
int xls_create_roll_back(struct xls_create *c);
/* ops/create/paths.c: whether all names of files are different ones. */
int xls_create_check_paths(struct xls_create *c);
/* ops/create/journal.c */
int xls_create_journal(struct xls_create *c);
int xls_create_close_journal(struct xls_create *c);
/* ops/create/recover.c: undoes what a killed create has left, by its journal. */
int xls_create_undo_killed(struct xls_op *op, const struct xls_json *journal);
/* ops/create/tidy.c */
/* The same when the domain has been restarted since. */
int xls_create_tidy_killed(struct xls_op *op, const struct xls_json *journal);
/* Of one disk of the journal that no longer runs as it did then. Only the files
 * show what they are. An overlay that a domain uses, or that may hold what a
 * guest wrote, stays, and so does what it is based on. */
int xls_create_tidy_disk(struct xls_op *op, const struct xls_json *disk);
/* ops/create/overlays.c: makes the overlays and adds them to QEMU. */
int xls_create_overlays(struct xls_create *c);
void xls_create_undo_overlays(struct xls_create *c);
/* ops/create/memory.c */
/* What is asked for it, and opens the parent. */
int xls_create_check_memory(struct xls_create *c);
/* ops/create/room.c: an upper bound of what a memory file of a guest that stands
 * still takes, bytes, and whether there is room for it. */
uint64_t xls_create_memory_bound(const libxl_dominfo *info);
int xls_create_check_room(struct xls_create *c);
int xls_create_memory_file(struct xls_create *c);
void xls_create_undo_memory_file(struct xls_create *c);
int xls_create_save(struct xls_create *c);
void xls_create_undo_save(struct xls_create *c);
int xls_create_finish_memory(struct xls_create *c);
/* ops/create/window.c: the guest-stopped window. */
int xls_create_window(struct xls_create *c);
/* Makes durable that the frozen layers are protected. */
int xls_create_protect(struct xls_create *c);
void xls_create_undo_window(struct xls_create *c);
/* ops/create/names.c: QEMU and libxl learn what is where. */
/* base: the frozen layer as QEMU has it; below: the node under it, or NULL. */
int xls_create_name(struct xls_create *c, struct xls_create_disk *d,
                    const struct xls_layer *base, const char *below);
int xls_create_names(struct xls_create *c);
int xls_create_records(struct xls_create *c);

#endif
