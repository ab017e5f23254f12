/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/internal.h"

int xls_qmp_event(struct xls_qmp *qmp, unsigned timeout_ms,
                  struct xls_json **event)
{
    struct xls_json *message = NULL;
    int rc;

    if (qmp->num_events) {
        *event = xls_qmp__pop_event(qmp);
        return 0;
    }
    if (qmp->dead)
        return ERROR_SNAPSHOT_QMP;
    rc = xls_qmp__receive_own(qmp, xls_qmp__deadline(timeout_ms), &message);
    if (rc)
        return rc;
    if (!xls_json_get_str(message, "event")) {
        xls_json_free(message);
        return xls_qmp__die(qmp, "sent a reply to no command");
    }
    *event = message;
    return 0;
}
