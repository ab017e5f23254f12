/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/op.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/pid_lock.h"
#include "session/paths.h"

static const libxl_snapshot_how no_how;

#define MAX_QMP_FAILURES 2

int xls_op_lock(struct xls_op *op, uint32_t domid, int *fd)
{
    char *path = NULL, *holder = NULL;
    int rc = ERROR_SNAPSHOT_STORAGE;

    *fd = -1;
    if (mkdir(XLS_RUN_DIR, 0700) && errno != EEXIST) {
        XLS_ERRORE(&op->log, "cannot make %s", XLS_RUN_DIR);
        goto out;
    }
    path = domid == XLS_NO_DOMID
               ? xls_asprintf("%s/%s.lock", XLS_RUN_DIR, op->uuid)
               : xls_asprintf("%s/%u.lock", XLS_RUN_DIR, domid);
    switch (xls_pid_lock(AT_FDCWD, path, op->patience_ms, fd, &holder)) {
    case XLS_LOCK_TAKEN:
        rc = 0;
        break;
    case XLS_LOCK_BUSY:
        XLS_ERROR(&op->log, "another snapshot operation on domain %s is "
                  "under way: %s; try again when it has ended", op->name,
                  holder);
        rc = ERROR_SNAPSHOT_BUSY;
        break;
    case XLS_LOCK_ERROR:
        XLS_ERRORE(&op->log, "cannot take the lock %s", path);
        break;
    }

out:
    free(holder);
    free(path);
    return rc;
}

void xls_op_unlock(struct xls_op *op)
{
    if (op->lock_fd >= 0)
        close(op->lock_fd);
    op->lock_fd = -1;
}

int xls_op_refresh(struct xls_op *op)
{
    libxl_dominfo_dispose(&op->info);
    libxl_dominfo_init(&op->info);
    return libxl_domain_info(op->ctx, &op->info, op->domid);
}

void xls_op_open_inactive(struct xls_op *op, const char *func, libxl_ctx *ctx,
                           const libxl_snapshot_how *how)
{
    *op = (struct xls_op){
        .ctx = ctx,
        .domid = XLS_NO_DOMID,
        .how = how ? how : &no_how,
        .lock_fd = -1,
    };
    op->log.lg = op->how->logger;
    op->log.prefix = func;
    libxl_dominfo_init(&op->info);
}

int xls_op_open(struct xls_op *op, const char *func, libxl_ctx *ctx,
                uint32_t domid, const libxl_snapshot_how *how)
{
    int rc;

    xls_op_open_inactive(op, func, ctx, how);
    op->domid = domid;
    if (domid == 0) {
        XLS_ERROR(&op->log, "domain 0 cannot be snapshotted");
        rc = ERROR_INVAL;
        goto out;
    }
    if (domid == XLS_NO_DOMID || xls_op_refresh(op)) {
        XLS_ERROR(&op->log, "there is no running domain with id %u", domid);
        rc = ERROR_DOMAIN_NOTFOUND;
        goto out;
    }
    op->name = libxl_domid_to_name(ctx, domid);
    if (!op->name)
        op->name = xls_asprintf("%u", domid);
    op->uuid = xls_asprintf(LIBXL_UUID_FMT, LIBXL_UUID_BYTES(op->info.uuid));
    op->was_paused = op->info.paused;
    rc = 0;

out:
    if (rc)
        xls_op_end(op);
    return rc;
}

void xls_op_end(struct xls_op *op)
{
    xls_op_qmp_close(op);
    xls_op_unlock(op);
    free(op->name);
    free(op->uuid);
    op->name = op->uuid = NULL;
    libxl_dominfo_dispose(&op->info);
}

char *xls_userdata_path(const struct xls_op *op, const char *kind,
                        const char *id)
{
    return xls_asprintf("%s/userdata-%s.%u.%s.%s", XLS_XEN_LIB_DIR, kind,
                        op->domid, op->uuid, id);
}

static char *monitor_path(const struct xls_op *op)
{
    return xls_asprintf("%s/qmp-libxl-%u", XLS_XEN_RUN_DIR, op->domid);
}

int xls_op_qmp(struct xls_op *op)
{
    char *socket, *lock;
    int rc;

    if (op->qmp && xls_qmp_dead(op->qmp))
        xls_op_qmp_close(op);
    if (op->qmp)
        return 0;
    if (op->qmp_failures >= MAX_QMP_FAILURES)
        return ERROR_TIMEDOUT;
    socket = monitor_path(op);
    lock = xls_userdata_path(op, "l", "qmp-socket-lock");
    rc = xls_qmp_open(&op->log, socket, lock, XLS_QMP_SLOW, &op->qmp);
    op->qmp_failures = rc ? op->qmp_failures + 1 : 0;
    free(socket);
    free(lock);
    return rc;
}

void xls_op_qmp_close(struct xls_op *op)
{
    xls_qmp_close(op->qmp);
    op->qmp = NULL;
}

bool xls_op_qemu_gone(const struct xls_op *op)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    char *path = monitor_path(op);
    /* With a full backlog of a QEMU that hangs, connect would wait for it. */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool gone;

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    gone = fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof(un)) &&
           (errno == ECONNREFUSED || errno == ENOENT);
    if (fd >= 0)
        close(fd);
    free(path);
    return gone;
}

int xls_op_progress(struct xls_op *op, const char *phase, uint64_t done,
                    uint64_t total)
{
    libxl_snapshot_progress p = {
        .phase = phase,
        .done = done,
        .total = total,
    };

    return op->how->progress ? op->how->progress(op->how->user, &p) : 0;
}
