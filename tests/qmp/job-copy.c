/* SPDX-License-Identifier: LGPL-2.1-only */
/* Copies of a disk: their targets, their ends, and what is refused. */
#include "qmp/job_support.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static libxl_disk_copy_args args;

static int copy(const char *target)
{
    args.vdev = (char *)"xvda";
    args.target = (char *)target;
    return host_call(libxl_disk_copy(host_ctx, host.domid, &args, &host_how));
}

static char *in_images(const char *name)
{
    return xls_asprintf("%s/%s", host.images, name);
}

static void start(int depth)
{
    memset(&args, 0, sizeof(args));
    chain_start(1, depth);
}

static void expect(int rc, int expected, const char *says)
{
    if (rc != expected || !strstr(vm_logged(), says))
        fail_msg("%d, not %d with \"%s\": %s", rc, expected, says,
                 vm_logged());
    vm_log_clear();
}

static void pivots_to(const char *target, libxl_disk_format format)
{
    libxl_disk_job job;

    pivots(&job);
    assert_int_equal(job.format, format);
    assert_string_equal(job.path, target);
    libxl_disk_job_dispose(&job);
    assert_int_equal(host.disks[0].format, format);
    guest_writes(21, 0x78);
}

static void full_copies_end_the_chain(void **state)
{
    static const libxl_disk_format formats[] = {
        LIBXL_DISK_FORMAT_UNKNOWN, LIBXL_DISK_FORMAT_QCOW2,
        LIBXL_DISK_FORMAT_RAW };
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        libxl_disk_job job;
        char *target;

        start(3);
        target = in_images("target");
        args.format = formats[i];
        assert_int_equal(copy(target), 0);
        pivots_to(target, formats[i] == LIBXL_DISK_FORMAT_RAW
                              ? LIBXL_DISK_FORMAT_RAW
                              : LIBXL_DISK_FORMAT_QCOW2);
        all_is_right(1);
        get_info(&job);
        assert_int_equal(job.num_unused, 3);
        assert_string_equal(job.unused[0], host.vm->disks[0].path);
        libxl_disk_job_dispose(&job);
        host_reboot();
        guest_reads_its_data();
        free(target);
        host_teardown(NULL);
    }
}

static void a_shallow_copy_keeps_the_layers_below(void **state)
{
    libxl_disk_job job;
    char *target;

    (void)state;
    start(3);
    target = in_images("target");
    args.shallow = true;
    assert_int_equal(copy(target), 0);
    pivots_to(target, LIBXL_DISK_FORMAT_QCOW2);
    all_is_right(3);
    get_info(&job);
    assert_int_equal(job.num_unused, 1);
    libxl_disk_job_dispose(&job);
    /* And a snapshot on it is like any. */
    assert_int_equal(snapshot(8), 0);
    all_is_right(4);
    assert_int_equal(pull(NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    all_is_right(1);
    free(target);
}

static void the_copy_takes_over_the_path(void **state)
{
    char *target, *path;
    libxl_disk_job job;
    int shallow;

    (void)state;
    for (shallow = 0; shallow < 2; shallow++) {
        start(3);
        target = in_images("target");
        path = xls_strdup(host.disks[0].path);
        args.keep_path = true;
        args.shallow = shallow;
        assert_int_equal(copy(target), 0);
        pivots_to(path, LIBXL_DISK_FORMAT_QCOW2);
        all_is_right(shallow ? 3 : 1);
        assert_int_equal(access(target, F_OK), -1);
        get_info(&job);
        assert_int_equal(job.num_unused, shallow ? 0 : 2);
        libxl_disk_job_dispose(&job);
        host_reboot();
        guest_reads_its_data();
        free(target);
        free(path);
        host_teardown(NULL);
    }
}

static void a_copy_that_is_given_up_leaves_its_target(void **state)
{
    libxl_disk_job job;
    char *target;

    (void)state;
    start(2);
    target = in_images("target");
    args.speed = 1000;
    assert_int_equal(copy(target), 0);
    expect(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT),
           ERROR_SNAPSHOT_BLOCK_JOB_NOT_READY, "not ready");
    assert_int_equal(do_abort(0), 0);
    get_info(&job);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_CANCELLED);
    assert_false(job.target_complete);
    assert_string_equal(job.target, target);
    libxl_disk_job_dispose(&job);
    assert_int_equal(access(target, F_OK), 0);
    all_is_right(2);

    args.speed = 0;
    expect(copy(target), ERROR_SNAPSHOT_EXISTS, target);
    args.reuse_external = true;
    assert_int_equal(copy(target), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    guest_writes(20, 0x77);
    assert_int_equal(do_abort(0), 0);
    get_info(&job);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_CANCELLED);
    assert_true(job.target_complete);
    libxl_disk_job_dispose(&job);
    guest_writes(21, 0x78);
    all_is_right(2);
    /* All up to that moment, and not what came later. */
    assert_true(image_holds(target, "qcow2", 20 * BLOCK, BLOCK, 0x77));
    assert_true(image_holds(target, "qcow2", BLOCK, BLOCK, 0x11));
    assert_true(image_holds(target, "qcow2", 21 * BLOCK, BLOCK, 0));
    free(target);
}

static void targets_that_do_not_fit_are_refused(void **state)
{
    char *target, *one;

    (void)state;
    start(2);
    target = in_images("target");
    one = layer_path(1);
    expect(copy("relative"), ERROR_INVAL, "relative");
    expect(copy("nbd://host:port/x"), ERROR_INVAL, "nbd://host:port/x");
    expect(copy(NULL), ERROR_INVAL, "no target");
    expect(copy("/no/such/dir/x"), ERROR_SNAPSHOT_STORAGE, "/no/such/dir");
    expect(copy("/dev/null"), ERROR_INVAL, "/dev/null");
    expect(copy(one), ERROR_SNAPSHOT_CHAIN_SHARED, one);
    strcpy(host.other_disk, target);
    expect(copy(target), ERROR_SNAPSHOT_CHAIN_SHARED, "domain 3");
    host.other_disk[0] = '\0';
    args.format = LIBXL_DISK_FORMAT_VHD;
    expect(copy(target), ERROR_INVAL, "raw or qcow2");
    args.format = LIBXL_DISK_FORMAT_RAW;
    args.shallow = true;
    expect(copy(target), ERROR_INVAL, "shallow");
    args.shallow = false;
    args.keep_path = true;
    expect(copy(target), ERROR_INVAL, "own format");
    args.keep_path = false;
    args.reuse_external = true;
    expect(copy(target), ERROR_SNAPSHOT_STORAGE, target);
    sh("truncate -s 15M '%s'", target);
    expect(copy(target), ERROR_INVAL, "15728640");
    sh("truncate -s 17M '%s'", target);
    expect(copy(target), ERROR_INVAL, "17825792");
    args.format = LIBXL_DISK_FORMAT_QCOW2;
    sh("qemu-img create -q -f qcow2 '%s' 15M", target);
    expect(copy(target), ERROR_INVAL, "15728640");
    sh("qemu-img create -q -f qcow2 '%s' 17M", target);
    expect(copy(target), ERROR_INVAL, "17825792");
    args.reuse_external = false;
    expect(copy(target), ERROR_SNAPSHOT_EXISTS, target);
    assert_int_equal(phase_now(), LIBXL_DISK_JOB_PHASE_NONE);
    all_is_right(2);
    sh("rm '%s'", target);

    /* Empty files are as good as none, and no failure makes them more. */
    sh(": > '%s'", target);
    args.speed = UINT64_MAX;
    expect(copy(target), ERROR_INVAL, "bytes per second");
    sh("test ! -s '%s'", target);
    args.speed = 0;
    assert_int_equal(copy(target), 0);
    pivots_to(target, LIBXL_DISK_FORMAT_QCOW2);
    all_is_right(1);
    free(target);
    free(one);
}

/* A server with an export "disk" of this size, on a socket. */
static pid_t serve(const char *file, const char *size, const char *socket)
{
    pid_t pid;

    sh("rm -f '%s' '%s'; truncate -s %s '%s'", file, socket, size, file);
    pid = fork();
    assert_int_not_equal(pid, -1);
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("qemu-nbd", "qemu-nbd", "-k", socket, "-x", "disk", "-f", "raw",
               "-t", file, (char *)NULL);
        _exit(127);
    }
    sh("for i in $(seq 100); do test -S '%s' && exit; sleep 0.1; done; exit 1",
       socket);
    return pid;
}

static void end_server(pid_t pid)
{
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

static void copies_to_an_nbd_export(void **state)
{
    char *file, *socket, *uri;
    pid_t server;

    (void)state;
    start(2);
    file = in_images("exported");
    socket = in_images("nbd.sock");
    uri = xls_asprintf("nbd+unix:///disk?socket=%s", socket);
    server = serve(file, "15M", socket);
    expect(copy(uri), ERROR_INVAL, "15728640");
    end_server(server);
    server = serve(file, "17M", socket);
    expect(copy(uri), ERROR_INVAL, "17825792");
    args.format = LIBXL_DISK_FORMAT_QCOW2;
    expect(copy(uri), ERROR_INVAL, "not formatted");
    args.format = LIBXL_DISK_FORMAT_UNKNOWN;
    end_server(server);
    expect(copy(uri), ERROR_SNAPSHOT_QEMU, "opening the target");
    all_is_right(2);

    server = serve(file, "16M", socket);
    assert_int_equal(copy(uri), 0);
    pivots_to(uri, LIBXL_DISK_FORMAT_RAW);
    guest_reads_its_data();
    assert_string_equal(host.disks[0].path, uri);
    assert_true(image_holds(file, "raw", 20 * BLOCK, BLOCK, 0x77));

    /* And back. */
    args.format = LIBXL_DISK_FORMAT_QCOW2;
    free(file);
    file = in_images("back");
    assert_int_equal(copy(file), 0);
    pivots_to(file, LIBXL_DISK_FORMAT_QCOW2);
    all_is_right(1);
    end_server(server);
    free(file);
    free(socket);
    free(uri);
}

static void a_server_that_goes_fails_the_copy(void **state)
{
    char *file, *socket, *uri;
    libxl_disk_job job;
    pid_t server;

    (void)state;
    start(2);
    file = in_images("exported");
    socket = in_images("nbd.sock");
    uri = xls_asprintf("nbd+unix:///disk?socket=%s", socket);
    server = serve(file, "16M", socket);
    args.speed = 100 * KB;
    assert_int_equal(copy(uri), 0);
    assert_int_equal(phase_now(), LIBXL_DISK_JOB_PHASE_RUNNING);
    end_server(server);
    assert_int_equal(host_call(libxl_disk_job_set_speed(
                         host_ctx, host.domid, "xvda", 0, &host_how)), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_FAILED);
    get_info(&job);
    assert_non_null(job.error);
    libxl_disk_job_dispose(&job);
    all_is_right(2);
    free(file);
    free(socket);
    free(uri);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(full_copies_end_the_chain),
        TEST(a_shallow_copy_keeps_the_layers_below),
        TEST(the_copy_takes_over_the_path),
        TEST(a_copy_that_is_given_up_leaves_its_target),
        TEST(targets_that_do_not_fit_are_refused),
        TEST(copies_to_an_nbd_export),
        TEST(a_server_that_goes_fails_the_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
