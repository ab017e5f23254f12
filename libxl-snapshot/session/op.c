/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/op.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "session/paths.h"

static const libxl_snapshot_how no_how;

#define LOCK_POLL_MS 50
#define MAX_QMP_FAILURES 2

/* flock, asked for again and again as long as op has patience. */
static int lock_patiently(const struct xls_op *op, int fd)
{
    struct timespec pause = { 0, LOCK_POLL_MS * 1000000L };
    unsigned waited = 0;

    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK || waited >= op->patience_ms)
            return -1;
        nanosleep(&pause, NULL);
        waited += LOCK_POLL_MS;
    }
    return 0;
}

int xls_op_lock(struct xls_op *op, uint32_t domid, int *fd)
{
    char *path = NULL, holder[64] = "";
    int rc;
    ssize_t n;

    *fd = -1;
    if (mkdir(XLS_RUN_DIR, 0700) && errno != EEXIST) {
        XLS_ERRORE(&op->log, "cannot make %s", XLS_RUN_DIR);
        rc = ERROR_SNAPSHOT_STORAGE;
        goto out;
    }
    path = domid == XLS_NO_DOMID
               ? xls_asprintf("%s/%s.lock", XLS_RUN_DIR, op->uuid)
               : xls_asprintf("%s/%u.lock", XLS_RUN_DIR, domid);
    *fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*fd < 0) {
        XLS_ERRORE(&op->log, "cannot open the lock file %s", path);
        rc = ERROR_SNAPSHOT_STORAGE;
        goto out;
    }
    if (lock_patiently(op, *fd)) {
        if (errno != EWOULDBLOCK) {
            XLS_ERRORE(&op->log, "cannot lock %s", path);
            rc = ERROR_SNAPSHOT_STORAGE;
            goto out;
        }
        n = pread(*fd, holder, sizeof(holder) - 1, 0);
        holder[n > 0 ? strspn(holder, "0123456789") : 0] = '\0';
        XLS_ERROR(&op->log, "another snapshot operation on domain %s is "
                  "under way (process %s); try again when it has ended",
                  op->name, holder[0] ? holder : "unknown");
        rc = ERROR_SNAPSHOT_BUSY;
        goto out;
    }
    /* For the message above; the lock itself is the flock. */
    if (ftruncate(*fd, 0) || dprintf(*fd, "%d\n", getpid()) < 0)
        XLS_DEBUG(&op->log, "cannot note our process in %s", path);
    rc = 0;

out:
    if (rc && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
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
