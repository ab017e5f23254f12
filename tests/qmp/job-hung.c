/* SPDX-License-Identifier: LGPL-2.1-only */
/* QEMU is there, but serves nobody, or is gone while its domain is not: a command
 * gives up in time, and the next one after QEMU has gone on does what is left. */
#include "qmp/job_support.h"

#include <signal.h>
#include <sys/wait.h>

/* How long a command may take, of which the library's own waits are a small
 * part. */
#define LIMIT_S 30

static int recover(void)
{
    return libxl_domain_snapshot_recover(host_ctx, host.domid, &host_how);
}

static void create(void)
{
    snapshot(1);
}

static int wait_for_job(void)
{
    libxl_disk_job job;
    int rc;

    libxl_disk_job_init(&job);
    rc = libxl_disk_job_wait(host_ctx, host.domid, "xvda", &host_how, &job);
    if (!rc && job.phase == LIBXL_DISK_JOB_PHASE_LOST)
        rc = ERROR_SNAPSHOT_INCOMPLETE;
    libxl_disk_job_dispose(&job);
    return rc;
}

/* False: it had to be ended. */
static bool gives_up(int (*f)(void))
{
    int status, tenths;
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (!pid)
        _exit(f() == ERROR_SNAPSHOT_INCOMPLETE ? 0 : 1);
    for (tenths = 0; !waitpid(pid, &status, WNOHANG); tenths++) {
        if (tenths == 10 * LIMIT_S) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return false;
        }
        usleep(100000);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    return true;
}

/* Nobody accepts the clients that have given up, and QEMU's socket has room for
 * few of them. */
static void a_command_does_not_wait_for_a_hung_qemu(void **state)
{
    bool in_time = true;
    int i;

    (void)state;
    chain_start(1, 1);
    /* It has a journal by then. */
    assert_true(host_killed_in(create, 3));
    host_away();
    assert_int_equal(kill(host.vm->pid, SIGSTOP), 0);
    host.patience_ms = 200;
    for (i = 0; i < 3 && in_time; i++)
        in_time = gives_up(recover);
    host.patience_ms = 0;
    assert_int_equal(kill(host.vm->pid, SIGCONT), 0);
    assert_true(in_time);
    assert_int_equal(recover(), 0);
    host_back(0);
    all_is_right(1);
}

/* Nothing shows whether it had come to its end. */
static void nobody_waits_for_the_job_of_a_qemu_that_is_gone(void **state)
{
    int pass;

    (void)state;
    for (pass = 0; pass < 2; pass++) {
        chain_start(1, 3);
        if (pass)
            assert_int_equal(commit(NULL, NULL, 1000), 0);
        else
            assert_int_equal(pull(NULL, 1000), 0);
        host_away();
        vm_kill(host.vm);
        assert_true(gives_up(wait_for_job));
        host_power_cycle();
        assert_int_equal(host_call(recover()), 0);
        all_is_right(3);
        host_teardown(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_command_does_not_wait_for_a_hung_qemu,
                                  host_teardown),
        cmocka_unit_test_teardown(
            nobody_waits_for_the_job_of_a_qemu_that_is_gone, host_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
