/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/json/file_id.h"

void xls_file_id_to_json(struct xls_json *o, const char *key,
                         const struct xls_file_id *id)
{
    struct xls_json *its = xls_json_object();

    if (!id->ino) {
        xls_json_free(its);
        return;
    }
    xls_json_set(its, "dev", xls_json_uint(id->dev));
    xls_json_set(its, "ino", xls_json_uint(id->ino));
    if (id->born_ns)
        xls_json_set(its, "born_ns", xls_json_uint(id->born_ns));
    xls_json_set(o, key, its);
}

struct xls_file_id xls_file_id_from_json(const struct xls_json *o,
                                         const char *key)
{
    const struct xls_json *its = xls_json_get(o, key);
    uint64_t dev, ino, born_ns = 0;

    if (!xls_json_get_uint(its, "dev", &dev) ||
        !xls_json_get_uint(its, "ino", &ino))
        return (struct xls_file_id){ 0 };
    /* Earlier versions did not record it. */
    xls_json_get_uint(its, "born_ns", &born_ns);
    return (struct xls_file_id){ dev, ino, born_ns };
}
