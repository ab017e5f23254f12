/* SPDX-License-Identifier: LGPL-2.1-only */
/* Images that name their backing file relatively to their own directory. */
#include "block/node.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "session/change.h"

static bool same_directory(const char *a, const char *b)
{
    const char *a_name = strrchr(a, '/'), *b_name = strrchr(b, '/');

    return a_name && b_name && a_name - a == b_name - b &&
           !strncmp(a, b, a_name - a);
}

int xls_layer_goes_to(struct xls_op *op, const struct xls_disk *disk,
                      int index, const char *path)
{
    const struct xls_layer *layer = &disk->layers[index];
    struct xls_json *args;
    char *what;
    int rc;

    if (!layer->relative || same_directory(layer->path, path))
        return 0;
    /* QEMU (7.2 to 10.0) records the image's own format as that of the backing
     * file then (qmp_change_backing_file). */
    if (index + 1 >= disk->num_layers ||
        strcmp(disk->layers[index + 1].driver, layer->driver)) {
        XLS_ERROR(&op->log, "%s names its backing file %s relatively, and would "
                  "not find it as %s; choose a name in the same directory",
                  layer->path, layer->recorded, path);
        return ERROR_INVAL;
    }
    what = xls_asprintf("having %s name its backing file absolutely, before "
                        "it becomes %s", layer->path, path);
    args = xls_json_set_str(xls_json_object(), "device",
                            disk->layers[0].node);
    xls_json_set_str(args, "image-node-name", layer->node);
    xls_json_set_str(args, "backing-file", layer->recorded);
    rc = xls_op_change(op, what, "change-backing-file", args, NULL, NULL);
    free(what);
    return rc;
}
