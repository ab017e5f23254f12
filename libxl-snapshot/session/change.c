/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/change.h"

bool xls_unanswered(int rc)
{
    return rc == ERROR_TIMEDOUT || rc == ERROR_SNAPSHOT_QMP;
}

int xls_op_doubt(struct xls_op *op, const char *what)
{
    if (!op->in_doubt)
        XLS_ERROR(&op->log, "%s: QEMU does not answer, so the outcome is not "
                  "known. All files of domain %s stay as they are; the next "
                  "snapshot command on it asks QEMU again, and completes this "
                  "or rolls it back", what, op->name);
    op->in_doubt = true;
    return ERROR_SNAPSHOT_INCOMPLETE;
}

int xls_op_ask(struct xls_op *op, const char *what, const char *command,
               struct xls_json *args, struct xls_json **ret)
{
    int tries, rc;

    for (tries = 0; ; tries++) {
        rc = xls_op_qmp(op);
        if (!rc)
            rc = xls_qmp_must(op->qmp, what, command,
                              args ? xls_json_copy(args) : NULL, XLS_QMP_FAST,
                              ret);
        if (!xls_unanswered(rc) || tries)
            break;
    }
    xls_json_free(args);
    return rc;
}

static int change(struct xls_op *op, const char *what, const char *command,
                  const struct xls_json *args, xls_done_f *done,
                  const char *name)
{
    enum xls_done is;
    int tries, rc, rc_qmp;

    rc = xls_op_qmp(op);
    for (tries = 0; !rc; tries++) {
        rc = xls_qmp_run(op->qmp, command, args ? xls_json_copy(args) : NULL,
                         XLS_QMP_SLOW, NULL);
        if (!xls_unanswered(rc))
            break;
        rc_qmp = xls_op_qmp(op);
        is = rc_qmp ? XLS_CANNOT_TELL : done ? done(op, name) : XLS_NOT_DONE;
        if (is == XLS_DONE)
            return 0;
        if (is == XLS_CANNOT_TELL || (!done && tries))
            return xls_op_doubt(op, what);
        if (!tries)
            rc = 0;
    }
    return rc;
}

int xls_op_try(struct xls_op *op, const char *what, const char *command,
               struct xls_json *args, xls_done_f *done, const char *name)
{
    int rc = change(op, what, command, args, done, name);

    xls_json_free(args);
    return rc;
}

int xls_op_change(struct xls_op *op, const char *what, const char *command,
                  struct xls_json *args, xls_done_f *done, const char *name)
{
    int rc = xls_op_try(op, what, command, args, done, name);

    if (rc == ERROR_SNAPSHOT_QEMU)
        XLS_ERROR(&op->log, "%s: %s", what, xls_qmp_error_desc(op->qmp));
    return rc;
}
