/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/internal.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/alloc.h"

static bool version_part(const struct xls_json *version, const char *key,
                         unsigned *part)
{
    int64_t i;

    if (!xls_json_get_int(version, key, &i) || i < 0 || i > 999)
        return false;
    *part = (unsigned)i;
    return true;
}

static int read_greeting(struct xls_qmp *qmp, uint64_t deadline)
{
    const struct xls_json *version;
    struct xls_json *greeting = NULL;
    unsigned major, minor, micro;
    int rc;

    for (;;) {
        rc = xls_qmp__receive_own(qmp, deadline, &greeting);
        if (rc)
            return rc;
        /* An event that the client before did not take. */
        if (!xls_json_get_str(greeting, "event"))
            break;
        xls_json_free(greeting);
        greeting = NULL;
        if (!xls_qmp__left_ms(deadline))
            return ERROR_TIMEDOUT;
    }
    version = xls_json_get(xls_json_get(xls_json_get(greeting, "QMP"),
                                        "version"), "qemu");
    if (version_part(version, "major", &major) &&
        version_part(version, "minor", &minor) &&
        version_part(version, "micro", &micro))
        qmp->version = major * 1000000 + minor * 1000 + micro;
    else
        rc = xls_qmp__die(qmp, "did not greet as QEMU does");
    xls_json_free(greeting);
    return rc;
}

static int shake_hands(struct xls_qmp *qmp, uint64_t deadline)
{
    int rc;

    rc = xls_qmp__connect(qmp, deadline);
    if (!rc)
        rc = read_greeting(qmp, deadline);
    if (rc == ERROR_TIMEDOUT) {
        /* QEMU lets a second client wait, without a greeting */
        XLS_ERROR(qmp->log, "QEMU's monitor %s: no greeting in time: QEMU"
                  " hangs or serves another client", qmp->socket_path);
        return rc;
    }
    if (rc)
        return rc;
    rc = xls_qmp__command(qmp, "qmp_capabilities", NULL, -1,
                          (unsigned)xls_qmp__left_ms(deadline), NULL);
    if (rc == ERROR_SNAPSHOT_QEMU)
        return xls_qmp__die(qmp, "refused qmp_capabilities: %s",
                            qmp->error_desc);
    return rc;
}

/* Never short once the kernel's pool is up. */
static int64_t first_id(void)
{
    uint16_t r;

    if (getrandom(&r, sizeof(r), 0) != sizeof(r))
        abort();
    return (int64_t)(r >> 1) * XLS_QMP_IDS;
}

int xls_qmp_open(const struct xls_log *log, const char *socket_path,
                 const char *lock_path, unsigned timeout_ms,
                 struct xls_qmp **qmp_out)
{
    uint64_t deadline = xls_qmp__deadline(timeout_ms);
    struct xls_qmp *qmp = xls_calloc(1, sizeof(*qmp));
    int rc;

    *qmp_out = NULL;
    qmp->log = log;
    qmp->first_id = qmp->last_id = first_id();
    qmp->fd = -1;
    qmp->lock.fd = -1;
    qmp->socket_path = xls_strdup(socket_path);
    qmp->stream = xls_json_stream_new(&xls_json_limits_qmp);
    if (lock_path) {
        rc = xls_qmp__lock(log, lock_path, deadline, &qmp->lock);
        if (rc)
            goto out;
    }
    rc = shake_hands(qmp, deadline);

out:
    if (rc)
        xls_qmp_close(qmp);
    else
        *qmp_out = qmp;
    return rc;
}

void xls_qmp_close(struct xls_qmp *qmp)
{
    if (!qmp)
        return;
    /* QEMU must be free for the next holder of the lock */
    if (qmp->fd >= 0)
        close(qmp->fd);
    xls_qmp__unlock(&qmp->lock);
    xls_qmp__drop_events(qmp);
    xls_json_stream_free(qmp->stream);
    xls_json_free(qmp->commands);
    free(qmp->error_class);
    free(qmp->error_desc);
    free(qmp->socket_path);
    free(qmp);
}

bool xls_qmp_dead(const struct xls_qmp *qmp)
{
    return qmp && qmp->dead;
}

uint64_t xls_qmp_last_us(const struct xls_qmp *qmp)
{
    return qmp->last_us;
}

unsigned xls_qmp_version(const struct xls_qmp *qmp)
{
    return qmp->version;
}
