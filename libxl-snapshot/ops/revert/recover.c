/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The completion of a revert when its process was killed. The names of the two
 * domains tell how far it came with them.
 */
#include "ops/revert/revert.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "xen/domain.h"

/* Each of the two domains has the uuid of its own configuration, which may be
 * the same. */
static bool is_ours(struct xls_revert *r, const libxl_uuid *uuid)
{
    return !memcmp(uuid, &r->op.info.uuid, sizeof(*uuid)) ||
           !memcmp(uuid, &r->new_uuid, sizeof(*uuid));
}

/*
 * A domain of the revert that is still there, and its name (malloc'ed): empty
 * for one that is half made or half destroyed.
 */
static char *find(struct xls_revert *r, uint32_t domid)
{
    struct xls_op *op = &r->op;
    libxl_dominfo info;
    char *name = NULL;

    if (domid == XLS_NO_DOMID)
        return NULL;
    libxl_dominfo_init(&info);
    if (!libxl_domain_info(op->ctx, &info, domid) && !info.dying &&
        is_ours(r, &info.uuid)) {
        name = libxl_domid_to_name(op->ctx, domid);
        if (!name)
            name = xls_strdup("");
    }
    libxl_dominfo_dispose(&info);
    return name;
}

/* The new domain is not complete, and its id not known. */
static int take_back(struct xls_revert *r)
{
    libxl_dominfo *list;
    int i, num, rc = 0;

    list = libxl_list_domain(r->op.ctx, &num);
    for (i = 0; list && i < num && !rc; i++) {
        char *name = list[i].domid != r->op.domid
                         ? find(r, list[i].domid) : NULL;

        if (name && (!name[0] || !strcmp(name, r->incoming))) {
            XLS_NOTICE(&r->op.log, "reverting domain %s was interrupted while "
                       "the new one was built; destroying what there is of "
                       "it", r->name);
            rc = libxl_domain_destroy(r->op.ctx, list[i].domid, NULL);
        }
        free(name);
    }
    libxl_dominfo_list_free(list, num);
    return rc;
}

/* The old domain has its name, or gets it back, and runs on. */
static int back_to_old(struct xls_revert *r, const char *old_name,
                       bool was_paused)
{
    int rc = 0;

    XLS_NOTICE(&r->op.log, "reverting domain %s was interrupted before the "
               "new one took its place; the old one runs on", r->name);
    if (r->domid != XLS_NO_DOMID) {
        rc = libxl_domain_destroy(r->op.ctx, r->domid, NULL);
        xls_revert_vm_write(r, r->op.domid);
    }
    if (!rc && strcmp(old_name, r->name))
        rc = libxl_domain_rename(r->op.ctx, r->op.domid, old_name, r->name);
    if (!rc)
        rc = xls_op_refresh(&r->op);
    if (!rc && r->op.info.paused && !was_paused)
        xls_domain_unpause(&r->op);
    return rc;
}

static int on_to_new(struct xls_revert *r, const char *new_name, bool old)
{
    libxl_dominfo info;
    int rc = 0;

    XLS_NOTICE(&r->op.log, "reverting domain %s was interrupted as the new "
               "one took its place; completing it", r->name);
    if (strcmp(new_name, r->name))
        rc = libxl_domain_rename(r->op.ctx, r->domid, new_name, r->name);
    if (rc) {
        XLS_ERROR(&r->op.log, "domain %s cannot be given the name %s; is "
                  "there another one? Destroy one of them", new_name, r->name);
        return rc;
    }
    libxl_dominfo_init(&info);
    rc = libxl_domain_info(r->op.ctx, &info, r->domid);
    /* Somebody has it run already. */
    if (!rc && !info.paused)
        rc = libxl_domain_pause(r->op.ctx, r->domid, NULL);
    if (!rc)
        rc = xls_revert_go_on(r);
    if (!rc && !info.paused && r->args->leave_paused)
        rc = libxl_domain_unpause(r->op.ctx, r->domid, NULL);
    libxl_dominfo_dispose(&info);
    if (!rc && old)
        rc = xls_revert_destroy_old(r);
    return rc;
}

/* The old domain was made again, whatever became of it since. */
static int complete_back(struct xls_revert *r, uint32_t domid)
{
    char *name = find(r, domid);
    libxl_dominfo info;
    int rc = 0;

    if (name && !strcmp(name, r->incoming))
        rc = libxl_domain_rename(r->op.ctx, domid, name, r->name);
    libxl_dominfo_init(&info);
    if (!rc && name && !libxl_domain_info(r->op.ctx, &info, domid) &&
        info.paused)
        rc = libxl_domain_unpause(r->op.ctx, domid, NULL);
    libxl_dominfo_dispose(&info);
    free(name);
    if (!rc)
        xls_revert_aside_drop(r);
    return rc;
}

/* It was to be destroyed, and may be half destroyed: its memory is whole. */
static int finish_destroying(struct xls_revert *r, bool *gone)
{
    int rc;

    rc = xls_op_refresh(&r->op);
    *gone = rc == ERROR_DOMAIN_NOTFOUND;
    if (rc)
        return *gone ? 0 : rc;
    /* Somebody has it run again. */
    if (!r->op.info.shutdown) {
        xls_revert_aside_drop(r);
        return 0;
    }
    rc = libxl_domain_destroy(r->op.ctx, r->op.domid, NULL);
    *gone = !rc;
    return rc;
}

static int never_left(struct xls_revert *r, bool there)
{
    int rc = 0;

    if (there && !xls_op_refresh(&r->op) && r->op.info.shutdown &&
        r->op.info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND)
        rc = xls_domain_resume(&r->op);
    if (!rc)
        xls_revert_aside_drop(r);
    return rc;
}

/*
 * Whether the new domain, which is gone, was the one: the old one has lost its
 * name, and its files theirs, or the new one has written its own.
 */
static bool went_over(struct xls_revert *r, const char *old_name)
{
    if (old_name && strcmp(old_name, r->outgoing))
        return false;
    return xls_revert_took_paths(r) ||
           ((old_name || r->phase == XLS_REVERT_REPLACED) &&
            xls_revert_is_written(r));
}

/* The old domain may not run any more. */
static int complete_off(struct xls_revert *r, bool old)
{
    int rc = old ? xls_revert_destroy_old(r) : 0;

    if (!rc)
        rc = xls_revert_finish_paths(r);
    if (!rc)
        xls_revert_aside_drop(r);
    return rc;
}

/* The old domain was put aside. */
static int recover_aside(struct xls_revert *r, bool old)
{
    bool gone;
    int rc;

    if (r->phase == XLS_REVERT_SAVING)
        return never_left(r, old);
    if (access(r->aside.path, F_OK))
        return 0;
    if (old) {
        rc = finish_destroying(r, &gone);
        if (rc || !gone)
            return rc;
    } else if (r->phase == XLS_REVERT_REPLACED) {
        XLS_NOTICE(&r->op.log, "reverting domain %s was interrupted, and the "
                   "new one has ended since", r->name);
        xls_revert_aside_drop(r);
        return 0;
    }
    return xls_revert_aside_recover(r, !old);
}

/*
 * It was to be destroyed first, without being put aside. libxl pauses a domain that
 * it destroys, and then ends its QEMU.
 */
static int recover_destroyed_first(struct xls_revert *r)
{
    int rc;

    rc = xls_op_refresh(&r->op);
    if (rc)
        return rc == ERROR_DOMAIN_NOTFOUND ? 0 : rc;
    if (!r->op.info.paused)
        return 0;
    XLS_NOTICE(&r->op.log, "reverting domain %s was interrupted as the domain "
               "was destroyed first, as asked; destroying what is left of it. "
               "There is no domain now: revert again", r->name);
    return libxl_domain_destroy(r->op.ctx, r->op.domid, NULL);
}

static int recover(struct xls_revert *r, const struct xls_json *journal)
{
    char *old_name = find(r, r->op.domid);
    char *new_name = find(r, r->domid);
    int rc = 0;

    if (!new_name)
        r->domid = XLS_NO_DOMID;
    if (r->phase == XLS_REVERT_BACK) {
        rc = complete_back(r, r->brought_back);
        goto out;
    }
    if (!xls_json_get(journal, "built")) {
        rc = take_back(r);
        if (!rc && old_name)
            xls_revert_vm_write(r, r->op.domid);
    }
    if (!rc && !new_name && went_over(r, old_name)) {
        rc = complete_off(r, old_name != NULL);
        goto out;
    }
    if (r->aside.path && !new_name) {
        rc = rc ? rc : recover_aside(r, old_name != NULL);
        goto out;
    }
    if (!rc && r->phase == XLS_REVERT_DESTROYING && old_name && !new_name) {
        rc = recover_destroyed_first(r);
        goto out;
    }
    if (rc || !xls_json_get(journal, "built"))
        goto out;
    if (old_name && old_name[0] && (!strcmp(old_name, r->name) || !new_name))
        rc = back_to_old(r, old_name,
                         xls_json_get_bool(journal, "paused", false));
    else if (new_name)
        rc = on_to_new(r, new_name, old_name != NULL);
    if (!rc && r->aside.path)
        xls_revert_aside_drop(r);

out:
    free(old_name);
    free(new_name);
    return rc;
}

static uint32_t domid_in(const struct xls_json *journal, const char *key)
{
    uint64_t domid;

    return xls_json_get_uint(journal, key, &domid) ? (uint32_t)domid
                                                   : XLS_NO_DOMID;
}

static int load(struct xls_revert *r, const char *path,
                const struct xls_json *journal,
                libxl_domain_snapshot_args *args)
{
    const char *name = xls_json_get_str(journal, "name");
    const char *aside = xls_json_get_str(journal, "aside");
    const char *new_uuid = xls_json_get_str(journal, "new_uuid");
    char *text = xls_json_print(xls_json_get(journal, "args"), false);
    char *error = NULL;
    uint64_t phase;
    int rc;

    rc = libxl_domain_snapshot_args_from_json(r->op.ctx, args, text, &error);
    if (rc || !name) {
        XLS_ERROR(&r->op.log, "the journal of an interrupted revert of domain "
                  "%s, %s, cannot be used: %s; when the domain is as it should "
                  "be, remove that file", r->op.name, path,
                  error ? error : "it has no name");
        rc = ERROR_SNAPSHOT_INCOMPLETE;
        goto out;
    }
    xls_revert_set_name(r, name);
    r->aside.path = aside ? xls_strdup(aside) : NULL;
    if (xls_json_get_uint(journal, "phase", &phase))
        r->phase = phase;
    r->brought_back = domid_in(journal, "brought_back");
    if (xls_json_get(journal, "stamps"))
        r->aside.stamps = xls_json_copy(xls_json_get(journal, "stamps"));
    if (xls_json_get(journal, "vm"))
        r->vm_tree = xls_json_copy(xls_json_get(journal, "vm"));
    if (!new_uuid || libxl_uuid_from_string(&r->new_uuid, new_uuid))
        r->new_uuid = r->op.info.uuid;
    r->config.c_info.uuid = r->new_uuid;
    /* Of the new domain, for its disks. */
    if (r->domid != XLS_NO_DOMID &&
        libxl_retrieve_domain_configuration(r->op.ctx, r->domid, &r->config,
                                            NULL))
        XLS_DEBUG(&r->op.log, "the new domain has ended");

out:
    free(error);
    free(text);
    return rc;
}

/* The host, or the domain under another uuid, was started since. */
static int recover_stale(struct xls_revert *r)
{
    int rc = went_over(r, NULL) ? xls_revert_finish_paths(r) : 0;

    if (!rc)
        xls_revert_aside_stale(r);
    return rc;
}

bool xls_revert_built(const struct xls_op *op, const struct xls_json *journal)
{
    const char *new_uuid = xls_json_get_str(journal, "new_uuid");

    return op->domid != XLS_NO_DOMID && new_uuid &&
           domid_in(journal, "domid") != op->domid &&
           !strncmp(new_uuid, op->uuid, strlen(op->uuid));
}

int xls_revert_recover(struct xls_op *op, const char *path,
                       const struct xls_json *journal, bool stale)
{
    libxl_domain_snapshot_args args;
    struct xls_revert r = {
        .op = *op,
        .args = &args,
        .memory_fd = -1,
        .domid = stale ? XLS_NO_DOMID : domid_in(journal, "built"),
        .aside.fd = -1,
    };
    int lock = -1, i, rc = 0;

    /* Whoever reverts holds the old domain's lock. */
    r.op.domid = domid_in(journal, "domid");
    if (r.op.domid != op->domid && !stale) {
        rc = xls_op_lock(op, r.op.domid, &lock);
        if (rc)
            return rc;
    }
    /* It may have been at work until now. */
    if (access(path, F_OK))
        goto out;
    xls_op_qmp_close(op);
    r.op.qmp = NULL;
    /* op may be about the new domain, which may have another uuid. */
    libxl_dominfo_init(&r.op.info);
    r.op.uuid = xls_asprintf("%.36s", strrchr(path, '/') + 1);
    if (libxl_uuid_from_string(&r.op.info.uuid, r.op.uuid))
        r.op.info.uuid = op->info.uuid;
    libxl_domain_config_init(&r.config);
    libxl_domain_config_init(&r.aside.config);
    libxl_domain_snapshot_args_init(&args);
    rc = load(&r, path, journal, &args);
    if (!rc) {
        xls_revert_paths_from_json(&r, journal);
        r.disks = xls_calloc(args.num_disks, sizeof(*r.disks));
        for (i = 0; i < args.num_disks; i++)
            libxl_disk_snapshot_result_init(&r.disks[i]);
        rc = stale ? recover_stale(&r) : recover(&r, journal);
        if (!rc)
            xls_revert_drop_names(&r);
    } else if (stale) {
        rc = 0;
    }
    xls_revert_dispose(&r);
    free(r.op.uuid);
    libxl_dominfo_dispose(&r.op.info);
    libxl_domain_snapshot_args_dispose(&args);

out:
    if (lock >= 0)
        close(lock);
    return rc;
}
