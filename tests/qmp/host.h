/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_QMP_HOST_H
#define XLS_TESTS_QMP_HOST_H

/*
 * A Xen host for the library's public functions: one domain, the disks of
 * which are those of a test's QEMU. libxl is substituted at the link seam by
 * what is here, and the place of a xen-disk is taken by a SCSI disk;
 * all else is the library's own. Journals, locks and sockets are in HOST_DIR.
 */
#include "qmp/support.h"

#define HOST_DOMID 7

struct host {
    struct qmp_vm *vm;
    char images[64];            /* the directory of the disks' first QEMU */
    uint32_t domid;             /* XLS_NO_DOMID: the domain is destroyed */
    char name[32];
    unsigned char uuid;         /* what each of its bytes is */
    bool paused;
    int pauses;                 /* how often it was */
    uint64_t memkb;             /* its memory */
    /* How often QEMU was told to drop a node while the library had a removed
     * image open, so that QEMU's close was not the last one. */
    int holds_removed;
    struct {
        char vdev[16];
        char path[320];         /* as libxl's records name it */
        libxl_disk_format format;
    } disks[VM_MAX_DISKS], configured[VM_MAX_DISKS];
    void (*before)(void);       /* called once, before QEMU's next command */
    bool no_links;              /* the file system has no hard links */
    bool read_only;             /* that of the images is: no names change */
    /* What another running domain has as its disk; "" for none. */
    char other_disk[320];
    /* libxl has no configuration of it, as of dom0: only xenstore does. */
    bool other_unrecorded;
    const char *other_script;   /* that makes its disk; NULL: none */
    /* A QEMU that calls the first file by the other's name; "" for none. */
    char lies_about[320], lie[320];
    int truthful;               /* answers before the first lie */
    int unanswered;             /* which query of a disk fails; 0: none */
    unsigned patience_ms;       /* longest time that the library waits for
                                 * QEMU; 0: its own */
};
extern struct host host;
extern libxl_ctx *const host_ctx;
extern libxl_snapshot_how host_how;     /* logs to vm_logged() */

/* Begins with an empty HOST_DIR and the domain of this QEMU. */
void host_start(struct qmp_vm *vm);
/* The library reaches QEMU through a proxy (see qmp/proxy.h) from here on. */
void host_proxy(void);
void host_destroy(void);
/* The same domain, by its uuid, in another QEMU, started from the records. */
void host_reboot(void);
/* The same, but with a new uuid, as xl create gives one. */
void host_power_cycle(void);
/* It is destroyed, and started from its configuration, by which it has this
 * uuid. */
void host_cold_start(unsigned char uuid);
/* A cmocka teardown: also lifts the protection of files. */
int host_teardown(void **state);

/* QEMU serves one client at a time: the test's is closed while the library is
 * called. host_call(libxl_…(…)) does both. */
void host_away(void);
int host_back(int rc);
#define host_call(call) (host_away(), host_back(call))

/* Whether the library has had a file written out (fsync) since it had QEMU
 * dismiss a job last. */
bool host_synced_after_job(const char *path);

/* Ends the process that counts, by _exit(99), right after it has changed
 * something for the n-th time: a file's name or, by a command, QEMU. 0: never. */
void host_kill_after(long n);
/* Runs f in a process that is killed so; false: it was not. What it did to the
 * domain and its records stays. */
bool host_killed_in(void (*f)(void), long n);

#endif
