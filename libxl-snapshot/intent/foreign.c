/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Journals and job files of a domain that has another uuid by now, as each xl
 * create gives one: they are known by the files that they name.
 */
#include "intent/journal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "xen/users.h"

/* Whether the file at path is in a chain of op's domain. */
static bool is_used(const struct xls_op *op, const struct xls_users *users,
                    const char *path)
{
    struct stat st;
    int i;

    if (stat(path, &st) || !S_ISREG(st.st_mode))
        return false;
    for (i = 0; i < users->num; i++)
        if (users->v[i].domid == op->domid && users->v[i].dev == st.st_dev &&
            users->v[i].ino == st.st_ino)
            return true;
    return false;
}

/* Any path in it. */
static bool names_a_used_one(const struct xls_op *op,
                             const struct xls_users *users,
                             const struct xls_json *v)
{
    size_t i;

    if (v->type == XLS_JSON_STRING)
        return v->u.str.s[0] == '/' && is_used(op, users, v->u.str.s);
    if (v->type != XLS_JSON_ARRAY && v->type != XLS_JSON_OBJECT)
        return false;
    for (i = 0; i < v->u.list.num; i++)
        if (names_a_used_one(op, users, v->u.list.items[i]))
            return true;
    return false;
}

/* Whether a domain of this id and uuid, which is text, runs. */
static bool runs(struct xls_op *op, const char *uuid, uint64_t domid)
{
    libxl_dominfo info;
    bool is = false;
    char *text;

    libxl_dominfo_init(&info);
    if (!libxl_domain_info(op->ctx, &info, (uint32_t)domid)) {
        text = xls_asprintf(LIBXL_UUID_FMT, LIBXL_UUID_BYTES(info.uuid));
        is = !strncmp(text, uuid, strlen(text));
        free(text);
    }
    libxl_dominfo_dispose(&info);
    return is;
}

/* The process that wrote it may be at work still, with the domain gone. */
static bool is_held(const struct xls_op *op, uint64_t domid)
{
    struct xls_op other = *op;
    int fd;

    if (domid == op->domid)
        return false;
    other.log.lg = NULL;
    other.patience_ms = 0;
    if (xls_op_lock(&other, (uint32_t)domid, &fd))
        return true;
    close(fd);
    return false;
}

/* Named "<uuid>.<domid>.…": whoever writes it holds that domain's lock. */
bool xls_journal_is_abandoned(struct xls_op *op, const char *name)
{
    const char *dot = strchr(name, '.');
    char *end;
    unsigned long domid = dot ? strtoul(dot + 1, &end, 10) : 0;

    if (!dot || end == dot + 1 || *end != '.')
        return false;
    if (domid == op->domid)
        return true;
    return !runs(op, name, domid) && !is_held(op, domid);
}

bool xls_journal_is_inherited(struct xls_op *op, const char *name,
                              const struct xls_json *journal)
{
    bool now = xls_journal_of_this_boot(journal), is;
    struct xls_users users;
    uint64_t domid;

    if (op->domid == XLS_NO_DOMID ||
        !xls_json_get_uint(journal, "domid", &domid) ||
        (now && (runs(op, name, domid) || is_held(op, domid))))
        return false;
    xls_users_load(op, &users);
    is = names_a_used_one(op, &users, journal);
    xls_users_dispose(&users);
    return is;
}
