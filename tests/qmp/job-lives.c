/* SPDX-License-Identifier: LGPL-2.1-only */
/* What becomes of block jobs whose process, QEMU or domain ends. */
#include "qmp/job_support.h"

/* Bytes per second at which no job of these tests comes to an end. */
#define SLOW 1000

static void begin_commit_of_active(void)
{
    libxl_disk_commit_args args = { .vdev = (char *)"xvda" };

    libxl_disk_commit(host_ctx, host.domid, &args, &host_how);
}

static void begin_commit_of_middle(void)
{
    char *top = layer_path(3), *base = layer_path(1);
    libxl_disk_commit_args args = { .vdev = (char *)"xvda", .top = top,
                                    .base = base };

    libxl_disk_commit(host_ctx, host.domid, &args, &host_how);
    free(top);
    free(base);
}

static void begin_pull(void)
{
    libxl_disk_pull_args args = { .vdev = (char *)"xvda" };

    libxl_disk_pull(host_ctx, host.domid, &args, &host_how);
}

static void begin_pivot(void)
{
    libxl_disk_job_abort(host_ctx, host.domid, "xvda",
                         LIBXL_DISK_JOB_ABORT_PIVOT, &host_how, NULL);
}

static void begin_info(void)
{
    libxl_disk_job job;

    libxl_disk_job_init(&job);
    libxl_disk_job_info(host_ctx, host.domid, "xvda", &host_how, &job);
}

/* Whatever a killed process left of a job: it can be waited for, or never came
 * about. */
static libxl_disk_job_phase comes_to_an_end(void)
{
    libxl_disk_job_phase phase;
    libxl_disk_job job;

    if (phase_now() == LIBXL_DISK_JOB_PHASE_NONE)
        return LIBXL_DISK_JOB_PHASE_NONE;
    libxl_disk_job_init(&job);
    if (host_call(libxl_disk_job_wait(host_ctx, host.domid, "xvda", &host_how,
                                      &job)))
        fail_msg("%s", vm_logged());
    phase = job.phase;
    libxl_disk_job_dispose(&job);
    if (phase != LIBXL_DISK_JOB_PHASE_READY)
        return phase;
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    return phase_now();
}

static void starting_is_killed(void (*begin)(void), int depth_after)
{
    bool done[LIBXL_DISK_JOB_PHASE_LOST + 1] = { false };
    libxl_disk_job_phase phase;
    bool killed;
    long n;

    for (n = 1, killed = true; killed; n++) {
        chain_start(1, 4);
        killed = host_killed_in(begin, n);
        phase = comes_to_an_end();
        done[phase] = true;
        all_is_right(phase == LIBXL_DISK_JOB_PHASE_COMPLETED ? depth_after
                                                             : 4);
        /* And nothing is in the way of the next one. */
        if (phase != LIBXL_DISK_JOB_PHASE_COMPLETED) {
            assert_int_equal(pull(NULL, 0), 0);
            wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
            all_is_right(1);
        }
        host_teardown(NULL);
    }
    assert_true(n > 3);
    assert_true(done[LIBXL_DISK_JOB_PHASE_COMPLETED]);
    assert_true(done[LIBXL_DISK_JOB_PHASE_FAILED]);
}

static void a_start_is_killed_after_each_change(void **state)
{
    (void)state;
    starting_is_killed(begin_pull, 1);
    starting_is_killed(begin_commit_of_middle, 2);
    starting_is_killed(begin_commit_of_active, 3);
}

static void a_pivot_is_killed_after_each_change(void **state)
{
    libxl_disk_job_phase phase;
    bool killed;
    long n;

    (void)state;
    for (n = 1, killed = true; killed; n++) {
        chain_start(1, 3);
        assert_int_equal(commit(NULL, NULL, 0), 0);
        wait_until(LIBXL_DISK_JOB_PHASE_READY);
        guest_writes(20, 0x20);
        /* The process's memory goes, and with it that it paused the guest; but
         * not the guest's state. */
        killed = host_killed_in(begin_pivot, n);
        host.paused = killed;
        phase = comes_to_an_end();
        assert_int_equal(phase, LIBXL_DISK_JOB_PHASE_COMPLETED);
        /* What the child did to the records is not seen here. */
        guest_writes(21, 0x21);
        if (!killed)
            break;
        host.paused = false;
        all_is_right(2);
        host_teardown(NULL);
    }
    assert_true(n > 6);
}

static void settling_is_killed_after_each_change(void **state)
{
    bool killed;
    long n;

    (void)state;
    for (n = 1, killed = true; killed; n++) {
        struct xls_json *jobs;

        chain_start(1, 4);
        host_away();
        begin_commit_of_middle();
        host_back(0);
        jobs = vm_run(host.vm, "query-jobs", NULL);
        vm_wait_job(host.vm, xls_json_get_str(xls_json_at(jobs, 0), "id"),
                    "concluded");
        xls_json_free(jobs);
        killed = host_killed_in(begin_info, n);
        wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
        all_is_right(2);
        host_teardown(NULL);
    }
    assert_true(n > 6);
}

static void a_reboot_under_a_job_is_told(void **state)
{
    static int (*const start[])(const char *, const char *, uint64_t) = {
        commit, commit };
    libxl_disk_job job;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(start) / sizeof(start[0]); i++) {
        char *two;

        chain_start(1, 3);
        two = layer_path(2);
        assert_int_equal(start[i](i ? two : NULL, NULL, SLOW), 0);
        host_reboot();
        get_info(&job);
        assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_LOST);
        assert_int_equal(job.type, LIBXL_DISK_JOB_TYPE_COMMIT);
        assert_non_null(strstr(job.error, "restarted"));
        assert_string_equal(job.path, host.disks[0].path);
        libxl_disk_job_dispose(&job);
        all_is_right(3);
        assert_int_equal(phase_now(), LIBXL_DISK_JOB_PHASE_LOST);
        assert_int_equal(pull(NULL, 0), 0);
        wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
        all_is_right(1);
        free(two);
        host_teardown(NULL);
    }
}

/* QEMU had done its part, and nobody had looked. */
static void a_reboot_after_a_pull_is_told(void **state)
{
    struct xls_json *jobs;
    libxl_disk_job job;

    (void)state;
    chain_start(1, 3);
    assert_int_equal(pull(NULL, 0), 0);
    jobs = vm_run(host.vm, "query-jobs", NULL);
    vm_wait_job(host.vm, xls_json_get_str(xls_json_at(jobs, 0), "id"),
                "pending");
    vm_do(host.vm, "job-finalize",
          json("{'id':'%s'}", xls_json_get_str(xls_json_at(jobs, 0), "id")));
    vm_wait_job(host.vm, xls_json_get_str(xls_json_at(jobs, 0), "id"),
                "concluded");
    xls_json_free(jobs);
    vm_write(host.vm, "xvda", 0, 0, 0);     /* and its flush */
    host_reboot();
    get_info(&job);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_COMPLETED);
    assert_int_equal(job.num_unused, 2);
    libxl_disk_job_dispose(&job);
    all_is_right(1);
}

/* All was copied, and QEMU ends without another flush of the guest's. */
static void what_was_pulled_is_on_disk_when_it_counts_as_done(void **state)
{
    (void)state;
    chain_start(1, 3);
    assert_int_equal(pull(NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    host_reboot();
    all_is_right(1);
}

static void qemu_or_the_domain_goes_under_a_job(void **state)
{
    uint32_t domid;
    libxl_disk_job job;
    char *two;

    (void)state;
    chain_start(1, 3);
    two = layer_path(2);
    assert_int_equal(commit(NULL, NULL, SLOW), 0);
    assert_false(is_protected(two));
    vm_kill(host.vm);
    get_info(&job);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_LOST);
    assert_non_null(strstr(job.error, "QEMU ended"));
    libxl_disk_job_dispose(&job);
    assert_true(is_protected(two));
    host_teardown(NULL);

    chain_start(1, 3);
    free(two);
    two = layer_path(2);
    assert_int_equal(commit(NULL, NULL, SLOW), 0);
    vm_kill(host.vm);
    domid = host.domid;
    host.domid = XLS_NO_DOMID;
    libxl_disk_job_init(&job);
    assert_int_equal(libxl_disk_job_info(host_ctx, domid, "xvda", &host_how,
                                         &job), 0);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_LOST);
    assert_non_null(strstr(job.error, "destroyed"));
    libxl_disk_job_dispose(&job);
    assert_true(is_protected(two));
    libxl_disk_job_init(&job);
    assert_int_equal(libxl_disk_job_info(host_ctx, 99, "xvda", &host_how,
                                         &job), ERROR_DOMAIN_NOTFOUND);
    free(two);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_start_is_killed_after_each_change),
        TEST(a_pivot_is_killed_after_each_change),
        TEST(settling_is_killed_after_each_change),
        TEST(a_reboot_under_a_job_is_told),
        TEST(a_reboot_after_a_pull_is_told),
        TEST(what_was_pulled_is_on_disk_when_it_counts_as_done),
        TEST(qemu_or_the_domain_goes_under_a_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
