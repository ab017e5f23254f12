/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * From a vdev to QEMU's nodes. A xen-block device is known by its QOM
 * property "vdev"; its chain of nodes by query-blockstats, the one stable
 * command that nests backing nodes by their names; what a node is by
 * query-named-block-nodes.
 */
#include "block/query.h"

#include <stdlib.h>
#include <string.h>

#include "block/vdev.h"
#include "common/alloc.h"
#include "common/files.h"

#define MAX_LAYERS 1024

/* In query->devids: QEMU was not asked. */
#define UNASKED (-2)

/* Whether a stream has ended and has not been dismissed. */
static bool ended_stream(const struct xls_json *jobs)
{
    size_t i;

    for (i = 0; i < xls_json_len(jobs); i++) {
        const struct xls_json *job = xls_json_at(jobs, i);
        const char *status = xls_json_get_str(job, "status");
        const char *type = xls_json_get_str(job, "type");

        if (status && !strcmp(status, "concluded") && type &&
            !strcmp(type, "stream"))
            return true;
    }
    return false;
}

int xls_block_query(struct xls_qmp *qmp, struct xls_block_query *query)
{
    int rc;

    memset(query, 0, sizeof(*query));
    rc = xls_qmp_must(qmp, "asking QEMU for its block jobs",
                      "query-block-jobs", NULL, XLS_QMP_FAST, &query->jobs);
    if (rc)
        goto out;
    if (xls_qmp_version(qmp) < 9000000 && ended_stream(query->jobs)) {
        rc = ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE;
        goto out;
    }
    rc = xls_qmp_must(qmp, "asking QEMU for its block devices", "query-block",
                      NULL, XLS_QMP_FAST, &query->block);
    if (rc)
        goto out;
    rc = xls_qmp_must(qmp, "asking QEMU for its block statistics",
                      "query-blockstats", NULL, XLS_QMP_FAST, &query->stats);
    if (rc)
        goto out;
    rc = xls_qmp_must(qmp, "asking QEMU for its block nodes",
                      "query-named-block-nodes",
                      xls_json_set_bool(xls_json_object(), "flat", true),
                      XLS_QMP_FAST, &query->nodes);

out:
    if (rc)
        xls_block_query_dispose(query);
    return rc;
}

void xls_block_query_dispose(struct xls_block_query *query)
{
    xls_json_free(query->block);
    xls_json_free(query->stats);
    xls_json_free(query->nodes);
    xls_json_free(query->jobs);
    free(query->devids);
    memset(query, 0, sizeof(*query));
}

const struct xls_json *xls_block_query_find(const struct xls_json *list,
                                            const char *key,
                                            const char *value)
{
    size_t i;

    for (i = 0; i < xls_json_len(list); i++) {
        const struct xls_json *item = xls_json_at(list, i);
        const char *s = xls_json_get_str(item, key);

        if (s && !strcmp(s, value))
            return item;
    }
    return NULL;
}

static bool is_file(const char *file, const char *path)
{
    return file && path && (!strcmp(file, path) || xls_same_file(file, path));
}

const char *xls_block_query_name(const struct xls_json *nodes,
                                 const struct xls_json *node,
                                 const char *node_file)
{
    const char *name = xls_json_get_str(node, "file"), *export;

    if (!name || strncmp(name, "json:", 5) || !node_file)
        return name;
    export = xls_json_get_str(
        xls_block_query_find(nodes, "node-name", node_file), "file");
    return export && !strncmp(export, "nbd", 3) ? export : name;
}

static void add_recorded(struct xls_layer *layer, const struct xls_json *image)
{
    const char *name = xls_json_get_str(image, "backing-filename");
    const char *full = xls_json_get_str(image, "full-backing-filename");

    layer->relative = name && full && full[0] == '/' && strcmp(name, full);
    layer->recorded = xls_strdup(full ? full : name);
}

/* QEMU says null or leaves it out where there is none. */
static char *data_file(const struct xls_json *image)
{
    const struct xls_json *data =
        xls_json_get(xls_json_get(image, "format-specific"), "data");

    return xls_strdup(xls_json_get_str(data, "data-file"));
}

static void add_internals(struct xls_layer *layer,
                          const struct xls_json *snapshots)
{
    int i, num = xls_json_len(snapshots);

    layer->internals = xls_calloc(num, sizeof(*layer->internals));
    layer->num_internals = num;
    for (i = 0; i < num; i++) {
        const struct xls_json *o = xls_json_at(snapshots, i);
        const char *id = xls_json_get_str(o, "id");
        const char *name = xls_json_get_str(o, "name");

        layer->internals[i].id = xls_strdup(id ? id : "");
        layer->internals[i].name = xls_strdup(name ? name : "");
    }
}

/*
 * QEMU calls a layer json:{...} when what it has open below it goes by another
 * name than the header says. Where that is the same file all the same (a name
 * that is relative, under a node that we put there), the layer has its file's
 * name.
 */
static void name_by_files(const struct xls_block_query *query,
                          struct xls_disk *disk)
{
    int i;

    for (i = disk->num_layers - 2; i >= 0; i--) {
        struct xls_layer *layer = &disk->layers[i];
        const char *file = xls_json_get_str(
            xls_block_query_find(query->nodes, "node-name", layer->file_node),
            "file");

        if (!strncmp(layer->path, "json:", 5) && file && file[0] == '/' &&
            layer->recorded &&
            is_file(layer->recorded, disk->layers[i + 1].path)) {
            free(layer->path);
            layer->path = xls_strdup(file);
        }
    }
}

static int add_layer(struct xls_disk *disk, const struct xls_json *nodes,
                     const struct xls_json *stats, const struct xls_json *node)
{
    const char *file_node = xls_json_get_str(xls_json_get(stats, "parent"),
                                             "node-name");
    const struct xls_json *image = xls_json_get(node, "image");
    const struct xls_json *cache = xls_json_get(node, "cache");
    const char *detect = xls_json_get_str(node, "detect_zeroes");
    const char *path = xls_block_query_name(nodes, node, file_node);
    const char *driver = xls_json_get_str(node, "drv");
    const char *name = xls_json_get_str(node, "node-name");
    struct xls_layer *layer;

    if (!name || !driver || disk->num_layers >= MAX_LAYERS)
        return -1;
    disk->layers = xls_realloc(disk->layers, disk->num_layers + 1,
                               sizeof(*disk->layers));
    layer = &disk->layers[disk->num_layers++];
    *layer = (struct xls_layer){
        .node = xls_strdup(name),
        .file_node = xls_strdup(file_node ? file_node : ""),
        .driver = xls_strdup(driver),
        .path = xls_strdup(path ? path : ""),
        .data_file = data_file(image),
        .detect_zeroes = xls_strdup(detect ? detect : "off"),
        .read_only = xls_json_get_bool(node, "ro", false),
        .direct = xls_json_get_bool(cache, "direct", false),
        .no_flush = xls_json_get_bool(cache, "no-flush", false),
    };
    add_recorded(layer, image);
    add_internals(layer, xls_json_get(image, "snapshots"));
    if (!xls_json_get_uint(image, "actual-size", &layer->actual_size))
        layer->actual_size = 0;
    return xls_json_get_uint(image, "virtual-size", &layer->virtual_size)
               ? 0 : -1;
}

int xls_block_query_chain(const struct xls_block_query *query,
                          const struct xls_json *stats, struct xls_disk *disk)
{
    for (; stats; stats = xls_json_get(stats, "backing")) {
        const char *name = xls_json_get_str(stats, "node-name");
        const struct xls_json *node =
            name ? xls_block_query_find(query->nodes, "node-name", name)
                 : NULL;

        if (!node || add_layer(disk, query->nodes, stats, node))
            return -1;
    }
    name_by_files(query, disk);
    return disk->num_layers ? 0 : -1;
}

/* A xen-block device has a property "vdev", and no other block device has. */
static int ask_devid(struct xls_op *op, const char *qdev)
{
    struct xls_json *args = xls_json_object(), *ret = NULL;
    const char *vdev = NULL;
    int devid;

    xls_json_set_str(args, "path", qdev);
    xls_json_set_str(args, "property", "vdev");
    if (!xls_qmp_run(op->qmp, "qom-get", args, XLS_QMP_FAST, &ret))
        vdev = xls_json_str(ret);
    devid = vdev ? xls_vdev_number(vdev) : -1;
    xls_json_free(ret);
    return devid;
}

/* The device number that the i-th device of query->block serves, or -1 when
 * it is no xen-block device. */
static int devid_of(struct xls_op *op, struct xls_block_query *query, size_t i)
{
    size_t j, n = xls_json_len(query->block);

    if (!query->devids) {
        query->devids = xls_calloc(n, sizeof(*query->devids));
        for (j = 0; j < n; j++)
            query->devids[j] = UNASKED;
    }
    if (query->devids[i] == UNASKED)
        query->devids[i] = ask_devid(
            op, xls_json_get_str(xls_json_at(query->block, i), "qdev"));
    return query->devids[i];
}

/* Whether a device's top layer is in a file. QEMU's name of the layer may be
 * json:, that of its storage is the file's. */
static bool uses_file(const struct xls_block_query *query,
                      const struct xls_json *block, const char *path)
{
    const struct xls_json *stats, *storage;
    const char *node;

    if (is_file(xls_json_get_str(xls_json_get(block, "inserted"), "file"),
                path))
        return true;
    stats = xls_block_query_find(query->stats, "qdev",
                                 xls_json_get_str(block, "qdev"));
    node = xls_json_get_str(xls_json_get(stats, "parent"), "node-name");
    storage = node ? xls_block_query_find(query->nodes, "node-name", node)
                   : NULL;
    return is_file(xls_json_get_str(storage, "file"), path);
}

const struct xls_json *xls_block_query_device(
    struct xls_op *op, struct xls_block_query *query,
    const struct xls_disk *disk)
{
    const char *mine = NULL;
    size_t i;

    for (i = 0; i < xls_json_len(query->block); i++) {
        const struct xls_json *block = xls_json_at(query->block, i);
        const char *qdev = xls_json_get_str(block, "qdev");

        if (!qdev || !xls_json_get(block, "inserted"))
            continue;
        if (disk->devid >= 0 && devid_of(op, query, i) == disk->devid) {
            mine = qdev;
            break;
        }
        if (!mine && uses_file(query, block, disk->rec->pdev_path))
            mine = qdev;
    }
    return mine ? xls_block_query_find(query->stats, "qdev", mine) : NULL;
}

int xls_block_query_disk(struct xls_op *op, struct xls_block_query *query,
                         struct xls_disk *disk, char **why)
{
    const struct xls_json *mine = NULL, *stats;
    const char *qdev, *other = NULL;
    size_t i;
    int found = 0;

    *why = NULL;
    for (i = 0; i < xls_json_len(query->block); i++) {
        const struct xls_json *block = xls_json_at(query->block, i);

        qdev = xls_json_get_str(block, "qdev");
        if (!qdev || !xls_json_get(block, "inserted"))
            continue;
        if (disk->devid >= 0 && devid_of(op, query, i) == disk->devid) {
            mine = block;
            found++;
        } else if (uses_file(query, block, disk->rec->pdev_path)) {
            other = qdev;
        }
    }
    /* A question that was not answered is not a device that is not there. */
    if (xls_qmp_dead(op->qmp))
        return ERROR_SNAPSHOT_QMP;
    if (!mine) {
        *why = xls_asprintf("QEMU has no xen-disk for it");
        return 0;
    }
    if (found > 1 || other) {
        *why = other
            ? xls_asprintf("QEMU has its image open twice, for the emulated "
                           "disk controller (%s), which the guest uses, and "
                           "for PV drivers, which have not taken the disk "
                           "over: a snapshot would leave one of the two on "
                           "the old layer; if the guest is starting, try "
                           "again when its PV drivers run; if it has none, "
                           "install them, or shut the domain down and use "
                           "qemu-img (snapshot -c, or a copy)", other)
            : xls_asprintf("two PV disks of its QEMU are %s", disk->rec->vdev);
        return 0;
    }
    qdev = xls_json_get_str(mine, "qdev");
    stats = xls_block_query_find(query->stats, "qdev", qdev);
    if (!stats || xls_block_query_chain(query, stats, disk)) {
        XLS_ERROR(&op->log, "QEMU does not tell the backing chain of disk %s",
                  disk->rec->vdev);
        return ERROR_SNAPSHOT_QMP;
    }
    return 0;
}
