/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Memory files outside of the store's directory, where the user named a place.
 * Only root may change the directory that one is in; it is opened once and the
 * files in it are reached through that.
 */
#include "store/outside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/unique.h"
#include "memimage/format.h"
#include "savefile/memfile.h"
#include "store/files.h"

/* The directory of a file and its name in it. */
struct place {
    char *dir;
    const char *name;
    int fd;                     /* -2: there is no such directory */
};

static int find(const char *path, struct place *p, struct error *e)
{
    const char *slash = strrchr(path, '/');

    p->dir = slash == path ? xls_strdup("/") : xls_memdup0(path, slash - path);
    p->name = slash + 1;
    p->fd = store_dir_open(AT_FDCWD, p->dir, p->dir, false, e);
    return p->fd == -1 ? -1 : 0;
}

static void leave(struct place *p)
{
    if (p->fd >= 0)
        close(p->fd);
    free(p->dir);
}

/* In the directory of another name of the domain it is still the store's. */
bool memory_is_outside(const struct store *st, const char *path)
{
    size_t len = strlen(st->root);

    return !str_none(path) && (strncmp(path, st->root, len) ||
                               path[len] != '/');
}

int memory_outside_check(const struct store *st, const char *path,
                         struct error *e)
{
    struct stat found;
    struct place p;
    int ret;

    if (path[0] != '/' || path[strlen(path) - 1] == '/')
        return error_set(e, "--memory-path=%s is no absolute path of a file",
                         path);
    if (!memory_is_outside(st, path))
        return error_set(e, "--memory-path=%s is in the directory of the "
                         "store, %s; name another place, or leave it out", path,
                         st->root);
    ret = find(path, &p, e);
    if (!ret && p.fd < 0)
        ret = error_set(e, "there is no directory %s for --memory-path", p.dir);
    else if (!ret && !fstatat(p.fd, p.name, &found, AT_SYMLINK_NOFOLLOW))
        ret = error_set(e, "%s, which is to be made, exists already", path);
    else if (!ret && errno != ENOENT)
        ret = error_errno(e, "cannot look at %s", path);
    leave(&p);
    return ret;
}

/* Whether it begins as memory files do, of either format. */
static bool is_memory(int fd)
{
    char start[sizeof(XLS_MEMFILE_MAGIC) - 1];
    ssize_t n = pread(fd, start, sizeof(start), 0);

    return (n >= IMAGE_MAGIC_LEN &&
            !memcmp(start, IMAGE_MAGIC, IMAGE_MAGIC_LEN)) ||
        (n == sizeof(start) && !memcmp(start, XLS_MEMFILE_MAGIC, n));
}

static int remove_there(const struct place *p, const char *path,
                        struct error *e)
{
    int fd = openat(p->fd, p->name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    bool its;

    if (fd < 0 && errno == ENOENT)
        return 0;
    its = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && is_memory(fd);
    if (fd >= 0)
        close(fd);
    if (!its)
        return error_set(e, "%s is not the memory of a snapshot any more and is "
                         "not removed; move it away and try again", path);
    return store_file_remove(p->fd, p->dir, p->name, e);
}

int memory_outside_remove(const char *path, struct error *e)
{
    struct place p;
    int ret = find(path, &p, e);

    /* A directory that is missing is a file that is missing. */
    if (!ret && p.fd >= 0)
        ret = remove_there(&p, path, e);
    leave(&p);
    return ret;
}

char *memory_outside_new(const char *path)
{
    return xls_unique_path(path);
}

int memory_outside_take(const char *temp, const char *path, struct error *e)
{
    struct place p;
    int ret = find(path, &p, e);

    if (!ret && (p.fd < 0 || renameat(p.fd, strrchr(temp, '/') + 1, p.fd,
                                      p.name)))
        ret = error_errno(e, "cannot rename %s to %s", temp, path);
    else if (!ret && fsync(p.fd))
        ret = error_errno(e, "cannot sync the directory %s", p.dir);
    leave(&p);
    return ret;
}

/* "<file>.xls-new-XXXXXXXX", as xls_unique_path makes it. */
static bool is_half_made(const char *file, const char *of)
{
    static const char mark[] = ".xls-new-";
    size_t len = strlen(of);
    const char *end = file + len + strlen(mark);

    return !strncmp(file, of, len) &&
        !strncmp(file + len, mark, strlen(mark)) &&
        strspn(end, "0123456789abcdef") == 8 && !end[8];
}

int memory_outside_sweep(const char *path, struct error *e)
{
    struct dirent *entry;
    struct place p;
    DIR *dir = NULL;
    int ret = find(path, &p, e), fd;

    if (!ret && p.fd >= 0) {
        fd = openat(p.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
            ret = error_errno(e, "cannot read the directory %s", p.dir);
    }
    while (!ret && dir && (entry = readdir(dir)))
        if (is_half_made(entry->d_name, p.name))
            ret = store_file_remove(p.fd, p.dir, entry->d_name, e);
    if (dir)
        closedir(dir);
    leave(&p);
    return ret;
}
