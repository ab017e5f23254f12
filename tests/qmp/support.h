/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_QMP_SUPPORT_H
#define XLS_TESTS_QMP_SUPPORT_H

/*
 * A real QEMU for tests: started on images in a directory of its own, with a
 * QMP socket, its vCPUs stopped. Whatever goes wrong fails the cmocka test
 * that runs; QEMU and the directory go away with vm_teardown and also when
 * the test program dies of a signal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include <libxl_snapshot.h>

#include "common/json/json.h"
#include "qmp/qmp.h"

#define VM_TIMEOUT_MS 30000
#define VM_MAX_DISKS 16

/* Members that are NULL get the default. */
struct vm_disk {
    const char *vdev;           /* NULL: xvda, xvdb, ... */
    const char *format;         /* NULL: qcow2 */
    const char *size;           /* of the image to create; NULL: 16M */
    const char *path;           /* absolute, an existing image; NULL: a new
                                 * one, <dir>/<vdev>.<format> */
};

struct qmp_vm {
    char dir[64];               /* for files of the test, too */
    char socket[80];
    char guest[80];             /* of another monitor, for the guest */
    char lock[80];              /* for xls_qmp_open; not there at first */
    pid_t pid;
    struct xls_qmp *qmp;        /* open after vm_start, without the lock */
    int ndisks;
    struct {
        char vdev[16];          /* its device's id, too */
        char format[16];
        char node[40];          /* as xen-block names it: xvda-qcow2 */
        char path[256];
    } disks[VM_MAX_DISKS];
    int guard;                  /* its write end closes with this process */
    pid_t guard_pid;
    int out;                    /* QEMU's standard output */
    int plugged;                /* disks that have been plugged in */
};

/* disks may be NULL: all default. */
struct qmp_vm *vm_start(int ndisks, const struct vm_disk *disks);
/* Makes a disk of a node. Like a xen-disk, it has an iothread for itself. One
 * more disk than it was started with can be plugged in. */
void vm_plug(struct qmp_vm *vm, const char *vdev, const char *node);
void vm_stop(struct qmp_vm *vm);                        /* NULL is fine */
/* Ends QEMU alone, as if it had crashed; the directory stays. */
void vm_kill(struct qmp_vm *vm);
/* Has the directory removed once what is returned is closed, also by this
 * process being killed. */
int guard_start(const char *dir, pid_t *pid);
/* A cmocka teardown: stops whatever was started and not stopped. */
int vm_teardown(void **state);

/* Opens vm->qmp again after the test closed it. */
void vm_connect(struct qmp_vm *vm);
/* What the library logged at ERROR since vm_start or vm_log_clear. */
extern const struct xls_log vm_log;
const char *vm_logged(void);
void vm_log_clear(void);

/* JSON from a format in which ' stands for ". */
struct xls_json *json(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
/* Runs a command that must succeed; the result is to be freed. */
struct xls_json *vm_run(struct qmp_vm *vm, const char *command,
                        struct xls_json *args);
/* Runs a command whose result does not matter, but which must succeed. */
void vm_do(struct qmp_vm *vm, const char *command, struct xls_json *args);
/* Stages and fires a transaction; the result is of either. */
int vm_transaction(struct qmp_vm *vm, struct xls_qmp_transaction *t);
/* Waits for an event of this name; to be freed. Others are dropped. */
struct xls_json *vm_event(struct qmp_vm *vm, const char *name);
/* Waits until a job is in a state (JOB_STATUS_CHANGE or already there). */
void vm_wait_job(struct qmp_vm *vm, const char *job, const char *status);

/* The node that a disk's device is on; static, until the next call. */
const char *vm_top_node(struct qmp_vm *vm, const char *vdev);
/* The file that this node is in. */
const char *vm_top_file(struct qmp_vm *vm, const char *vdev);
/* The name of the node that has a file open, until the next call. */
const char *vm_file_node(struct qmp_vm *vm, const char *path);
bool vm_has_node(struct qmp_vm *vm, const char *node);

/* The chain of a disk, validated (without libxl's records); to be disposed
 * of. */
void vm_chain(struct qmp_vm *vm, const char *vdev, libxl_disk_chain *chain);
/* Fails with the first mismatch. */
void vm_chain_agrees(const libxl_disk_chain *chain);

/*
 * Reads and writes from the guest's side, through the device of the disk: one
 * byte value over a range. A write is flushed, unless it is but put.
 */
void vm_put(struct qmp_vm *vm, const char *vdev, uint64_t offset, uint64_t len,
            unsigned char value);
void vm_write(struct qmp_vm *vm, const char *vdev, uint64_t offset,
              uint64_t len, unsigned char value);
bool vm_holds(struct qmp_vm *vm, const char *vdev, uint64_t offset,
              uint64_t len, unsigned char value);
/* A qemu-io command on a node; its output is to be freed. */
char *vm_node_io(struct qmp_vm *vm, const char *node, const char *command);

/* Runs a shell command that must succeed. */
void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Its output, without the last newline; to be freed. */
char *sh_output(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* SHA-256 of an image's contents, backing files included; to be freed. The
 * image may be in use. */
char *image_sum(const char *path, const char *format);
/* Whether an image that no QEMU has open holds a value over a range. */
bool image_holds(const char *path, const char *format, uint64_t offset,
                 uint64_t len, unsigned char value);

#endif
