/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_QMP_LATE_SUPPORT_H
#define XLS_TESTS_QMP_LATE_SUPPORT_H

/*
 * One operation of the library, with each of its messages to QEMU spoiled in each
 * way, once each, while the guest writes. For one program each, hence static.
 */
#include "common/files.h"
#include "diskimage/format.h"
#include "qmp/guest.h"
#include "qmp/job_support.h"
#include "qmp/proxy.h"

/* How long the library waits for a reply, milliseconds. */
#define LATE_PATIENCE_MS 300

struct late_op {
    const char *name;
    void (*start)(void);        /* a host with its disk */
    int (*run)(void);
    /* After it, with the result of run and QEMU to be asked; NULL: nothing
     * more. */
    void (*check)(int rc);
    /* What has been left to do is done by the next commands; NULL: recovery
     * alone. */
    void (*finish)(void);
    int min_depth, max_depth;   /* of the chain in the end */
};

static UNUSED char late_what[256];  /* the case, for messages */
static UNUSED int late_cases;

static UNUSED int chain_depth(void)
{
    struct xls_json *stats = vm_run(host.vm, "query-blockstats", NULL);
    const struct xls_json *s;
    int n = 0;

    for (s = xls_json_at(stats, 0); s; s = xls_json_get(s, "backing"))
        n++;
    xls_json_free(stats);
    return n;
}

/* What libxl has on record is what QEMU writes to. */
static UNUSED void records_are_true(const char *when)
{
    libxl_disk_chain chain;

    vm_chain(host.vm, "xvda", &chain);
    if (!xls_same_file(host.disks[0].path, chain.layers[0].filename))
        fail_msg("%s, %s: on record is %s, QEMU has %s", late_what, when,
                 host.disks[0].path, chain.layers[0].filename);
    libxl_disk_chain_dispose(&chain);
}

/* All that was flushed is in the images, by the name that is on record. */
static UNUSED void images_hold_what_was_written(void)
{
    const char *format = xls_format_driver(host.disks[0].format);
    int i;

    for (i = 0; i < BLOCKS; i++)
        if (!image_holds(host.disks[0].path, format, (uint64_t)i * BLOCK,
                         BLOCK, written[i]))
            fail_msg("%s: block %d of %s does not hold %d", late_what, i,
                     host.disks[0].path, written[i]);
}

static UNUSED void late_recover(void)
{
    if (host_call(libxl_domain_snapshot_recover(host_ctx, host.domid,
                                                &host_how)))
        fail_msg("%s: %s", late_what, vm_logged());
}

static UNUSED void late_verify(const struct late_op *op)
{
    int depth;

    guest_stop(&written[GUEST_FIRST]);
    depth = chain_depth();
    if (depth < op->min_depth || depth > op->max_depth)
        fail_msg("%s: %d layers", late_what, depth);
    records_are_true("at the end");
    all_is_right(depth);
    vm_kill(host.vm);
    images_hold_what_was_written();
}

/* False: the operation has no n-th message of the kind. */
static UNUSED bool late_case(const struct late_op *op, enum proxy_kind kind,
                             int n, enum proxy_fault fault)
{
    char command[64] = "";
    bool spoiled;
    int rc;

    snprintf(late_what, sizeof(late_what), "%s, %s %d, %s", op->name,
             kind == PROXY_QUERIES ? "query" : "command", n,
             proxy_fault_names[fault]);
    op->start();
    host_away();        /* nor do the two have its connection */
    host_proxy();
    guest_start(host.vm);
    vm_log_clear();
    proxy_spoil(kind, n, fault);
    host.patience_ms = LATE_PATIENCE_MS;
    rc = op->run();
    host.patience_ms = 0;
    spoiled = proxy_spoiled(command, sizeof(command));
    proxy_spoil(kind, 0, PROXY_NONE);
    snprintf(late_what, sizeof(late_what), "%s, %s %d (%s), %s, rc %d",
             op->name, kind == PROXY_QUERIES ? "query" : "command", n, command,
             proxy_fault_names[fault], rc);
    if (getenv("LATE_VERBOSE"))
        print_message("%s\n", late_what);
    guest_writes_on();
    if (host.paused)
        fail_msg("%s: the guest is left paused", late_what);
    host_back(0);
    if (rc != ERROR_SNAPSHOT_INCOMPLETE) {
        records_are_true("after it");
        if (op->check)
            op->check(rc);
    }
    vm_log_clear();
    if (op->finish)
        op->finish();
    late_recover();
    late_verify(op);
    late_cases += spoiled;
    host_teardown(NULL);
    return spoiled;
}

static UNUSED void late_count(const struct late_op *op, int before)
{
    print_message("%s: %d cases\n", op->name, late_cases - before);
    assert_true(late_cases > before);
}

/* Unspoiled, it does what it is to do: run gives rc. */
static UNUSED void late_works(const struct late_op *op, int rc)
{
    op->start();
    host_away();
    host_proxy();
    assert_int_equal(op->run(), rc);
    host_back(0);
    if (op->check)
        op->check(rc);
    host_teardown(NULL);
}

/* Each command in each way. To the library a late reply is one that was lost from
 * a QEMU that is slow to serve the next client: $LATE_ALL tries these, too. */
static UNUSED void late_commands_from(const struct late_op *op, int rc,
                                      enum proxy_fault first)
{
    int before = late_cases, n, fault;

    late_works(op, rc);
    for (fault = getenv("LATE_ALL") ? PROXY_CUT_BEFORE : first;
         fault < PROXY_FAULTS; fault++) {
        if ((fault == PROXY_LATE_REPLY || fault == PROXY_LONG_REPLY) &&
            !getenv("LATE_ALL"))
            continue;
        for (n = 1; late_case(op, PROXY_COMMANDS, n, fault); n++)
            ;
    }
    late_count(op, before);
}

static UNUSED void late_commands(const struct late_op *op, int rc)
{
    late_commands_from(op, rc, PROXY_CUT_BEFORE);
}

/* Each query, with a connection that breaks before the reply. */
static UNUSED void late_queries(const struct late_op *op)
{
    int before = late_cases, n;

    for (n = 1; late_case(op, PROXY_QUERIES, n, PROXY_CUT_AFTER); n++)
        ;
    late_count(op, before);
}

static UNUSED int late_result(int failed)
{
    print_message("late replies: %d cases\n", late_cases);
    return failed;
}

#endif
