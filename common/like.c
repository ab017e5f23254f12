/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/like.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/place.h"

#define LABEL "security.selinux"
#define ACL "system.posix_acl_access"

/* Whether the new file has the attribute as the other one has it, none or
 * this value. */
static bool copy_attribute(int from, int to, const char *name)
{
    ssize_t len = fgetxattr(from, name, NULL, 0);
    char *value;
    bool same;

    if (len < 0 && (errno == ENODATA || errno == EOPNOTSUPP))
        return !fremovexattr(to, name) || errno == ENODATA ||
               errno == EOPNOTSUPP;
    if (len < 0)
        return false;
    value = xls_calloc(len + 1, 1);
    len = fgetxattr(from, name, value, len);
    same = len >= 0 && !fsetxattr(to, name, value, len, 0);
    free(value);
    return same;
}

static int make_like(int fd, int model)
{
    struct stat st;
    mode_t mode;

    if (fstat(model, &st))
        return -1;
    /* A block device's mode and owner (brw-rw---- root disk) say nothing
     * about who may read an image file. */
    if (!S_ISREG(st.st_mode))
        return 0;
    mode = (st.st_mode & 0666) | S_IRUSR | S_IWUSR;
    if (fchown(fd, st.st_uid, st.st_gid))
        return -1;
    /* With an ACL the group's bits say what the ACL grants at most, not what
     * the group has. */
    if (!copy_attribute(model, fd, ACL))
        mode &= ~S_IRWXG;
    if (fchmod(fd, mode))
        return -1;
    /* A file system without labels, or without the right to set them, is the
     * normal case. No label is taken away that the system's policy gave. */
    if (fgetxattr(model, LABEL, NULL, 0) > 0)
        copy_attribute(model, fd, LABEL);
    return 0;
}

int xls_create_like(const char *path, const char *like,
                    struct xls_failed *failed)
{
    struct xls_place place;
    int fd, model = -1, r = 0, saved;

    *failed = (struct xls_failed){ "create", path };
    if (xls_place_open(path, false, &place))
        return -1;
    fd = xls_place_fd(&place, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd >= 0 && like) {
        *failed = (struct xls_failed){ "read the owner and mode of", like };
        model = xls_open(like, O_RDONLY);
        r = model < 0 ? -1 : 0;
    }
    if (model >= 0) {
        *failed = (struct xls_failed){ "set owner and mode of", path };
        r = make_like(fd, model);
        saved = errno;
        close(model);
        errno = saved;
    }
    if (r) {
        saved = errno;
        close(fd);
        unlinkat(place.dir, place.name, 0);
        errno = saved;
        fd = -1;
    }
    xls_place_close(&place);
    return fd;
}
