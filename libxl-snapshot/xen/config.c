/* SPDX-License-Identifier: LGPL-2.1-only */
#include "xen/records.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

int xls_records_config(struct xls_op *op, uint32_t domid,
                       libxl_domain_config *config, uint8_t **data, int *len)
{
    uint8_t *bytes = NULL;
    int num = 0, rc;
    char *text;

    rc = libxl_userdata_retrieve(op->ctx, domid, XLS_CONFIG_ID, &bytes, &num);
    if (rc || !bytes)
        return rc ? rc : ERROR_NOTFOUND;
    text = xls_calloc(num + 1, 1);
    memcpy(text, bytes, num);
    rc = libxl_domain_config_from_json(op->ctx, config, text);
    free(text);
    if (data && !rc) {
        *data = bytes;
        *len = num;
    } else {
        free(bytes);
    }
    return rc;
}
