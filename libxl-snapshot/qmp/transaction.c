/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/qmp.h"

void xls_qmp_transaction_add(struct xls_qmp_transaction *t, const char *type,
                             struct xls_json *data)
{
    struct xls_json *action = xls_json_object();

    xls_json_set_str(action, "type", type);
    xls_json_set(action, "data", data);
    if (!t->actions)
        t->actions = xls_json_array();
    xls_json_append(t->actions, action);
}

static struct xls_json *take_args(struct xls_qmp_transaction *t)
{
    struct xls_json *args = xls_json_object();

    xls_json_set(args, "actions",
                 t->actions ? t->actions : xls_json_array());
    t->actions = NULL;
    return args;
}

int xls_qmp_transaction_stage(struct xls_qmp *qmp,
                              struct xls_qmp_transaction *t,
                              unsigned timeout_ms)
{
    return xls_qmp_stage(qmp, "transaction", take_args(t), timeout_ms);
}

int xls_qmp_transaction_fire(struct xls_qmp *qmp, unsigned timeout_ms)
{
    return xls_qmp_fire(qmp, "transaction", timeout_ms, NULL);
}

void xls_qmp_transaction_dispose(struct xls_qmp_transaction *t)
{
    xls_json_free(t->actions);
    t->actions = NULL;
}
