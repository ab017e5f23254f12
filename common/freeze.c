/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/place.h"

#define MARK "trusted.xlsnapshot"
#define WRITE_BITS (S_IWUSR | S_IWGRP | S_IWOTH)

/* A file and how it is protected. */
struct protected {
    int fd;                     /* -1: it is no regular file */
    struct stat st;
    bool has_flags;             /* the file system has the immutable flag, */
    int flags;
    bool marked;
    mode_t mode;                /* by the mark */
};

static void read_mark(struct protected *p)
{
    char text[16];
    ssize_t len = fgetxattr(p->fd, MARK, text, sizeof(text) - 1);

    p->marked = len >= 0;
    text[len > 0 ? len : 0] = '\0';
    p->mode = strtoul(text, NULL, 8) & 07777;
}

static int open_protected(const char *path, struct protected *p)
{
    *p = (struct protected){ .fd = xls_open(path, O_RDONLY) };
    if (p->fd < 0)
        return -1;
    if (fstat(p->fd, &p->st) || !S_ISREG(p->st.st_mode)) {
        close(p->fd);
        p->fd = -1;
        return 0;
    }
    p->has_flags = !ioctl(p->fd, FS_IOC_GETFLAGS, &p->flags);
    read_mark(p);
    return 0;
}

static bool is_immutable(const struct protected *p)
{
    return p->has_flags && (p->flags & FS_IMMUTABLE_FL);
}

static int set_immutable(struct protected *p, bool immutable)
{
    int flags = p->flags & ~FS_IMMUTABLE_FL;

    if (immutable)
        flags |= FS_IMMUTABLE_FL;
    if (ioctl(p->fd, FS_IOC_SETFLAGS, &flags))
        return -1;
    p->flags = flags;
    return 0;
}

static int set_mark(struct protected *p)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%04o",
                       (unsigned)p->st.st_mode & 07777);

    if (p->marked)
        return 0;
    if (fsetxattr(p->fd, MARK, text, len, 0))
        return -1;
    p->marked = true;
    p->mode = p->st.st_mode & 07777;
    return 0;
}

/* Whether such marks can be set: to read one, ENODATA is the answer to who may
 * not. */
static bool has_marks(struct protected *p)
{
    return p->marked || (!fsetxattr(p->fd, MARK, "", 0, XATTR_CREATE) &&
                         !fremovexattr(p->fd, MARK));
}

static enum xls_frozen finish(struct protected *p, enum xls_frozen result)
{
    int saved = errno;

    if (p->fd >= 0)
        close(p->fd);
    errno = saved;
    return result;
}

static enum xls_frozen protect(struct protected *p, bool sync, int *why_not)
{
    enum xls_frozen result = XLS_FROZEN;
    bool unmarked;

    if (is_immutable(p))
        goto out;
    if (!p->has_flags && why_not)
        *why_not = EOPNOTSUPP;
    /*
     * Without the mark the flag could not be lifted again: where there are none
     * (a file system that has the flag but no such attributes) it is not set
     * either. Where one cannot be set now (no room for it), nothing is done,
     * since that could not be undone.
     */
    unmarked = set_mark(p);
    if (unmarked && errno != EOPNOTSUPP && errno != EPERM)
        return XLS_FROZEN_ERROR;
    if (unmarked || !p->has_flags || set_immutable(p, true)) {
        if (p->has_flags && why_not)
            *why_not = errno;
        if (fchmod(p->fd, p->st.st_mode & 07777 & ~WRITE_BITS))
            return XLS_FROZEN_ERROR;
        result = XLS_FROZEN_WEAKLY;
    }

out:
    return sync && fsync(p->fd) ? XLS_FROZEN_ERROR : result;
}

enum xls_frozen xls_freeze(const char *path, bool sync, int *why_not)
{
    struct protected p;

    if (open_protected(path, &p))
        return XLS_FROZEN_ERROR;
    return p.fd < 0 ? XLS_FROZEN : finish(&p, protect(&p, sync, why_not));
}

/* A lease for reading is refused while the file is open for writing, and as
 * long as it is held nobody can open it so. Where there are no leases it may
 * be open. */
static bool may_be_written(const struct protected *p)
{
    /* The signal to the lease's holder: this one is ignored by default. */
    return fcntl(p->fd, F_SETSIG, SIGURG) ||
           fcntl(p->fd, F_SETLEASE, F_RDLCK);
}

enum xls_frozen xls_freeze_again(const char *path)
{
    struct protected p;

    if (open_protected(path, &p))
        return XLS_FROZEN_ERROR;
    if (p.fd < 0 || (is_immutable(&p) && p.marked))
        return finish(&p, XLS_FROZEN);
    if (!is_immutable(&p) && may_be_written(&p))
        return finish(&p, XLS_FROZEN);
    if (!p.marked && !(p.st.st_mode & WRITE_BITS))
        p.st.st_mode |= S_IWUSR;
    /* Nothing of an immutable file can be changed but that. */
    if (is_immutable(&p) && set_immutable(&p, false))
        return finish(&p, XLS_FROZEN_ERROR);
    return finish(&p, protect(&p, true, NULL));
}

static enum xls_frozen thaw(const char *path, bool sync)
{
    struct protected p;
    mode_t mode;

    if (open_protected(path, &p))
        return XLS_FROZEN_ERROR;
    if (p.fd < 0)
        return XLS_FROZEN;
    mode = p.st.st_mode & 07777;
    if (is_immutable(&p)) {
        if (!p.marked)
            return finish(&p, XLS_FROZEN_OTHERS);
        if (set_immutable(&p, false))
            return finish(&p, XLS_FROZEN_ERROR);
    } else if (!p.marked && ((mode & S_IWUSR) || has_marks(&p))) {
        return finish(&p, XLS_FROZEN);
    }
    /* Where there are no marks, a frozen layer is known by its permissions
     * alone. */
    mode |= p.marked ? p.mode & WRITE_BITS : S_IWUSR;
    if ((mode != (p.st.st_mode & 07777) && fchmod(p.fd, mode)) ||
        (p.marked && fremovexattr(p.fd, MARK)) || (sync && fsync(p.fd)))
        return finish(&p, XLS_FROZEN_ERROR);
    return finish(&p, XLS_FROZEN);
}

enum xls_frozen xls_thaw(const char *path)
{
    return thaw(path, true);
}

enum xls_frozen xls_thaw_now(const char *path)
{
    return thaw(path, false);
}

bool xls_frozen(const char *path)
{
    struct protected p;
    bool is;

    if (open_protected(path, &p) || p.fd < 0)
        return false;
    is = is_immutable(&p) || !(p.st.st_mode & WRITE_BITS);
    close(p.fd);
    return is;
}
