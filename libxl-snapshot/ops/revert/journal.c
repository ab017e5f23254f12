/* SPDX-License-Identifier: LGPL-2.1-only */
/* What a revert is about to do. */
#include "intent/journal.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "ops/revert/revert.h"

int xls_revert_journal(struct xls_revert *r)
{
    struct xls_json *o = xls_journal_new(&r->op, "revert");
    char *new_uuid = xls_asprintf(LIBXL_UUID_FMT,
                                  LIBXL_UUID_BYTES(r->config.c_info.uuid));
    int rc;

    xls_json_set_str(o, "name", r->name);
    xls_json_set(o, "args", xls_json_of_text(
        libxl_domain_snapshot_args_to_json(r->op.ctx, r->args),
        &xls_json_limits_file));
    xls_revert_paths_to_json(r, o);
    xls_json_set_str(o, "new_uuid", new_uuid);
    if (r->domid != XLS_NO_DOMID)
        xls_json_set_int(o, "built", r->domid);
    if (r->vm_tree)
        xls_json_set(o, "vm", xls_json_copy(r->vm_tree));
    xls_json_set_int(o, "phase", r->phase);
    if (r->phase == XLS_REVERT_BACK)
        xls_json_set_int(o, "brought_back", r->brought_back);
    xls_json_set_str(o, "aside", r->aside.path);
    if (r->aside.stamps)
        xls_json_set(o, "stamps", xls_json_copy(r->aside.stamps));
    rc = xls_journal_write(&r->op, o);
    xls_json_free(o);
    free(new_uuid);
    return rc;
}
