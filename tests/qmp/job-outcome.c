/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A pivot is killed after each of its changes, and then the domain is started
 * anew, with another uuid: on the old image, on the copy, or on neither. What the
 * job is said to have become is what the disk shows.
 */
#include "qmp/job_support.h"

static char *copy_path(void)
{
    return xls_asprintf("%s/copy", host.images);
}

static void copy_ready(void)
{
    libxl_disk_copy_args args = {
        .vdev = (char *)"xvda", .format = LIBXL_DISK_FORMAT_QCOW2,
    };

    chain_start(1, 2);
    args.target = copy_path();
    if (host_call(libxl_disk_copy(host_ctx, host.domid, &args, &host_how)))
        fail_msg("%s", vm_logged());
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    free(args.target);
}

static void begin_pivot(void)
{
    libxl_disk_job_abort(host_ctx, host.domid, "xvda",
                         LIBXL_DISK_JOB_ABORT_PIVOT, &host_how, NULL);
}

static void starts_on(const char *path)
{
    snprintf(host.disks[0].path, sizeof(host.disks[0].path), "%s", path);
    sh("chattr -i '%s'", path);
    host_power_cycle();
    if (host_call(libxl_domain_snapshot_recover(host_ctx, host.domid,
                                                &host_how)))
        fail_msg("%s", vm_logged());
}

/* on_copy: the domain is started on it. */
static void each_pivot(bool on_copy)
{
    bool killed, noted, begun;
    libxl_disk_job job;
    char *path, *out;
    long n;

    for (n = 1, killed = true; killed; n++) {
        copy_ready();
        path = on_copy ? copy_path() : xls_strdup(host.disks[0].path);
        killed = host_killed_in(begin_pivot, n);
        out = sh_output("grep -l completed '%s'/lib/xlsnapshot/*.job || true",
                        HOST_DIR);
        noted = out[0] != '\0';
        free(out);
        out = sh_output("grep -l '\"pivoting\": *true' "
                        "'%s'/lib/xlsnapshot/*.job || true", HOST_DIR);
        begun = out[0] != '\0';
        free(out);
        starts_on(path);
        get_info(&job);
        if (job.phase != (on_copy && begun ? LIBXL_DISK_JOB_PHASE_COMPLETED
                                           : LIBXL_DISK_JOB_PHASE_LOST) &&
            !noted)
            fail_msg("change %ld: %s: %s", n,
                     libxl_disk_job_phase_to_string(job.phase),
                     job.error ? job.error : "");
        if (!noted && !on_copy)
            assert_null(strstr(job.error, "not known"));
        guest_reads_its_data();
        libxl_disk_job_dispose(&job);
        host_teardown(NULL);
        free(path);
    }
    assert_true(n > 4);
}

static void the_domain_is_started_on_the_copy(void **state)
{
    (void)state;
    each_pivot(true);
}

static void the_domain_is_started_on_the_old_image(void **state)
{
    (void)state;
    each_pivot(false);
}

/* Nobody may remove either side then. */
static void nothing_shows_the_outcome(void **state)
{
    libxl_disk_job job;
    char *other, *copy;
    uint32_t domid;

    (void)state;
    /* The first change is that the pivot is noted. */
    copy_ready();
    copy = copy_path();
    assert_true(host_killed_in(begin_pivot, 3));
    vm_kill(host.vm);
    domid = host.domid;
    host.domid = XLS_NO_DOMID;
    libxl_disk_job_init(&job);
    assert_int_equal(libxl_disk_job_info(host_ctx, domid, "xvda", &host_how,
                                         &job), 0);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_LOST);
    assert_non_null(strstr(job.error, "not known"));
    assert_int_equal(access(copy, F_OK), 0);
    libxl_disk_job_dispose(&job);

    /* The disk is another one by now. */
    host.domid = domid;
    other = xls_asprintf("%s/other", host.images);
    sh("qemu-img create -q -f qcow2 '%s' 16M", other);
    snprintf(host.disks[0].path, sizeof(host.disks[0].path), "%s", other);
    host_reboot();
    get_info(&job);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_LOST);
    assert_non_null(strstr(job.error, "not known"));
    assert_int_equal(access(copy, F_OK), 0);
    libxl_disk_job_dispose(&job);
    free(copy);
    free(other);
}

/* A domain that another uuid tells from the first one runs on what that one was
 * copied to, and the first one's disk stays its own. */
static void a_copy_that_became_another_domains_disk_proves_nothing(void **state)
{
    libxl_disk_job job;
    char *copy;

    (void)state;
    copy_ready();
    copy = copy_path();
    starts_on(copy);
    get_info(&job);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_LOST);
    assert_int_equal(job.num_unused, 0);
    libxl_disk_job_dispose(&job);
    free(copy);
}

/* The domain was made anew since the job ended. */
static void a_job_of_former_files_of_these_names_is_nobodys(void **state)
{
    libxl_disk_job job;

    (void)state;
    chain_start(1, 2);
    assert_int_equal(pull(NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    sh("cp '%s' '%s/again' && mv '%s/again' '%s'", host.disks[0].path,
       host.images, host.images, host.disks[0].path);
    host_power_cycle();
    get_info(&job);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_NONE);
    libxl_disk_job_dispose(&job);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_domain_is_started_on_the_copy),
        TEST(the_domain_is_started_on_the_old_image),
        TEST(nothing_shows_the_outcome),
        TEST(a_copy_that_became_another_domains_disk_proves_nothing),
        TEST(a_job_of_former_files_of_these_names_is_nobodys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
