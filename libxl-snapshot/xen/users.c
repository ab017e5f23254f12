/* SPDX-License-Identifier: LGPL-2.1-only */
#include "xen/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diskimage/spec.h"
#include "common/alloc.h"
#include "diskimage/format.h"
#include "diskimage/header.h"
#include "xen/records.h"

/* More layers than QEMU can open. */
#define MAX_DEPTH 1024

/* Where a walk down from one disk is. */
struct walk {
    struct xls_op *op;
    struct xls_users *users;
    uint32_t domid;
    const char *vdev;
    int first;                  /* the entry of its top */
};

static void add_unknown(struct xls_users *users, uint32_t domid, char *why)
{
    users->unknown = xls_realloc(users->unknown, users->num_unknown + 1,
                                 sizeof(*users->unknown));
    users->unknown[users->num_unknown++] =
        (struct xls_unknown){ .domid = domid, .why = why };
}

static void cannot_examine(struct walk *w, const char *path, const char *why)
{
    add_unknown(w->users, w->domid,
                xls_asprintf("%s, of disk %s of domain %u: %s", path,
                             w->vdev ? w->vdev : "?", w->domid, why));
}

static bool identity(const struct stat *st, struct xls_used *used)
{
    bool block = S_ISBLK(st->st_mode);

    used->dev = block ? st->st_rdev : st->st_dev;
    used->ino = block ? 0 : st->st_ino;
    return block || S_ISREG(st->st_mode);
}

static bool same(const struct xls_used *a, const struct xls_used *b)
{
    return (a->dev && a->dev == b->dev && a->ino == b->ino) ||
           !strcmp(a->path, b->path);
}

static void append(struct walk *w, struct xls_used used)
{
    struct xls_users *users = w->users;

    used.domid = w->domid;
    used.path = xls_strdup(used.path);
    used.vdev = xls_strdup(w->vdev);
    users->v = xls_realloc(users->v, users->num + 1, sizeof(*users->v));
    users->v[users->num++] = used;
}

/* false: the walk has been here. */
static bool add(struct walk *w, const char *path, const struct stat *st,
                bool top)
{
    struct xls_used used = { .top = top, .path = (char *)path };
    int i;

    identity(st, &used);
    for (i = w->first; i < w->users->num; i++)
        if (same(&w->users->v[i], &used))
            return false;
    append(w, used);
    return true;
}

static void add_data_file(struct walk *w, const char *path,
                          const struct xls_header *h)
{
    char *data = h->data_file[0] ? xls_header_path(path, h->data_file) : NULL;
    struct stat st;

    if (!data || stat(data, &st))
        cannot_examine(w, path, "its data file cannot be found");
    else
        add(w, data, &st, false);
    free(data);
}

/* The layer at path, and what is below: *next and its format (malloc'ed), NULL
 * for nothing on this host. */
static void step(struct walk *w, const char *path, const char *driver,
                 bool top, char **next, char **next_driver)
{
    bool flat = driver && !strcmp(driver, "raw");
    struct xls_header h;
    struct stat st;
    int fd;

    *next = *next_driver = NULL;
    if (stat(path, &st)) {
        append(w, (struct xls_used){ .top = top, .path = (char *)path });
        /* Nothing is below a raw one. */
        if (errno != ENOENT || !flat)
            cannot_examine(w, path, strerror(errno));
        return;
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        cannot_examine(w, path, "it is neither a file nor a block device");
        return;
    }
    if (!add(w, path, &st, top)) {
        cannot_examine(w, path, "its backing files lead to itself");
        return;
    }
    if (flat)
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        cannot_examine(w, path, strerror(errno));
        return;
    }
    if (xls_header_read(&w->op->log, fd, path, driver, &h)) {
        cannot_examine(w, path, "its header cannot be used");
    } else {
        if (h.data_file)
            add_data_file(w, path, &h);
        if (h.backing && xls_spec_path(path, h.backing, next) && !*next)
            cannot_examine(w, path, "its backing file cannot be found");
        *next_driver = xls_strdup(h.backing_format);
        xls_header_dispose(&h);
    }
    close(fd);
}

static void add_chain(struct walk *w, const char *path, const char *driver)
{
    char *at = xls_strdup(path), *its = xls_strdup(driver);
    int depth;

    w->first = w->users->num;
    for (depth = 0; at; depth++) {
        char *next, *next_driver;

        if (depth == MAX_DEPTH) {
            cannot_examine(w, path, "too many backing files");
            break;
        }
        step(w, at, its, !depth, &next, &next_driver);
        free(at);
        free(its);
        at = next;
        its = next_driver;
    }
    free(at);
    free(its);
}

static void add_disk(struct walk *w, const libxl_device_disk *disk,
                     bool probe)
{
    const char *path = disk->pdev_path;

    w->vdev = disk->vdev;
    if (!path || !path[0] || disk->format == LIBXL_DISK_FORMAT_EMPTY ||
        disk->backend_domid ||
        (disk->backend_domname && disk->backend_domname[0]))
        return;
    if (path[0] == '/')
        add_chain(w, path, probe ? NULL : xls_format_driver(disk->format));
    /* What a script of the host makes a device of (block-drbd, block-iscsi), and
     * what is reached by a protocol, is no file here. */
    else if (!xls_is_relative(path) || (disk->script && disk->script[0]))
        append(w, (struct xls_used){ .top = true, .path = disk->pdev_path });
    else
        cannot_examine(w, path, "it is no absolute path, which its "
                                "configuration should give");
}

/* libxl takes what it finds in xenstore for FORMAT:PATH, so that of a path with
 * a colon only the rest is left. */
static bool recorded(const libxl_domain_config *config,
                     const libxl_device_disk *disk)
{
    int i;

    for (i = 0; disk->pdev_path && i < config->num_disks; i++) {
        const char *path = config->disks[i].pdev_path;
        const char *colon = path ? strchr(path, ':') : NULL;

        if (path && (!strcmp(path, disk->pdev_path) ||
                     (colon && !strcmp(colon + 1, disk->pdev_path))))
            return true;
    }
    return false;
}

/* Xenstore has the disks of every domain, dom0 and those that are being built
 * included, but not their formats. */
static void add_domain(struct xls_op *op, struct xls_users *users,
                       uint32_t domid)
{
    struct walk w = { .op = op, .users = users, .domid = domid };
    libxl_domain_config config;
    libxl_device_disk *disks;
    int i, num = 0;

    libxl_domain_config_init(&config);
    if (!xls_records_config(op, domid, &config, NULL, NULL))
        for (i = 0; i < config.num_disks; i++)
            add_disk(&w, &config.disks[i], false);
    disks = libxl_device_disk_list(op->ctx, domid, &num);
    for (i = 0; disks && i < num; i++)
        if (!recorded(&config, &disks[i]))
            add_disk(&w, &disks[i], true);
    if (disks)
        libxl_device_disk_list_free(disks, num);
    libxl_domain_config_dispose(&config);
}

void xls_users_load(struct xls_op *op, struct xls_users *users)
{
    libxl_dominfo *list;
    int i, num;

    memset(users, 0, sizeof(*users));
    list = libxl_list_domain(op->ctx, &num);
    for (i = 0; list && i < num; i++)
        if (!list[i].dying)
            add_domain(op, users, list[i].domid);
    /* Of a domain that cannot be left out. */
    if (!list)
        add_unknown(users, 0, xls_strdup("libxl cannot list the domains"));
    libxl_dominfo_list_free(list, num);
}

void xls_users_dispose(struct xls_users *users)
{
    int i;

    for (i = 0; i < users->num; i++) {
        free(users->v[i].path);
        free(users->v[i].vdev);
    }
    for (i = 0; i < users->num_unknown; i++)
        free(users->unknown[i].why);
    free(users->v);
    free(users->unknown);
    memset(users, 0, sizeof(*users));
}

/* false: it is neither a file nor a block device. */
static bool make_key(const char *path, struct xls_used *key)
{
    struct stat st;

    *key = (struct xls_used){ .path = (char *)path };
    return path[0] != '/' || stat(path, &st) || identity(&st, key);
}

const struct xls_used *xls_users_find(const struct xls_users *users,
                                      const char *path, uint32_t but,
                                      uint32_t also)
{
    struct xls_used key;
    int i;

    for (i = 0; make_key(path, &key) && i < users->num; i++) {
        const struct xls_used *u = &users->v[i];

        if (u->domid != but && u->domid != also && same(u, &key))
            return u;
    }
    return NULL;
}

const struct xls_unknown *xls_users_unknown(const struct xls_users *users,
                                            uint32_t but, uint32_t also)
{
    int i;

    for (i = 0; i < users->num_unknown; i++)
        if (users->unknown[i].domid != but && users->unknown[i].domid != also)
            return &users->unknown[i];
    return NULL;
}

int xls_users_check(struct xls_op *op, const struct xls_users *users,
                    uint32_t also, const char *vdev, const char *path)
{
    const struct xls_unknown *unknown = NULL;
    const struct xls_used *used;

    used = xls_users_find(users, path, op->domid, also);
    /* In what is not there nothing can be lost. */
    if (!used && path[0] == '/' && (!access(path, F_OK) || errno != ENOENT))
        unknown = xls_users_unknown(users, op->domid, also);
    if (used)
        XLS_ERROR(&op->log, "disk %s: %s is in use by domain %u too (disk "
                  "%s); detach it there, or shut that domain down", vdev,
                  path, used->domid, used->vdev ? used->vdev : "?");
    else if (unknown)
        XLS_ERROR(&op->log, "disk %s: cannot find out whether another domain "
                  "uses %s: %s; detach that disk, or shut the domain down",
                  vdev, path, unknown->why);
    return used || unknown ? ERROR_SNAPSHOT_CHAIN_SHARED : 0;
}

int xls_check_unused(struct xls_op *op, uint32_t also, const char *vdev,
                     const char *path)
{
    struct xls_users users;
    int rc;

    xls_users_load(op, &users);
    rc = xls_users_check(op, &users, also, vdev, path);
    xls_users_dispose(&users);
    return rc;
}

bool xls_is_active(struct xls_op *op, const char *path)
{
    struct xls_users users;
    struct xls_used key;
    bool active = false;
    int i;

    xls_users_load(op, &users);
    for (i = 0; make_key(path, &key) && i < users.num; i++)
        active |= users.v[i].top && same(&users.v[i], &key);
    xls_users_dispose(&users);
    return active;
}
