/* SPDX-License-Identifier: LGPL-2.1-only */
/* A disk moves with its whole chain: copies of the layers below, and a mirror of
 * the active one on top of them. */
#include "qmp/job_support.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define DEPTH 4

static libxl_disk_copy_args args;
static libxl_disk_copy_layer bases[DEPTH - 1];
static char *where;             /* directory of the copies */

static char *at(const char *name)
{
    return xls_asprintf("%s/%s", where, name);
}

/* In where, and in args, what a toolstack prepares: layer1 to layer3, each by a
 * relative name on the one before, and an empty top. */
static void prepare(void)
{
    int i;

    memset(&args, 0, sizeof(args));
    chain_start(1, DEPTH);
    where = xls_asprintf("%s/moved", host.images);
    sh("mkdir '%s'", where);
    for (i = 1; i < DEPTH; i++) {
        sh("cd '%s' && cp ../layer%d .", where, i);
        if (i > 1)
            sh("cd '%s' && qemu-img rebase -q -u -f qcow2 -b layer%d -F qcow2 "
               "layer%d", where, i - 1, i);
        bases[DEPTH - 1 - i] = (libxl_disk_copy_layer){
            .target = xls_asprintf("%s/layer%d", where, i),
            .format = LIBXL_DISK_FORMAT_QCOW2,
        };
    }
    sh("cd '%s' && qemu-img create -q -u -f qcow2 -b layer%d -F qcow2 top 16M",
       where, DEPTH - 1);
    args.vdev = (char *)"xvda";
    args.target = xls_asprintf("%s/top", where);
    args.format = LIBXL_DISK_FORMAT_QCOW2;
    args.shallow = args.reuse_external = true;
    args.base = bases;
    args.num_base = DEPTH - 1;
}

static int done(void **state)
{
    int i;

    for (i = 0; i < DEPTH - 1; i++) {
        free(bases[i].target);
        bases[i].target = NULL;
    }
    free(args.target);
    memset(&args, 0, sizeof(args));
    if (where)
        sh("chattr -f -i '%s'/* || true", where);
    free(where);
    where = NULL;
    return host_teardown(state);
}

static int copy(void)
{
    return host_call(libxl_disk_copy(host_ctx, host.domid, &args, &host_how));
}

static void refused(int expected, const char *says)
{
    int rc = copy();

    if (rc != expected || !strstr(vm_logged(), says))
        fail_msg("%d, not %d with \"%s\": %s", rc, expected, says,
                 vm_logged());
    vm_log_clear();
    all_is_right(DEPTH);
}

/* QEMU has nothing open in the directory of the copies. */
static void nothing_is_open(void)
{
    struct xls_json *nodes = vm_run(host.vm, "query-named-block-nodes", NULL);
    char *text = xls_json_print(nodes, false);

    if (strstr(text, "/moved/") || strstr(text, "nbd"))
        fail_msg("%s", text);
    free(text);
    xls_json_free(nodes);
}

static void moves(void)
{
    libxl_disk_job job;
    char *last = xls_asprintf("%s/layer1", host.images);
    char *first = xls_strdup(host.disks[0].path);

    if (copy())
        fail_msg("%s", vm_logged());
    pivots(&job);
    assert_string_equal(job.path, args.target);
    assert_int_equal(job.num_unused, DEPTH);
    assert_string_equal(job.unused[0], first);
    assert_string_equal(job.unused[DEPTH - 1], last);
    libxl_disk_job_dispose(&job);
    assert_string_equal(host.disks[0].path, args.target);
    guest_writes(21, 0x78);
    free(last);
    free(first);
}

static void to_files(void **state)
{
    char *sums[DEPTH], *path;
    int i;

    (void)state;
    prepare();
    for (i = 1; i < DEPTH; i++) {
        path = layer_path(i);
        sums[i] = image_sum(path, "qcow2");
        free(path);
        /* As the toolstack does with a frozen layer. */
        path = xls_asprintf("layer%d", i);
        sh("chattr -f +i '%s/%s' || chmod a-w '%s/%s'", where, path, where,
           path);
        free(path);
    }
    moves();
    all_is_right(DEPTH);
    /* The former chain is not open, and may go. */
    sh("chattr -f -i '%s'/layer*; rm '%s'/layer*", host.images, host.images);
    guest_reads_its_data();
    for (i = 1; i < DEPTH; i++) {
        char *name = xls_asprintf("layer%d", i), *sum;

        path = at(name);
        sum = image_sum(path, "qcow2");
        assert_string_equal(sum, sums[i]);
        free(sum);
        free(sums[i]);
        free(path);
        free(name);
    }
    /* On it, all goes on as on any. */
    assert_int_equal(snapshot(8), 0);
    guest_writes(3, 0x55);
    all_is_right(DEPTH + 1);
    host_reboot();
    all_is_right(DEPTH + 1);
    path = xls_asprintf("%s/layer1", where);
    assert_int_equal(pull(path, 0), 0);
    free(path);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    all_is_right(2);
}

static void given_up_nothing_stays_open(void **state)
{
    (void)state;
    prepare();
    assert_int_equal(copy(), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(0), 0);
    all_is_right(DEPTH);
    nothing_is_open();
    sh("cd '%s' && test $(qemu-img info --backing-chain top | grep -c ^image:) "
       "= %d", where, DEPTH);
}

static void chains_that_do_not_fit_are_refused(void **state)
{
    char *own, *text;

    (void)state;
    prepare();
    args.num_base--;
    refused(ERROR_SNAPSHOT_CHAIN_MISMATCH, "2 layers below it are named");
    args.num_base++;
    args.reuse_external = false;
    sh("mv '%s' '%s.x'", args.target, args.target);
    refused(ERROR_INVAL, "reuse_external");
    sh("mv '%s.x' '%s'", args.target, args.target);
    args.reuse_external = true;
    args.keep_path = true;
    refused(ERROR_INVAL, "keep_path");
    args.keep_path = false;
    bases[1].format = LIBXL_DISK_FORMAT_RAW;
    refused(ERROR_SNAPSHOT_CHAIN_MISMATCH, "of format raw");
    bases[1].format = LIBXL_DISK_FORMAT_QCOW2;
    text = bases[2].target;
    own = layer_path(1);
    bases[2].target = own;
    refused(ERROR_SNAPSHOT_CHAIN_SHARED, own);
    free(own);
    bases[2].target = own = at("none");
    refused(ERROR_SNAPSHOT_STORAGE, "none");
    bases[2].target = (char *)"nbd://localhost/x";
    refused(ERROR_INVAL, "NBD");
    bases[2].target = text;
    free(own);
    /* A header that leads elsewhere. */
    sh("cd '%s' && qemu-img rebase -q -u -f qcow2 -b ../layer1 -F qcow2 layer2",
       where);
    refused(ERROR_SNAPSHOT_CHAIN_MISMATCH, "layer2 is not based on");
    sh("cd '%s' && qemu-img rebase -q -u -f qcow2 -b layer1 -F qcow2 layer2 && "
       "qemu-img resize -q layer3 17M", where);
    refused(ERROR_INVAL, "17825792");
    nothing_is_open();
}

static pid_t serve(const char *socket)
{
    char *server = xls_asprintf("addr.type=unix,addr.path=%s", socket);
    const char *argv[4 + 4 * DEPTH] = { "qemu-storage-daemon", "--nbd-server",
                                        server };
    int n = 3, i;
    pid_t pid;

    for (i = 0; i < DEPTH; i++) {
        char *name = i ? xls_asprintf("layer%d", i) : xls_strdup("top");

        argv[n++] = "--blockdev";
        argv[n++] = xls_asprintf("driver=file,node-name=n%d,filename=%s/%s", i,
                                 where, name);
        argv[n++] = "--export";
        argv[n++] = xls_asprintf("type=nbd,id=e%d,node-name=n%d,name=%s,"
                                 "writable=on", i, i, name);
        free(name);
    }
    pid = fork();
    assert_int_not_equal(pid, -1);
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    while (n > 3)
        if (argv[--n][0] != '-')
            free((char *)argv[n]);
    free(server);
    sh("for i in $(seq 100); do test -S '%s' && exit; sleep 0.1; done; exit 1",
       socket);
    return pid;
}

static void to_exports_of_a_server(void **state)
{
    char *socket, *uri, *target;
    pid_t server;
    int i;

    (void)state;
    prepare();
    socket = xls_asprintf("%s/nbd.sock", host.images);
    sh("truncate -s 32M '%s/top'", where);
    server = serve(socket);
    for (i = 0; i < DEPTH - 1; i++) {
        free(bases[i].target);
        bases[i].target = xls_asprintf("nbd+unix:///layer%d?socket=%s",
                                       DEPTH - 1 - i, socket);
    }
    free(args.target);
    args.target = xls_asprintf("nbd+unix:///none?socket=%s", socket);
    uri = bases[1].target;
    refused(ERROR_SNAPSHOT_QEMU, "opening the target");
    nothing_is_open();
    free(args.target);
    args.target = xls_asprintf("nbd+unix:///top?socket=%s", socket);
    bases[1].target = (char *)"nbd+unix:///none?socket=/none";
    refused(ERROR_SNAPSHOT_QEMU, "opening the target");
    bases[1].target = uri;
    nothing_is_open();

    assert_int_equal(copy(), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(0), 0);
    all_is_right(DEPTH);
    nothing_is_open();

    moves();
    guest_reads_its_data();
    /* There the names are relative to the images' own directory. */
    sh("cd '%s' && test $(qemu-img info -U --backing-chain top | "
       "grep -c ^image:) = %d", where, DEPTH);

    /* And back, in one. */
    args = (libxl_disk_copy_args){ .vdev = (char *)"xvda", .target = args.target,
                                   .format = LIBXL_DISK_FORMAT_QCOW2 };
    target = args.target;
    args.target = xls_asprintf("%s/back", host.images);
    free(target);
    assert_int_equal(copy(), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    all_is_right(1);
    nothing_is_open();
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    free(socket);
}

#define TEST(name) cmocka_unit_test_teardown(name, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(to_files),
        TEST(given_up_nothing_stays_open),
        TEST(chains_that_do_not_fit_are_refused),
        TEST(to_exports_of_a_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
