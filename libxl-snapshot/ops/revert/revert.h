/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_REVERT_H
#define XLS_REVERT_H

#include "common/json/json.h"
#include "common/names.h"
#include "memimage/pipe.h"
#include "session/op.h"

/* How far a revert is that destroys the old domain first; SAVING and GONE: that
 * puts it aside before. */
enum xls_revert_phase {
    XLS_REVERT_BEGUN,
    XLS_REVERT_SAVING,                  /* its memory is being written */
    XLS_REVERT_DESTROYING,              /* … is whole; the domain goes */
    XLS_REVERT_GONE,                    /* … is gone */
    XLS_REVERT_REPLACED,                /* the new one takes its disks' paths */
    XLS_REVERT_BACK,                    /* brought_back is the old one again */
};

/* The old domain, put aside. */
struct xls_revert_aside {
    char *path;                         /* its memory file; NULL: it is not */
    int fd;                             /* while it is written; -1 */
    libxl_domain_config config;
    struct xls_json *stamps;            /* what its disks looked like when it
                                         * was gone; NULL before */
};

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
    char *conflict;                     /* why both cannot be; NULL: they can */
    struct xls_revert_aside aside;
    enum xls_revert_phase phase;
    uint32_t brought_back;              /* the old one again; XLS_NO_DOMID */
    struct xls_json *vm_tree;           /* /vm/<uuid> of the old one */
    libxl_uuid new_uuid;                /* after a kill: the new one's */
    uint32_t domid;                     /* the new one; XLS_NO_DOMID: none */
    libxl_disk_snapshot_result *disks;  /* one per args->disks */
    char **second_names;                /* likewise: what the new layer is
                                         * called too while it takes its path;
                                         * NULL: it takes none */
    struct xls_file_id *replaced;       /* likewise: what was at that path */
    bool paths_left;                    /* they could not be taken */
};

/* ops/revert/plan.c */

void xls_revert_set_name(struct xls_revert *r, const char *name);
void xls_revert_dispose(struct xls_revert *r);
/* Destroys what libxl could not complete, as far as libxl has not. The id may
 * be one of no domain, and is never domain 0. */
void xls_revert_remove_incomplete(libxl_ctx *ctx, uint32_t domid);

/* The disk of this vdev in a configuration; NULL: none. */
libxl_device_disk *xls_revert_disk(libxl_domain_config *config,
                                   const char *vdev);
/* What taking paths over needs, and the journal has: anew, or from the journal. */
void xls_revert_plan_paths(struct xls_revert *r);
void xls_revert_paths_to_json(const struct xls_revert *r, struct xls_json *o);
void xls_revert_paths_from_json(struct xls_revert *r, const struct xls_json *o);

/* ops/revert/run.c: all of it, to a domain of this configuration. */
int xls_revert_run(struct xls_revert *r, const libxl_domain_config *config);

/* ops/revert/config.c: whether what the configuration names is there. A medium of
 * a CD-ROM drive that is not is taken out of the configuration. */
int xls_revert_check_config(struct xls_revert *r);

/* ops/revert/memory.c */

/* Whether the host's memory suffices for the new domain beside the old one.
 * NULL: it does; else malloc'ed, what is missing. Domain 0 gives some where it
 * may. */
int xls_revert_lacks_memory(struct xls_revert *r, char **what);
/* The same where there is no old one: ERROR_NOMEM, logged. Where it is gone by
 * now, its memory is waited for, and the new one is tried in any case. */
int xls_revert_need_memory(struct xls_revert *r);
/* … once the old one is gone; before that, ERROR_NOMEM when it will not. */
int xls_revert_will_have_memory(struct xls_revert *r);

/* ops/revert/aside.c */

/* Whether the old domain can be put aside; logged. */
int xls_revert_aside_check(struct xls_revert *r);
/* Saves its memory and leaves it suspended. On failure it runs on. */
int xls_revert_aside_save(struct xls_revert *r);
/* It is destroyed: makes it again, running. On failure its memory stays. */
int xls_revert_aside_bring_back(struct xls_revert *r);
/* Its memory is of no use any more. */
void xls_revert_aside_drop(struct xls_revert *r);
/* Sets its stamps, for the journal. */
void xls_revert_aside_stamp(struct xls_revert *r);
/* Reads the configuration from its memory file. */
int xls_revert_aside_load(struct xls_revert *r);
/* After a kill, no domain is there: brings it back if nobody has written its
 * disks since (check false: nobody could), or says where its memory is. */
int xls_revert_aside_recover(struct xls_revert *r, bool check);
/* The same after a restart of the host: says so. */
void xls_revert_aside_stale(struct xls_revert *r);

/* ops/revert/vm_tree.c */

/* Reads what is in xenstore under /vm/<uuid> of the old domain, and writes it
 * again, for a domain of that id. */
void xls_revert_vm_read(struct xls_revert *r);
void xls_revert_vm_write(struct xls_revert *r, uint32_t domid);
/* Has it stay when this domain is destroyed. */
void xls_revert_vm_keep(uint32_t domid);

/* ops/revert/console.c: has the guests' console logs named by the domains' names
 * of now. */
void xls_revert_reopen_console_logs(void);

/* ops/revert/disks.c */

/* Checks the disks of the arguments against the configuration, and has the
 * configuration name the layers that the domain is to start on. */
int xls_revert_prepare_disks(struct xls_revert *r);
/* Lets the toolstack put disks of methods INTERNAL and CALLER back. */
int xls_revert_storage(struct xls_revert *r);
/* Whether another running domain uses a file that the new one is on, or one
 * whose path is to be taken over; logged. To be asked right before that. */
int xls_revert_check_paths(struct xls_revert *r);
/* ops/revert/paths.c */

/* Makes the second names, which is what can fail for want of space or of hard
 * links; drop: those that are left. */
int xls_revert_make_names(struct xls_revert *r);
void xls_revert_drop_names(struct xls_revert *r);
/*
 * keep_path: once the new domain stands and the old one does not run any more,
 * gives the new layers the paths of those they replace, and tells QEMU and
 * libxl. Where that cannot be for one disk it is done for none: they stay on the
 * paths that they have, with a warning, and paths_left is set. May be done
 * again; the guest must stand still.
 */
void xls_revert_take_paths(struct xls_revert *r);
/* After a kill: whether a new layer took its path, or was about to, so that there
 * is no way back. */
bool xls_revert_took_paths(struct xls_revert *r);
/* Whether a domain has written any of them. */
bool xls_revert_is_written(const struct xls_revert *r);
/* … and neither domain is there: completes it, or leaves all as it is where a
 * file has another use by now. ERROR_SNAPSHOT_INCOMPLETE if it cannot be now. */
int xls_revert_finish_paths(struct xls_revert *r);
/* ops/revert/swap.c */

/*
 * The new domain, which stands paused, takes the old one's place: the old one
 * is paused and gives up its name and paths, the new one goes on, and only
 * then the old one is destroyed, which takes libxl some seconds. On failure
 * before that the old one runs on, and the phase is not REPLACED.
 */
int xls_revert_swap(struct xls_revert *r);
/* The end of it: the new domain, which bears its name, takes over the paths
 * and goes on. */
int xls_revert_go_on(struct xls_revert *r);
int xls_revert_destroy_old(struct xls_revert *r);
/* The same for one that goes before the new one is built. Where it was put
 * aside it goes on when it cannot be destroyed. */
int xls_revert_leave_old(struct xls_revert *r);

/* ops/revert/journal.c */

/* Notes how far the revert is. */
int xls_revert_journal(struct xls_revert *r);

/* ops/revert/recover.c */

/* Completes what a killed revert has left, or, when the new domain did not
 * stand yet, takes it back. op: any domain of the uuid. */
int xls_revert_recover(struct xls_op *op, const char *path,
                       const struct xls_json *journal, bool stale);
/* Whether op's domain is the one that the revert of this journal has built. */
bool xls_revert_built(const struct xls_op *op, const struct xls_json *journal);

#endif
