/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/polling.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/json/json.h"

/* Nanoseconds: QEMU's IOTHREAD_POLL_MAX_NS_DEFAULT, and a time that nobody else
 * is likely to choose. One wait that is longer has QEMU start over, with short
 * polling: 512 KiB on a disk of 128 MB/s or more, and having to share the CPU now
 * and then, are not to do so. */
#define DEFAULT_NS  32768
#define LONGER_NS   4194304

static struct xls_json *property(const char *vdev)
{
    struct xls_json *args = xls_json_object();
    char *path = xls_asprintf("/objects/%s", vdev);

    xls_json_set_str(args, "path", path);
    xls_json_set_str(args, "property", "poll-max-ns");
    free(path);
    return args;
}

static void change(struct xls_op *op, const char *vdev, int64_t from,
                   int64_t to)
{
    struct xls_json *args, *now = NULL;

    if (xls_op_qmp(op) ||
        xls_qmp_run(op->qmp, "qom-get", property(vdev), XLS_QMP_FAST, &now))
        return;
    if (now->type == XLS_JSON_INT && now->u.i == from) {
        args = property(vdev);
        xls_json_set(args, "value", xls_json_int(to));
        xls_qmp_run(op->qmp, "qom-set", args, XLS_QMP_FAST, NULL);
    }
    xls_json_free(now);
}

void xls_polling_longer(struct xls_op *op, const char *vdev)
{
    change(op, vdev, DEFAULT_NS, LONGER_NS);
}

void xls_polling_restore(struct xls_op *op, const char *vdev)
{
    change(op, vdev, LONGER_NS, DEFAULT_NS);
}
