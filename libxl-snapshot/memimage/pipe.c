/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"
#include "memimage/threads.h"

/* The most that the system allows for anyone. */
#define PIPE_BYTES  (1 << 20)

struct xls_image_pipe {
    const struct xls_log *log;
    struct xls_image_writer *writer;    /* filled by it, or … */
    struct xls_image *image;            /* … fed from it */
    uint64_t from;
    int ours, theirs;
    struct xls_threads thread;
    atomic_int rc;
};

static void drop_rest(int fd)
{
    char dropped[4096];
    ssize_t n;

    do
        n = read(fd, dropped, sizeof(dropped));
    while (n > 0 || (n < 0 && errno == EINTR));
}

static void *fill(void *arg)
{
    struct xls_image_pipe *p = arg;

    p->rc = xls_image_write_from(p->writer, p->ours, "libxl's stream");
    if (p->rc)
        drop_rest(p->ours);
    return NULL;
}

static void *feed(void *arg)
{
    const struct xls_image_read_how how = { 0 };
    struct xls_image_pipe *p = arg;

    /* libxl may have failed, and then nobody reads any more. The signal for
     * that is blocked in this thread. */
    p->rc = xls_image_read(p->image, p->from, p->ours, NULL, &how);
    /* libxl sees the end of it. */
    close(p->ours);
    p->ours = -1;
    return NULL;
}

static int start(const struct xls_image_pipe *with, bool reads,
                 void *(*run)(void *), struct xls_image_pipe **pipe, int *fd)
{
    struct xls_image_pipe *p;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC)) {
        XLS_ERRORE(with->log, "cannot make a pipe");
        return ERROR_FAIL;
    }
    p = xls_calloc(1, sizeof(*p));
    *p = *with;
    p->ours = fds[!reads];
    p->theirs = fds[reads];
    fcntl(p->ours, F_SETPIPE_SZ, PIPE_BYTES);
    xls_threads_start(&p->thread, 1, run, p);
    if (p->thread.num) {
        *fd = p->theirs;
        *pipe = p;
        return 0;
    }
    XLS_ERROR(p->log, "cannot start a thread; is there a limit to their "
              "number?");
    xls_image_pipe_end(p);
    return ERROR_FAIL;
}

int xls_image_fill(const struct xls_log *log, struct xls_image_writer *w,
                   struct xls_image_pipe **pipe, int *fd)
{
    const struct xls_image_pipe with = { .log = log, .writer = w };

    return start(&with, true, fill, pipe, fd);
}

bool xls_image_fill_failed(struct xls_image_pipe *pipe)
{
    return pipe->rc != 0;
}

int xls_image_feed(const struct xls_log *log, struct xls_image *image,
                   uint64_t from, struct xls_image_pipe **pipe, int *fd)
{
    const struct xls_image_pipe with = { .log = log, .image = image,
                                         .from = from };

    return start(&with, false, feed, pipe, fd);
}

int xls_image_pipe_end(struct xls_image_pipe *pipe)
{
    int rc;

    if (!pipe)
        return 0;
    close(pipe->theirs);
    xls_threads_join(&pipe->thread);
    if (pipe->ours >= 0)
        close(pipe->ours);
    rc = pipe->rc;
    free(pipe);
    return rc;
}
