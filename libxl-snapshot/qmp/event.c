/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/internal.h"

static struct xls_json *pop_event(struct xls_qmp *qmp)
{
    struct xls_qmp_event_slot *slot = &qmp->events[qmp->first_event];

    qmp->first_event = (qmp->first_event + 1) % XLS_QMP_MAX_EVENTS;
    qmp->num_events--;
    qmp->event_bytes -= slot->bytes;
    return slot->event;
}

void xls_qmp__drop_events(struct xls_qmp *qmp)
{
    while (qmp->num_events)
        xls_json_free(pop_event(qmp));
}

void xls_qmp__queue_event(struct xls_qmp *qmp, struct xls_json *event)
{
    struct xls_qmp_event_slot *slot;

    while (qmp->num_events == XLS_QMP_MAX_EVENTS ||
           (qmp->num_events &&
            qmp->event_bytes + qmp->message_bytes > XLS_QMP_MAX_EVENT_BYTES))
        xls_json_free(pop_event(qmp));
    slot = &qmp->events[(qmp->first_event + qmp->num_events) %
                        XLS_QMP_MAX_EVENTS];
    slot->event = event;
    slot->bytes = qmp->message_bytes;
    qmp->num_events++;
    qmp->event_bytes += slot->bytes;
}

int xls_qmp_event(struct xls_qmp *qmp, unsigned timeout_ms,
                  struct xls_json **event)
{
    struct xls_json *message = NULL;
    int rc;

    if (qmp->num_events) {
        *event = pop_event(qmp);
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
