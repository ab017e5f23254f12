/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"

#define MAX_LINKS 40
#define NOBODY ((uid_t)-1)

struct walk {
    struct xls_place *place;
    char *rest;                 /* of the path, from place->dir */
    bool follow;
    int links;
    uid_t uid;                  /* whose untrusted symlinks were followed;
                                 * NOBODY: none were */
};

static bool is_ours(const struct stat *st)
{
    return st->st_uid == 0 || st->st_uid == geteuid();
}

static int go_to(struct walk *w, int fd)
{
    if (fd < 0)
        return -1;
    if (w->place->dir >= 0)
        close(w->place->dir);
    w->place->dir = fd;
    return 0;
}

static int go_to_root(struct walk *w)
{
    return go_to(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* Takes the first part off rest; NULL: there is none. */
static char *next_part(struct walk *w)
{
    char *rest = w->rest + strspn(w->rest, "/");
    size_t len = strcspn(rest, "/");
    char *part = len ? xls_memdup0(rest, len) : NULL;

    memmove(w->rest, rest + len, strlen(rest + len) + 1);
    return part;
}

static bool is_last(const struct walk *w)
{
    return !w->rest[strspn(w->rest, "/")];
}

static int check_link(struct walk *w, const struct stat *link)
{
    struct stat dir;

    if (++w->links > MAX_LINKS) {
        errno = ELOOP;
        return -1;
    }
    if (is_ours(link))
        return 0;
    if (fstat(w->place->dir, &dir))
        return -1;
    if (is_ours(&dir) && !(dir.st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    if (w->uid != NOBODY && w->uid != link->st_uid) {
        errno = ELOOP;
        return -1;
    }
    w->uid = link->st_uid;
    return 0;
}

/* Puts what the symlink called part says in front of the rest. */
static int follow_link(struct walk *w, const char *part,
                       const struct stat *link)
{
    char target[PATH_MAX], *rest;
    ssize_t len;

    if (check_link(w, link))
        return -1;
    len = readlinkat(w->place->dir, part, target, sizeof(target) - 1);
    if (len < 0)
        return -1;
    target[len] = '\0';
    rest = xls_asprintf("%s/%s", target, w->rest);
    free(w->rest);
    w->rest = rest;
    return target[0] == '/' ? go_to_root(w) : 0;
}

/* One part of the path. */
static int step(struct walk *w, char *part)
{
    bool last = is_last(w), there;
    struct stat st;

    if (!strcmp(part, "."))
        return 0;
    if (last && !w->follow && strcmp(part, "..")) {
        w->place->name = xls_strdup(part);
        return 0;
    }
    there = !fstatat(w->place->dir, part, &st, AT_SYMLINK_NOFOLLOW);
    if (!there && (!last || errno != ENOENT))
        return -1;
    if (there && S_ISLNK(st.st_mode))
        return follow_link(w, part, &st);
    if (last && strcmp(part, "..")) {
        w->place->name = xls_strdup(part);
        return 0;
    }
    return go_to(w, openat(w->place->dir, part, O_PATH | O_DIRECTORY |
                           O_NOFOLLOW | O_CLOEXEC));
}

/* What symlinks of another user have led to is that user's, too. */
static int check_owner(const struct walk *w)
{
    struct stat st;

    if (w->uid == NOBODY)
        return 0;
    if (fstat(w->place->dir, &st))
        return -1;
    if (st.st_uid == w->uid &&
        (fstatat(w->place->dir, w->place->name, &st, AT_SYMLINK_NOFOLLOW) ||
         st.st_uid == w->uid))
        return 0;
    errno = ELOOP;
    return -1;
}

int xls_place_open(const char *path, bool follow, struct xls_place *place)
{
    struct walk w = { .place = place, .follow = follow, .uid = NOBODY };
    char *part;
    int r;

    *place = (struct xls_place){ .dir = -1 };
    w.rest = xls_strdup(path);
    r = path[0] == '/' ? go_to_root(&w)
        : go_to(&w, open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    while (!r && !place->name && (part = next_part(&w))) {
        r = step(&w, part);
        free(part);
    }
    /* It ends with a directory. */
    if (!r && !place->name) {
        errno = EISDIR;
        r = -1;
    }
    if (!r)
        r = check_owner(&w);
    if (r)
        xls_place_close(place);
    free(w.rest);
    return r;
}

void xls_place_close(struct xls_place *place)
{
    int saved = errno;

    if (place->dir >= 0)
        close(place->dir);
    free(place->name);
    *place = (struct xls_place){ .dir = -1 };
    errno = saved;
}

int xls_place_fd(const struct xls_place *place, int flags, mode_t mode)
{
    return openat(place->dir, place->name,
                  flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode);
}

char *xls_place_path(const struct xls_place *place)
{
    char link[64], dir[PATH_MAX];
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", place->dir);
    len = readlink(link, dir, sizeof(dir) - 1);
    if (len < 0)
        return NULL;
    dir[len] = '\0';
    return xls_asprintf("%s/%s", strcmp(dir, "/") ? dir : "", place->name);
}

int xls_open(const char *path, int flags)
{
    struct xls_place place;
    int fd, saved;

    if (xls_place_open(path, true, &place))
        return -1;
    fd = xls_place_fd(&place, flags, 0);
    saved = errno;
    xls_place_close(&place);
    errno = saved;
    return fd;
}

char *xls_real_path(const char *path)
{
    struct xls_place place;
    char *real = NULL;
    struct stat st;

    if (xls_place_open(path, true, &place))
        return NULL;
    if (!fstatat(place.dir, place.name, &st, AT_SYMLINK_NOFOLLOW))
        real = xls_place_path(&place);
    xls_place_close(&place);
    return real;
}
