/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Builds the new domain beside the old one and swaps them when it stands, or,
 * where that cannot be, after the old one.
 */
#include "ops/revert/revert.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "intent/journal.h"
#include "memimage/memory.h"
#include "ops/args.h"
#include "ops/job/job.h"
#include "ops/revert/conflicts.h"
#include "savefile/memfile.h"

static int report_verify(void *user, uint64_t done, uint64_t total)
{
    struct xls_revert *r = user;

    return xls_op_progress(&r->op, "verify", done, total);
}

/* A plain file has no checksums: its records are gone through. */
static int open_plain(struct xls_revert *r, const char *path)
{
    bool complete;
    uint64_t size;
    int rc;

    rc = xls_memory_walk(&r->op.log, path, &complete, &size);
    if (!rc)
        rc = xls_memory_must_be_complete(&r->op.log, path, complete);
    return rc ? rc : xls_memfile_open(&r->op.log, path, &r->memory_fd);
}

/* All that is needed of the memory is there and whole, before anything is
 * done. */
static int open_memory(struct xls_revert *r)
{
    const struct xls_image_read_how how = { .progress = report_verify,
                                            .user = r };
    const char *path = r->args->memory_path;
    int rc;

    if (!xls_image_is(path))
        return open_plain(r, path);
    rc = xls_image_open(&r->op.log, path, &r->image);
    if (!rc)
        rc = xls_memory_must_be_complete(
            &r->op.log, path, xls_image_info(r->image)->flags & IMAGE_WHOLE);
    if (!rc)
        rc = xls_image_verify(r->image, &how);
    if (rc == ERROR_ABORTED)
        XLS_ERROR(&r->op.log, "cancelled while %s was being verified", path);
    return rc;
}

static struct xls_json *config_json(struct xls_revert *r,
                                    libxl_domain_config *config)
{
    char *text = libxl_domain_config_to_json(r->op.ctx, config);
    struct xls_json *json = text ? xls_json_parse(text, strlen(text),
                                                  &xls_json_limits_file, NULL)
                                 : NULL;

    free(text);
    return json;
}

/* Why the two domains cannot be there at the same time, in r->conflict. */
static int find_conflicts(struct xls_revert *r)
{
    struct xls_json *old, *new_one;
    char *memory;
    int rc;

    xls_op_qmp_close(&r->op);
    rc = libxl_retrieve_domain_configuration(r->op.ctx, r->op.domid,
                                             &r->aside.config, NULL);
    old = rc ? NULL : config_json(r, &r->aside.config);
    new_one = config_json(r, &r->config);
    if (!old || !new_one) {
        XLS_ERROR(&r->op.log, "libxl cannot tell the configuration of domain "
                  "%s", r->name);
        rc = rc ? rc : ERROR_FAIL;
    } else {
        r->conflict = xls_revert_conflicts(old, new_one);
    }
    xls_json_free(old);
    xls_json_free(new_one);
    if (rc || r->conflict)
        return rc;
    rc = xls_revert_lacks_memory(r, &memory);
    r->conflict = memory;
    return rc;
}

/* Whether the old domain goes before the new one is built, and is put aside
 * first. */
static int choose_way(struct xls_revert *r)
{
    int rc;

    if (r->op.domid == XLS_NO_DOMID)
        return 0;
    if (r->args->destroy_first)
        return xls_revert_will_have_memory(r);
    rc = find_conflicts(r);
    if (rc || !r->conflict)
        return rc;
    rc = xls_revert_aside_check(r);
    return rc ? rc : xls_revert_will_have_memory(r);
}

static int prepare(struct xls_revert *r, const libxl_domain_config *config)
{
    const libxl_domain_snapshot_args *a = r->args;
    int rc;

    rc = xls_args_check(&r->op, a);
    if (!rc)
        rc = xls_args_check_config(&r->op, config);
    if (rc)
        return rc;
    libxl_domain_config_copy(r->op.ctx, &r->config, config);
    if (r->op.name)
        xls_revert_set_name(r, r->op.name);
    if (!r->name) {
        XLS_ERROR(&r->op.log, "the configuration has no name for the domain");
        return ERROR_INVAL;
    }
    if (r->op.domid != XLS_NO_DOMID && r->op.info.dying) {
        XLS_ERROR(&r->op.log, "domain %s is dying; wait for its end", r->name);
        return ERROR_SNAPSHOT_STATE;
    }
    if (a->memory && (!a->memory_path || !a->memory_path[0])) {
        XLS_ERROR(&r->op.log, "reverting to memory needs memory_path");
        return ERROR_INVAL;
    }
    rc = r->op.domid != XLS_NO_DOMID ? xls_disk_jobs_none(&r->op) : 0;
    if (!rc)
        rc = xls_revert_prepare_disks(r);
    if (!rc)
        rc = xls_revert_check_config(r);
    if (!rc && a->memory)
        rc = open_memory(r);
    return rc ? rc : choose_way(r);
}

static int restore(struct xls_revert *r, uint32_t *domid)
{
    libxl_domain_restore_params params;
    struct xls_image_pipe *pipe = NULL;
    int fd = r->memory_fd, rc = 0, rc_image;

    if (r->image)
        rc = xls_image_feed(&r->op.log, r->image,
                            xls_image_info(r->image)->stream, &pipe, &fd);
    if (rc)
        return rc;
    libxl_domain_restore_params_init(&params);
    params.stream_version = XLS_STREAM_VERSION;
    rc = libxl_domain_create_restore(r->op.ctx, &r->config, domid, fd, -1,
                                     &params, NULL, NULL);
    libxl_domain_restore_params_dispose(&params);
    rc_image = xls_image_pipe_end(pipe);
    return rc && rc_image == ERROR_SNAPSHOT_IMAGE_CORRUPT ? rc_image : rc;
}

/* Builds the new domain, paused. */
static int build(struct xls_revert *r)
{
    bool memory = r->image || r->memory_fd >= 0;
    uint32_t domid = XLS_NO_DOMID;
    int rc;

    free(r->config.c_info.name);
    r->config.c_info.name = xls_strdup(r->incoming);
    xls_op_progress(&r->op, "restore", 0, 0);
    rc = memory ? restore(r, &domid)
                : libxl_domain_create_new(r->op.ctx, &r->config, &domid, NULL,
                                          NULL);
    if (!rc) {
        r->domid = domid;
        return 0;
    }
    XLS_ERROR(&r->op.log, "libxl could not %s domain %s (its own messages say "
              "why)%s", memory ? "restore" : "start", r->name,
              r->op.domid != XLS_NO_DOMID && !r->old_gone
                  ? "; the running one is untouched" : "");
    xls_revert_remove_incomplete(r->op.ctx, domid);
    return rc;
}

static void destroy_new(struct xls_revert *r)
{
    if (r->domid != XLS_NO_DOMID)
        libxl_domain_destroy(r->op.ctx, r->domid, NULL);
    r->domid = XLS_NO_DOMID;
}

static int build_beside(struct xls_revert *r)
{
    int rc;

    rc = build(r);
    if (!rc)
        rc = xls_revert_journal(r);
    if (!rc)
        rc = xls_revert_swap(r);
    if (!rc || r->phase == XLS_REVERT_REPLACED)
        return rc;
    destroy_new(r);
    xls_revert_vm_write(r, r->op.domid);
    return rc;
}

/* The new domain, which stands, becomes the one. */
static int take_place(struct xls_revert *r)
{
    int rc;

    rc = xls_revert_journal(r);
    if (!rc)
        rc = xls_revert_check_paths(r);
    if (rc)
        return rc;
    rc = libxl_domain_rename(r->op.ctx, r->domid, r->incoming, r->name);
    if (rc) {
        XLS_ERROR(&r->op.log, "libxl cannot give the new domain the name %s "
                  "(its own messages say why); is there another one by now?",
                  r->name);
        return rc;
    }
    r->phase = XLS_REVERT_REPLACED;
    return xls_revert_journal(r);
}

/* The old domain, if there is one, is destroyed before the new one is built.
 * Where it is put aside it comes back when that fails. */
static int build_after(struct xls_revert *r)
{
    int rc, rc_back = 0;

    rc = r->conflict ? xls_revert_aside_save(r) : 0;
    if (rc)
        return rc;
    rc = xls_revert_leave_old(r);
    if (rc && !r->old_gone)
        return rc;
    if (!rc)
        rc = xls_revert_need_memory(r);
    if (!rc)
        rc = xls_revert_storage(r);
    if (!rc)
        rc = build(r);
    if (!rc)
        rc = take_place(r);
    if (!rc) {
        /* From here on it is the domain, whatever else fails. */
        rc = xls_revert_go_on(r);
        xls_revert_aside_drop(r);
        return rc;
    }
    destroy_new(r);
    if (r->aside.path)
        rc_back = xls_revert_aside_bring_back(r);
    else if (r->old_gone)
        XLS_ERROR(&r->op.log, "domain %s was destroyed first, as asked, and "
                  "its successor could not be made: there is no domain now; "
                  "revert again", r->name);
    return rc_back ? rc_back : rc;
}

int xls_revert_run(struct xls_revert *r, const libxl_domain_config *config)
{
    bool is_off = r->op.domid == XLS_NO_DOMID;
    int rc;

    rc = prepare(r, config);
    if (rc)
        return rc;
    if (!is_off)
        xls_revert_vm_read(r);
    rc = xls_revert_journal(r);
    if (rc)
        return rc;
    rc = xls_revert_make_names(r);
    if (!rc)
        rc = is_off || r->args->destroy_first || r->conflict
                 ? build_after(r) : build_beside(r);
    if (r->phase != XLS_REVERT_REPLACED)
        xls_revert_drop_names(r);
    /* The next operation brings the old domain back, or goes on. */
    if (rc != ERROR_SNAPSHOT_INCOMPLETE && !r->paths_left)
        xls_journal_remove(&r->op);
    return rc;
}
