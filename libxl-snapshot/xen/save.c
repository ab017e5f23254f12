/* SPDX-License-Identifier: LGPL-2.1-only */
#include "xen/domain.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libxl_event.h>
#include <xenstore.h>

#include "common/alloc.h"

/* How often progress is reported and cancellation asked, milliseconds. */
#define TICK_MS 100
/* How often at most: libxl has something to say for each batch of pages, and
 * on a guest's time there is none to waste. */
#define LOOK_US 20000
/*
 * libxl crashes when a save is aborted whose helper has not begun (4.20: the
 * stream's abort calls a callback that is not set yet). What libxl and the
 * helper write first: two headers and that of a record, and the helper's two.
 */
#define BEGUN_BYTES (16 + 8 + 24 + 16)

/* How long a guest may take to suspend after it has acknowledged that it was
 * asked to, milliseconds, and how often that is looked for. */
#define LATE_MS 2000
#define LATE_LOOKS 40

struct saving {
    struct xls_op *op;
    libxl_ctx *ctx;             /* of our own, see xls_domain_save */
    libxl_asyncop_how how;
    bool done;
    int rc;
};

static void saved(libxl_ctx *ctx, int rc, void *for_callback)
{
    struct saving *s = for_callback;

    (void)ctx;
    s->rc = rc;
    s->done = true;
}

/* Lets libxl work for up to TICK_MS. */
static int run_events(struct saving *s)
{
    struct pollfd *fds = NULL;
    int space = 0, num, timeout, r, rc;

    for (;;) {
        struct timeval now;

        gettimeofday(&now, NULL);
        num = space;
        timeout = TICK_MS;
        rc = libxl_osevent_beforepoll(s->ctx, &num, fds, &timeout, now);
        if (rc == ERROR_BUFFERFULL) {
            fds = xls_realloc(fds, num, sizeof(*fds));
            space = num;
            continue;
        }
        if (rc)
            break;
        if (timeout < 0 || timeout > TICK_MS)
            timeout = TICK_MS;
        r = poll(fds, num, timeout);
        if (r < 0 && errno != EINTR) {
            XLS_ERRORE(&s->op->log, "poll failed");
            rc = ERROR_FAIL;
            break;
        }
        if (r < 0)
            memset(fds, 0, num * sizeof(*fds));
        gettimeofday(&now, NULL);
        libxl_osevent_afterpoll(s->ctx, num, fds, now);
        break;
    }
    free(fds);
    return rc;
}

/* Takes the request back, unless the guest has acknowledged it. */
static void withdraw_request(struct xls_op *op)
{
    char *path = xls_asprintf("/local/domain/%u/control/shutdown", op->domid);
    struct xs_handle *xsh = xs_open(0);
    bool again = true;

    while (xsh && again) {
        xs_transaction_t t = xs_transaction_start(xsh);
        unsigned len;
        char *request = xs_read(xsh, t, path, &len);
        bool pending = request && !strcmp(request, "suspend");

        if (pending)
            xs_write(xsh, t, path, "", 0);
        free(request);
        again = !xs_transaction_end(xsh, t, !pending) && errno == EAGAIN;
    }
    if (xsh)
        xs_close(xsh);
    free(path);
}

/*
 * libxl does not wait for a guest that it has asked to suspend when the save
 * is aborted: the guest does so a moment later, and nobody would resume it.
 */
static void wait_for_late_suspend(struct xls_op *op)
{
    const struct timespec pause = { 0, LATE_MS / LATE_LOOKS * 1000000L };
    int i;

    withdraw_request(op);
    for (i = 0; i < LATE_LOOKS && !xls_op_refresh(op) && !op->info.shutdown;
         i++)
        nanosleep(&pause, NULL);
}

static int wait_saved(struct saving *s, const struct xls_save_to *to,
                      struct xls_suspend *suspend)
{
    uint64_t total = s->op->info.current_memkb * 1024;
    uint64_t looked = 0, now, before = to->taken(to->user);
    bool cancel = false, aborting = false;
    int rc;

    while (!s->done) {
        uint64_t taken;

        rc = run_events(s);
        if (rc)
            return rc;
        now = xls_now_us();
        if (now - looked < LOOK_US)
            continue;
        looked = now;
        taken = to->taken(to->user);
        cancel |= xls_op_progress(s->op, "memory", taken, total) != 0;
        if ((cancel || to->failed(to->user)) && !aborting &&
            taken >= before + BEGUN_BYTES) {
            /* Fails when it is just done: then it is just done. */
            libxl_ao_abort(s->ctx, &s->how);
            aborting = true;
        }
        if (!suspend->suspended && !xls_op_refresh(s->op) &&
            s->op->info.shutdown) {
            suspend->suspended = true;
            suspend->since_us = xls_now_us();
        }
    }
    if (aborting && s->rc)
        wait_for_late_suspend(s->op);
    /* The guest may have been suspended and the save have ended between two
     * looks, and it may have failed after that. */
    rc = xls_op_refresh(s->op);
    if (rc) {
        XLS_ERROR(&s->op->log, "domain %s is gone", s->op->name);
        return ERROR_DOMAIN_NOTFOUND;
    }
    suspend->suspended = s->op->info.shutdown &&
                         s->op->info.shutdown_reason ==
                             LIBXL_SHUTDOWN_REASON_SUSPEND;
    if (suspend->suspended && !suspend->since_us)
        suspend->since_us = xls_now_us();
    if (to->failed(to->user))
        return ERROR_SNAPSHOT_STORAGE;
    if (aborting && s->rc) {
        XLS_ERROR(&s->op->log, "cancelled while the memory of domain %s was "
                  "being saved", s->op->name);
        return ERROR_ABORTED;
    }
    return s->rc;
}

static int explain(struct xls_op *op, int rc)
{
    switch (rc) {
    case ERROR_GUEST_TIMEDOUT:
        XLS_ERROR(&op->log, "domain %s did not answer the request to suspend "
                  "in time; is its kernel alive, and able to suspend?",
                  op->name);
        return ERROR_SNAPSHOT_STATE;
    case ERROR_ABORTED:
    case ERROR_SNAPSHOT_STORAGE:        /* whoever takes it has said why */
    case ERROR_DOMAIN_NOTFOUND:
        return rc;
    default:
        XLS_ERROR(&op->log, "libxl could not save the memory of domain %s "
                  "(its own messages say why)", op->name);
        return rc;
    }
}

/*
 * The save runs on a ctx of our own: waiting for it with progress and a way
 * to abort means driving libxl's event loop, which must not be done on a ctx
 * whose owner has registered hooks for that (as libvirt does).
 */
int xls_domain_save(struct xls_op *op, const struct xls_save_to *to, bool live,
                    struct xls_suspend *suspend)
{
    static const libxl_childproc_hooks hooks = {
        /* Leaves the caller's other children alone. */
        .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
    };
    struct saving s = { .op = op };
    int rc;

    memset(suspend, 0, sizeof(*suspend));
    xls_op_qmp_close(op);
    rc = libxl_ctx_alloc(&s.ctx, LIBXL_VERSION, 0, op->log.lg);
    if (rc) {
        XLS_ERROR(&op->log, "cannot open a libxl context");
        return rc;
    }
    libxl_childproc_setmode(s.ctx, &hooks, NULL);
    s.how.callback = saved;
    s.how.u.for_callback = &s;
    rc = libxl_domain_suspend(s.ctx, op->domid, to->fd,
                              live ? LIBXL_SUSPEND_LIVE : 0, &s.how);
    if (!rc)
        rc = wait_saved(&s, to, suspend);
    libxl_ctx_free(s.ctx);
    return rc ? explain(op, rc) : 0;
}

int xls_domain_resume(struct xls_op *op)
{
    int rc;

    xls_op_qmp_close(op);
    rc = libxl_domain_resume(op->ctx, op->domid, 1, NULL);
    if (rc)
        XLS_ERROR(&op->log, "domain %s cannot be resumed (libxl's own "
                  "messages say why); try: xl unpause %u", op->name,
                  op->domid);
    return rc;
}
