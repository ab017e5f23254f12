/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_REVERT_H
#define XLS_REVERT_H

#include "image/pipe.h"
#include "json/json.h"
#include "op.h"

struct xls_revert {
    struct xls_op op;                   /* the old domain; inactive: none */
    const libxl_domain_snapshot_args *args;
    libxl_domain_config config;         /* of the new domain */
    char *name;                         /* that it ends up with */
    char *incoming;                     /* its name while it is built */
    char *outgoing;                     /* the old one's once it is replaced */
    int memory_fd;                      /* -1: boot, or from … */
    struct xls_image *image;            /* NULL: boot, or a plain file */
    bool old_gone;                      /* the old domain is destroyed */
    uint32_t domid;                     /* the new one; XLS_NO_DOMID: none */
    libxl_disk_snapshot_result *disks;  /* one per args->disks */
    char **second_names;                /* likewise: what the new layer is
                                         * called too while it takes its path;
                                         * NULL: it takes none */
};

void xls_revert_set_name(struct xls_revert *r, const char *name);
void xls_revert_dispose(struct xls_revert *r);

/* revert/disks.c */

/* Checks the disks of the arguments against the configuration, and has the
 * configuration name the layers that the domain is to start on. */
int xls_revert_prepare_disks(struct xls_revert *r);
/* Sets second_names: as a journal recorded them (an array, empty if it is of an
 * earlier version), or new ones (NULL). */
void xls_revert_set_second_names(struct xls_revert *r,
                                 const struct xls_json *recorded);
/* Lets the toolstack put disks of methods INTERNAL and CALLER back. */
int xls_revert_storage(struct xls_revert *r);
/*
 * keep_path: once the new domain stands and the old one does not run any more,
 * gives the new layers the paths of those they replace, and tells QEMU and
 * libxl. A disk for which that fails stays on the path it has, with a
 * warning: it is right there. May be done again.
 */
void xls_revert_take_paths(struct xls_revert *r);

/* revert/swap.c */

/*
 * The new domain, which stands paused, takes the old one's place: the old one
 * is paused and gives up its name and paths, the new one goes on, and only
 * then the old one is destroyed, which takes libxl some seconds. On failure
 * the old one runs on and the new one is gone.
 */
int xls_revert_swap(struct xls_revert *r);
/* The end of it: the new domain, which bears its name, takes over the paths
 * and goes on. */
int xls_revert_go_on(struct xls_revert *r);
int xls_revert_destroy_old(struct xls_revert *r);

/* revert/journal.c */

/* Notes how far the revert is. */
int xls_revert_journal(struct xls_revert *r);
/* Completes what a killed revert has left, or, when the new domain did not
 * stand yet, takes it back. op: any domain of the uuid. */
int xls_revert_recover(struct xls_op *op, const struct xls_json *journal);

#endif
