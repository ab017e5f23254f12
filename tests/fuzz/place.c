/* SPDX-License-Identifier: LGPL-2.1-only */
#include "place.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libxl_snapshot.h>
#include <sanitizer/common_interface_defs.h>

#include "common/alloc.h"
#include "common/files.h"
#include "memimage/threads.h"
#include "recipe.h"
#include "tests/image/random.h"

static void __attribute__((format(printf, 5, 0)))
drop(xentoollog_logger *l, xentoollog_level level, int errnoval,
     const char *context, const char *format, va_list al)
{
    char text[4096];

    (void)l;
    (void)level;
    (void)errnoval;
    (void)context;
    vsnprintf(text, sizeof(text), format, al);
}

static xentoollog_logger logger = { .vmessage = drop };
const struct xls_log place_log = { &logger, "fuzz" };

/* The same images each time: the parent is that of the corpus. */
ssize_t __wrap_getrandom(void *data, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t len, unsigned flags)
{
    struct rng r = { 1 };

    (void)flags;
    rng_fill(&r, data, len);
    return len;
}

/* An input's way is the same each time, and short. */
void __wrap_xls_threads_start(struct xls_threads *t, unsigned num,
                              void *(*run)(void *), void *arg);
void __wrap_xls_threads_start(struct xls_threads *t, unsigned num,
                              void *(*run)(void *), void *arg)
{
    (void)num;
    (void)run;
    (void)arg;
    t->num = 0;
}

static char directory[64];

const char *place_path(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void place_remove(void)
{
    unlink(place_path("parent"));
    unlink(place_path("input"));
    unlink(place_path("child"));
    rmdir(directory);
}

void place_make(void)
{
    static const char *const parent[] = {
        "xl 10", "libxl", "record 1 0", "libxc", "batch 0 0 0 15 0 9 0 0 0",
        "record 9 100", "record 0 0", "record 3 40", "record 0 0",
    };
    struct recipe r = { 0 };
    size_t i;

    strcpy(directory, "/dev/shm/xls-fuzz.XXXXXX");
    if (!mkdtemp(directory)) {
        strcpy(directory, "/tmp/xls-fuzz.XXXXXX");
        demand(mkdtemp(directory));
    }
    atexit(place_remove);
    __sanitizer_set_death_callback(place_remove);
    for (i = 0; i < sizeof(parent) / sizeof(parent[0]); i++)
        demand(recipe_line(&r, parent[i]));
    demand(!place_store("parent", r.data, r.len, 0, NULL));
    free(r.data);
}

void place_write(const char *name, const void *data, size_t len)
{
    int fd = open(place_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                  0600);

    demand(fd >= 0);
    demand(!xls_fd_write_at(&place_log, fd, name, data, len, 0));
    close(fd);
}

uint8_t *place_read(const char *name, size_t *len)
{
    int fd = open(place_path(name), O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *data;

    demand(fd >= 0 && !fstat(fd, &st));
    *len = st.st_size;
    data = xls_realloc(NULL, *len, 1);
    demand(!xls_fd_read_at(&place_log, fd, name, data, *len, 0));
    close(fd);
    return data;
}

int place_store(const char *name, const void *data, size_t len, int level,
                struct xls_image *parent)
{
    const struct xls_image_write_how how = { .level = level,
                                             .parent = parent };
    struct xls_image_writer *w;
    const uint8_t *p = data;
    size_t piece = 1 + len % 5003;
    int fd, rc;

    unlink(place_path(name));
    demand(!xls_file_create(&place_log, place_path(name), NULL, &fd));
    rc = xls_image_writer_new(&place_log, fd, place_path(name), &how, &w);
    if (rc)
        goto out;
    while (!rc && len) {
        size_t n = len < piece ? len : piece;

        rc = xls_image_write(w, p, n);
        p += n;
        len -= n;
    }
    rc = xls_image_write_end(w);
    xls_image_writer_free(w);

out:
    close(fd);
    return rc;
}

struct xls_image *place_open(const char *name)
{
    struct xls_image *image = NULL;

    demand(!xls_image_open(&place_log, place_path(name), &image));
    return image;
}
