/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/text.h"

/* More of QEMU's words is kept from the log. */
#define MAX_TEXT 1000

static int take_error(struct xls_qmp *qmp, const struct xls_json *error)
{
    const char *class = xls_json_get_str(error, "class");
    const char *desc = xls_json_get_str(error, "desc");

    if (!class || !desc)
        return xls_qmp__die(qmp, "sent an error without class or desc");
    free(qmp->error_class);
    free(qmp->error_desc);
    qmp->error_class = xls_harmless(class, MAX_TEXT);
    qmp->error_desc = xls_harmless(desc, MAX_TEXT);
    return ERROR_SNAPSHOT_QEMU;
}

/* Waits for the reply to command id. */
static int receive_reply(struct xls_qmp *qmp, int64_t id, uint64_t deadline,
                         struct xls_json **reply)
{
    struct xls_json *message = NULL;
    int64_t got;
    int rc;

    for (;;) {
        rc = xls_qmp__receive_own(qmp, deadline, &message);
        if (rc)
            return rc;
        if (!xls_json_get_str(message, "event"))
            break;
        xls_qmp__queue_event(qmp, message);
        /* nor may events that never end outlast the deadline */
        if (!xls_qmp__left_ms(deadline))
            return ERROR_TIMEDOUT;
    }
    if (!xls_json_get_int(message, "id", &got) || got != id) {
        xls_json_free(message);
        return xls_qmp__die(qmp, "sent a reply that is not to command %lld",
                            (long long)id);
    }
    *reply = message;
    return 0;
}

static char *command_text(struct xls_qmp *qmp, const char *command,
                          struct xls_json *args, int64_t id)
{
    struct xls_json *o = xls_json_object();
    char *json, *text, *shown;

    xls_json_set_str(o, "execute", command);
    if (args)
        xls_json_set(o, "arguments", args);
    xls_json_set_int(o, "id", id);
    json = xls_json_print(o, false);
    if (!json) {
        XLS_ERROR(qmp->log, "%s is not sent to QEMU: a name in it is not "
                  "UTF-8", command);
        xls_json_free(o);
        return NULL;
    }
    shown = xls_harmless(json, MAX_TEXT);
    XLS_DEBUG(qmp->log, "to QEMU: %s", shown);
    text = xls_asprintf("%s\n", json);
    free(shown);
    free(json);
    xls_json_free(o);
    return text;
}

/* The reply to what was sent at sent_us; *ret as for xls_qmp_run. */
static int finish(struct xls_qmp *qmp, const char *command, int64_t id,
                  uint64_t sent_us, uint64_t deadline, struct xls_json **ret)
{
    struct xls_json *reply = NULL;
    const struct xls_json *value, *error;
    int rc;

    rc = receive_reply(qmp, id, deadline, &reply);
    if (rc)
        return rc;
    qmp->last_us = qmp->received_us > sent_us ? qmp->received_us - sent_us : 0;

    value = xls_json_get(reply, "return");
    error = xls_json_get(reply, "error");
    if (!value == !error)
        rc = xls_qmp__die(qmp, "sent a reply to %s that is neither a result "
                          "nor an error", command);
    else if (error)
        rc = take_error(qmp, error);
    else if (ret)
        *ret = xls_json_copy(value);
    xls_json_free(reply);
    return rc;
}

static int no_reply(struct xls_qmp *qmp, const char *command,
                    unsigned timeout_ms)
{
    qmp->dead = true;
    XLS_ERROR(qmp->log, "QEMU's monitor %s: no reply to %s within %u ms",
              qmp->socket_path, command, timeout_ms);
    return ERROR_TIMEDOUT;
}

int xls_qmp__command(struct xls_qmp *qmp, const char *command,
                     struct xls_json *args, int pass_fd, unsigned timeout_ms,
                     struct xls_json **ret)
{
    uint64_t deadline = xls_qmp__deadline(timeout_ms);
    int64_t id = ++qmp->last_id;
    char *text;
    int rc;

    if (qmp->dead) {
        xls_json_free(args);
        return ERROR_SNAPSHOT_QMP;
    }
    text = command_text(qmp, command, args, id);
    if (!text)
        return ERROR_INVAL;
    rc = xls_qmp__send(qmp, text, pass_fd, deadline);
    if (!rc)
        rc = finish(qmp, command, id, xls_now_us(), deadline, ret);
    free(text);
    return rc == ERROR_TIMEDOUT ? no_reply(qmp, command, timeout_ms) : rc;
}

int xls_qmp_stage(struct xls_qmp *qmp, const char *command,
                  struct xls_json *args, unsigned timeout_ms)
{
    uint64_t deadline = xls_qmp__deadline(timeout_ms);
    char *text, *last;
    int rc;

    if (qmp->dead) {
        xls_json_free(args);
        return ERROR_SNAPSHOT_QMP;
    }
    text = command_text(qmp, command, args, ++qmp->last_id);
    if (!text)
        return ERROR_INVAL;
    last = strrchr(text, '}');
    *last = '\0';
    rc = xls_qmp__send(qmp, text, -1, deadline);
    if (!rc)
        rc = xls_qmp__drain(qmp, deadline);
    free(text);
    return rc == ERROR_TIMEDOUT ? no_reply(qmp, command, timeout_ms) : rc;
}

int xls_qmp_fire(struct xls_qmp *qmp, const char *command,
                 unsigned timeout_ms, struct xls_json **ret)
{
    uint64_t deadline = xls_qmp__deadline(timeout_ms), sent_us;
    int rc;

    if (qmp->dead)
        return ERROR_SNAPSHOT_QMP;
    sent_us = xls_now_us();
    rc = xls_qmp__send(qmp, "}", -1, deadline);
    if (!rc)
        rc = finish(qmp, command, qmp->last_id, sent_us, deadline, ret);
    return rc == ERROR_TIMEDOUT ? no_reply(qmp, command, timeout_ms) : rc;
}

int xls_qmp_run(struct xls_qmp *qmp, const char *command,
                struct xls_json *args, unsigned timeout_ms,
                struct xls_json **ret)
{
    return xls_qmp__command(qmp, command, args, -1, timeout_ms, ret);
}

int xls_qmp_must(struct xls_qmp *qmp, const char *what, const char *command,
                 struct xls_json *args, unsigned timeout_ms,
                 struct xls_json **ret)
{
    int rc;

    rc = xls_qmp_run(qmp, command, args, timeout_ms, ret);
    if (rc == ERROR_SNAPSHOT_QEMU)
        XLS_ERROR(qmp->log, "%s: %s", what, qmp->error_desc);
    return rc;
}

const char *xls_qmp_error_class(const struct xls_qmp *qmp)
{
    return qmp->error_class ? qmp->error_class : "";
}

const char *xls_qmp_error_desc(const struct xls_qmp *qmp)
{
    return qmp->error_desc ? qmp->error_desc : "";
}

int xls_qmp_has_command(struct xls_qmp *qmp, const char *command, bool *has)
{
    size_t i;
    int rc;

    if (!qmp->commands) {
        rc = xls_qmp_run(qmp, "query-commands", NULL, XLS_QMP_QUICK_MS,
                         &qmp->commands);
        if (rc)
            return rc;
    }
    *has = false;
    for (i = 0; i < xls_json_len(qmp->commands) && !*has; i++) {
        const char *name = xls_json_get_str(xls_json_at(qmp->commands, i),
                                            "name");

        *has = name && !strcmp(name, command);
    }
    return 0;
}

int xls_qmp_add_fd(struct xls_qmp *qmp, int fd, const char *opaque,
                   int64_t *fdset)
{
    struct xls_json *args = xls_json_object(), *ret = NULL;
    int rc;

    xls_json_set_str(args, "opaque", opaque);
    rc = xls_qmp__command(qmp, "add-fd", args, fd, XLS_QMP_QUICK_MS, &ret);
    if (rc)
        return rc;
    if (!xls_json_get_int(ret, "fdset-id", fdset))
        rc = xls_qmp__die(qmp, "did not say the fdset of add-fd");
    xls_json_free(ret);
    return rc;
}

int xls_qmp_remove_fd(struct xls_qmp *qmp, int64_t fdset)
{
    struct xls_json *args = xls_json_object();

    xls_json_set_int(args, "fdset-id", fdset);
    return xls_qmp_run(qmp, "remove-fd", args, XLS_QMP_QUICK_MS, NULL);
}
