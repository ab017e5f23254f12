/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/node.h"

#include <stdlib.h>
#include <string.h>

#include "block/job.h"
#include "block/options.h"
#include "common/alloc.h"
#include "session/change.h"

bool xls_node_implicit(const char *node)
{
    return node[0] == '#';
}

bool xls_layer_implicit(const struct xls_layer *layer)
{
    return xls_node_implicit(layer->node);
}

struct xls_json *xls_file_options(const char *path,
                                  const struct xls_layer *like)
{
    struct xls_json *file = xls_json_object();

    xls_json_set_str(file, "driver",
                     xls_is_block_device(path) ? "host_device" : "file");
    xls_json_set_str(file, "filename", path);
    /* As libxl's own disks are: a restored twin of the domain opens the same
     * files while this one still has them. */
    xls_json_set_str(file, "locking", "off");
    if (like && like->direct)
        xls_json_set_str(file, "aio", "native");
    return file;
}

static struct xls_json *cache_mode(const struct xls_layer *like)
{
    struct xls_json *cache = xls_json_object();

    xls_json_set_bool(cache, "direct", like->direct);
    xls_json_set_bool(cache, "no-flush", like->no_flush);
    return cache;
}

/* The drivers whose options have `backing`: QEMU refuses it for any other, also
 * when it is null, which only says that the header is not followed. */
static bool has_backing(const char *driver)
{
    static const char *const drivers[] = { "qcow2", "qcow", "qed", "vmdk" };
    size_t i;

    for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (!strcmp(driver, drivers[i]))
            return true;
    return false;
}

struct xls_json *xls_format_options(const char *driver, const char *node,
                                    bool read_only, const char *backing,
                                    struct xls_json *file,
                                    const struct xls_layer *like, bool discard)
{
    struct xls_json *options = xls_json_object();

    xls_json_set_str(options, "driver", driver);
    xls_json_set_str(options, "node-name", node);
    xls_json_set_bool(options, "read-only", read_only);
    xls_json_set(options, "cache", cache_mode(like));
    if (discard)
        xls_json_set_str(options, "discard", "unmap");
    xls_json_set_str(options, "detect-zeroes", like->detect_zeroes);
    if (has_backing(driver) &&
        !(backing && !strcmp(backing, XLS_BACKING_BY_HEADER)))
        xls_json_set(options, "backing", backing ? xls_json_string(backing)
                                                 : xls_json_null());
    xls_json_set(options, "file", file);
    return options;
}

struct xls_json *xls_file_node_options(const char *path, const char *node,
                                       const struct xls_layer *like,
                                       bool discard)
{
    struct xls_json *file = xls_file_options(path, like);

    xls_json_set_str(file, "node-name", node);
    /* A frozen layer's file is immutable: opened for writing only when the
     * layer is written again. */
    xls_json_set_bool(file, "auto-read-only", true);
    if (like->direct || like->no_flush)
        xls_json_set(file, "cache", cache_mode(like));
    if (discard)
        xls_json_set_str(file, "discard", "unmap");
    return file;
}

/* For xls_op_change. */
static enum xls_done is_there(struct xls_op *op, const char *node)
{
    struct xls_json *nodes = NULL;
    enum xls_done done = XLS_NOT_DONE;
    const char *name;
    size_t i;

    if (xls_op_ask(op, "asking QEMU for its block nodes",
                   "query-named-block-nodes",
                   xls_json_set_bool(xls_json_object(), "flat", true), &nodes))
        return XLS_CANNOT_TELL;
    for (i = 0; i < xls_json_len(nodes); i++) {
        name = xls_json_get_str(xls_json_at(nodes, i), "node-name");
        if (name && !strcmp(name, node))
            done = XLS_DONE;
    }
    xls_json_free(nodes);
    return done;
}

int xls_node_add(struct xls_op *op, const char *what, struct xls_json *options)
{
    char *node = xls_strdup(xls_json_get_str(options, "node-name"));
    int rc = xls_op_change(op, what, "blockdev-add", options, is_there, node);

    free(node);
    return rc;
}

static int reopen(struct xls_op *op, const char *what,
                  struct xls_json *options)
{
    struct xls_json *list = xls_json_array(), *args = xls_json_object();

    xls_json_append(list, options);
    xls_json_set(args, "options", list);
    return xls_op_change(op, what, "blockdev-reopen", args, NULL, NULL);
}

int xls_reopen(struct xls_op *op, const char *what, struct xls_json *options,
               const char *replaced)
{
    struct xls_json *args;
    char *hold;
    int rc;

    /* One that was added by name stays QEMU's anyway. */
    if (!xls_node_implicit(replaced))
        return reopen(op, what, options);
    hold = xls_unique_name("file");
    args = xls_json_set_str(xls_json_object(), "driver", "raw");
    xls_json_set_str(args, "node-name", hold);
    xls_json_set_bool(args, "read-only", true);
    xls_json_set_str(args, "file", replaced);
    rc = xls_node_add(op, what, args);
    if (!rc) {
        rc = reopen(op, what, options);
        xls_node_del(op, hold);
    } else {
        xls_json_free(options);
    }
    free(hold);
    return rc;
}

int xls_layer_flush(struct xls_op *op, const struct xls_disk *disk,
                    bool discard)
{
    const struct xls_layer *top = &disk->layers[0];

    return reopen(op, "flushing the active layer",
                  xls_format_options(
                      top->driver, top->node, top->read_only,
                      disk->num_layers > 1 ? disk->layers[1].node : NULL,
                      xls_json_string(top->file_node), top, discard));
}

int xls_node_del(struct xls_op *op, const char *node)
{
    int rc;

    rc = xls_op_try(op, "closing an image in QEMU", "blockdev-del",
                    xls_json_set_str(xls_json_object(), "node-name", node),
                    NULL, NULL);
    if (rc == ERROR_SNAPSHOT_QEMU) {
        if (strstr(xls_qmp_error_desc(op->qmp), "Failed to find node"))
            return 0;
        XLS_WARN(&op->log, "QEMU keeps its node %s: %s", node,
                 xls_qmp_error_desc(op->qmp));
    }
    /* It may have it open, whether the command was sent or not. */
    return xls_unanswered(rc) ? xls_op_doubt(op, "closing an image in QEMU")
                              : rc;
}

/* The file as a node; *fdset is for xls_qmp_remove_fd, -1: none. */
static int add_file(struct xls_op *op, const char *what, const char *path,
                    int fd, const char *node, int64_t *fdset)
{
    char *passed = NULL;
    struct xls_json *args;
    int rc = 0;

    *fdset = -1;
    if (fd >= 0)
        rc = xls_qmp_add_fd(op->qmp, fd, "xls-overlay", fdset);
    if (rc)
        return rc;
    if (fd >= 0)
        passed = xls_asprintf("/dev/fdset/%lld", (long long)*fdset);
    args = xls_file_options(passed ? passed : path, NULL);
    xls_json_set_str(args, "node-name", node);
    free(passed);
    return xls_node_add(op, what, args);
}

int xls_overlay_format(struct xls_op *op, const char *path, int fd,
                       uint64_t size, const char *backing,
                       const char *backing_driver)
{
    struct xls_json *args, *options;
    char *node = xls_unique_name("new"), *job = xls_unique_name("create");
    char *what = xls_asprintf("making the overlay %s", path);
    int64_t fdset = -1;
    int rc, rc_del;

    rc = xls_op_qmp(op);
    if (!rc)
        rc = add_file(op, what, path, fd, node, &fdset);
    if (rc)
        goto out;

    options = xls_json_object();
    xls_json_set_str(options, "driver", "qcow2");
    xls_json_set_str(options, "file", node);
    xls_json_set(options, "size", xls_json_uint(size));
    xls_json_set_str(options, "backing-file", backing);
    xls_json_set_str(options, "backing-fmt", backing_driver);
    args = xls_json_set_str(xls_json_object(), "job-id", job);
    xls_json_set(args, "options", options);
    rc = xls_op_change(op, what, "blockdev-create", args, xls_job_is_there,
                       job);
    if (!rc)
        rc = xls_job_wait(op, job, XLS_JOB_CONCLUDED, what, NULL, NULL);
    rc_del = xls_node_del(op, node);
    if (!rc)
        rc = rc_del;

out:
    if (fdset >= 0 && op->qmp)
        xls_qmp_remove_fd(op->qmp, fdset);
    free(node);
    free(job);
    free(what);
    return rc;
}

int xls_overlay_add(struct xls_op *op, const char *node, const char *path,
                    const struct xls_layer *above, bool discard)
{
    char *what = xls_asprintf("opening the overlay %s", path);
    int rc;

    rc = xls_node_add(op, what,
                      xls_format_options("qcow2", node, false, NULL,
                                         xls_file_options(path, above), above,
                                         discard));
    free(what);
    return rc;
}

int xls_node_rename(struct xls_op *op, const struct xls_layer *layer,
                    const char *path, bool read_only, const char *backing,
                    bool discard)
{
    char *node = xls_unique_name("file");
    char *what = xls_asprintf("telling QEMU the new name %s of an image", path);
    int rc;

    rc = xls_node_add(op, what,
                      xls_file_node_options(path, node, layer, discard));
    if (rc)
        goto out;

    rc = xls_reopen(op, what,
                    xls_format_options(layer->driver, layer->node, read_only,
                                       backing, xls_json_string(node), layer,
                                       discard),
                    layer->file_node);
    if (rc)
        xls_node_del(op, node);

out:
    free(node);
    free(what);
    return rc;
}
