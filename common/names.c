/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/place.h"

int xls_identify_at(int dir, const char *name, int flags,
                    struct xls_file_id *id)
{
    struct statx st;

    if (statx(dir, name, flags, STATX_TYPE | STATX_INO | STATX_BTIME, &st))
        return -1;
    *id = (struct xls_file_id){
        .dev = makedev(st.stx_dev_major, st.stx_dev_minor),
        .ino = st.stx_ino,
        .born_ns = (st.stx_mask & STATX_BTIME) && S_ISREG(st.stx_mode)
                       ? st.stx_btime.tv_sec * 1000000000ULL +
                             st.stx_btime.tv_nsec : 0,
    };
    return 0;
}

static int identify(const struct xls_place *place, struct xls_file_id *id)
{
    return xls_identify_at(place->dir, place->name, AT_SYMLINK_NOFOLLOW, id);
}

bool xls_same_id(const struct xls_file_id *a, const struct xls_file_id *b)
{
    return a->ino == b->ino &&
           (a->born_ns && b->born_ns ? a->born_ns == b->born_ns
                                     : a->dev == b->dev);
}

int xls_identify(const char *path, struct xls_file_id *id)
{
    struct xls_place place;
    int r;

    if (xls_place_open(path, true, &place))
        return -1;
    r = identify(&place, id);
    xls_place_close(&place);
    return r;
}

void xls_identify_fd(int fd, struct xls_file_id *id)
{
    xls_identify_at(fd, "", AT_EMPTY_PATH, id);
}

static bool is_id(const struct xls_file_id *now, const struct xls_file_id *id)
{
    return !id->ino || xls_same_id(now, id);
}

bool xls_is_file(const char *path, const struct xls_file_id *id)
{
    struct xls_file_id now;
    struct xls_place place;
    bool is;

    if (xls_place_open(path, true, &place))
        return false;
    is = !identify(&place, &now) && is_id(&now, id);
    xls_place_close(&place);
    return is;
}

bool xls_was_file(const char *path, const struct xls_file_id *id)
{
    struct xls_file_id now;

    if (xls_identify(path, &now))
        return false;
    now.dev = id->dev;
    return is_id(&now, id);
}

int xls_sync_directory_fd(int dir)
{
    return fsync(dir) && errno != EINVAL && errno != EOPNOTSUPP ? -1 : 0;
}

static int sync_dir(const struct xls_place *place)
{
    int fd = openat(place->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r, saved;

    if (fd < 0)
        return -1;
    r = xls_sync_directory_fd(fd);
    saved = errno;
    close(fd);
    errno = saved;
    return r;
}

/* Both places of a link or rename. */
struct places {
    struct xls_place from, to;
};

static int open_places(const char *path, bool follow, const char *new_path,
                       struct places *p)
{
    if (xls_place_open(path, follow, &p->from))
        return -1;
    if (!xls_place_open(new_path, false, &p->to))
        return 0;
    xls_place_close(&p->from);
    return -1;
}

static int close_places(struct places *p, int r)
{
    xls_place_close(&p->from);
    xls_place_close(&p->to);
    return r;
}

int xls_link(const char *path, const char *new_path,
             const struct xls_file_id *id)
{
    struct xls_file_id now;
    struct places p;
    int r;

    if (open_places(path, true, new_path, &p))
        return -1;
    r = linkat(p.from.dir, p.from.name, p.to.dir, p.to.name, 0);
    /* Of what was linked, which none of its names may be any more. */
    if (!r && id && (identify(&p.to, &now) || !is_id(&now, id))) {
        unlinkat(p.to.dir, p.to.name, 0);
        errno = ESTALE;
        r = -1;
    }
    if (!r && sync_dir(&p.to)) {
        r = errno;
        unlinkat(p.to.dir, p.to.name, 0);
        errno = r;
        r = -1;
    }
    return close_places(&p, r);
}

static int rename_new(const struct places *p)
{
    if (!renameat2(p->from.dir, p->from.name, p->to.dir, p->to.name,
                   RENAME_NOREPLACE))
        return 0;
    /* A file system that does not know the flag. */
    if (errno != EINVAL)
        return -1;
    return linkat(p->from.dir, p->from.name, p->to.dir, p->to.name, 0) ||
           unlinkat(p->from.dir, p->from.name, 0) ? -1 : 0;
}

int xls_rename(const char *path, const char *new_path, enum xls_rename how,
               bool sync)
{
    struct stat from, to;
    struct places p;
    int r;

    if (open_places(path, false, new_path, &p))
        return -1;
    r = how == XLS_RENAME_NEW
            ? rename_new(&p)
            : renameat(p.from.dir, p.from.name, p.to.dir, p.to.name);
    if (!r && sync)
        r = sync_dir(&p.to);
    if (!r && sync && !fstat(p.from.dir, &from) && !fstat(p.to.dir, &to) &&
        (from.st_dev != to.st_dev || from.st_ino != to.st_ino))
        r = sync_dir(&p.from);
    return close_places(&p, r);
}

int xls_unlink(const char *path, bool sync)
{
    struct xls_place place;
    int r;

    if (xls_place_open(path, false, &place))
        return -1;
    r = unlinkat(place.dir, place.name, 0);
    if (!r && sync)
        r = sync_dir(&place);
    xls_place_close(&place);
    return r;
}

int xls_sync_directory(const char *path)
{
    struct xls_place place;
    int r;

    if (xls_place_open(path, false, &place))
        return -1;
    r = sync_dir(&place);
    xls_place_close(&place);
    return r;
}

char *xls_file_system(const char *path)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char line[4096], type[64], *type_at, *found = NULL;
    unsigned maj, min;
    struct stat st;

    if (f && !stat(path, &st))
        while (!found && fgets(line, sizeof(line), f)) {
            type_at = strstr(line, " - ");
            if (type_at && sscanf(line, "%*d %*d %u:%u", &maj, &min) == 2 &&
                makedev(maj, min) == st.st_dev &&
                sscanf(type_at, " - %63s", type) == 1)
                found = xls_strdup(type);
        }
    if (f)
        fclose(f);
    return found;
}
