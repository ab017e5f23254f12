/* SPDX-License-Identifier: LGPL-2.1-only */
/* What is received by this client, and events until they are asked for. */
#include "qmp/internal.h"

struct xls_json *xls_qmp__pop_event(struct xls_qmp *qmp)
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
        xls_json_free(xls_qmp__pop_event(qmp));
}

void xls_qmp__queue_event(struct xls_qmp *qmp, struct xls_json *event)
{
    struct xls_qmp_event_slot *slot;

    while (qmp->num_events == XLS_QMP_MAX_EVENTS ||
           (qmp->num_events &&
            qmp->event_bytes + qmp->message_bytes > XLS_QMP_MAX_EVENT_BYTES))
        xls_json_free(xls_qmp__pop_event(qmp));
    slot = &qmp->events[(qmp->first_event + qmp->num_events) %
                        XLS_QMP_MAX_EVENTS];
    slot->event = event;
    slot->bytes = qmp->message_bytes;
    qmp->num_events++;
    qmp->event_bytes += slot->bytes;
}

static bool is_stale(const struct xls_qmp *qmp, const struct xls_json *message)
{
    int64_t id;

    return xls_json_get_int(message, "id", &id) &&
           (id <= qmp->first_id || id > qmp->first_id + XLS_QMP_IDS);
}

int xls_qmp__receive_own(struct xls_qmp *qmp, uint64_t deadline,
                         struct xls_json **message)
{
    int rc;

    for (;;) {
        rc = xls_qmp__receive(qmp, deadline, message);
        if (rc || !is_stale(qmp, *message) ||
            ++qmp->num_stale > XLS_QMP_MAX_STALE)
            return rc;
        xls_json_free(*message);
        *message = NULL;
    }
}
