/* SPDX-License-Identifier: LGPL-2.1-only */
/* Pull to every base and commit of every range, on a guest with its data. */
#include "qmp/job_support.h"

#define DEPTH 5

static void everything_is_pulled_up(void **state)
{
    libxl_disk_job job;

    (void)state;
    chain_start(1, DEPTH);
    assert_int_equal(phase_now(), LIBXL_DISK_JOB_PHASE_NONE);
    assert_int_equal(pull(NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    all_is_right(1);
    get_info(&job);
    assert_int_equal(job.num_unused, DEPTH - 1);
    assert_string_equal(job.path, host.disks[0].path);
    assert_int_equal(job.format, LIBXL_DISK_FORMAT_QCOW2);
    assert_false(job.pivotable);
    assert_int_equal(access(job.unused[0], F_OK), 0);
    libxl_disk_job_dispose(&job);
    assert_int_equal(host.pauses, DEPTH - 1);   /* the snapshots' */
}

static void pull_stops_at_each_base(void **state)
{
    int base;

    (void)state;
    for (base = 1; base < DEPTH - 1; base++) {
        char *path;

        chain_start(1, DEPTH);
        path = layer_path(base);
        assert_int_equal(pull(path, 0), 0);
        wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
        all_is_right(base + 1);
        free(path);
        host_teardown(NULL);
    }
}

/* Layers are numbered from below; the active one is DEPTH. */
static void commit_range(int top, int base)
{
    char *top_path = top == DEPTH ? NULL : layer_path(top);
    char *base_path = layer_path(base);
    libxl_disk_job job;
    int i;

    if (commit(top_path, base_path, 0))
        fail_msg("%d into %d: %s", top, base, vm_logged());
    host.holds_removed = 0;
    if (top == DEPTH) {
        wait_until(LIBXL_DISK_JOB_PHASE_READY);
        guest_writes(20, 0x77);
        assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    }
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    /* Freeing a file's blocks takes time, and QEMU's guest would wait. */
    assert_int_equal(host.holds_removed, top - base);
    guest_writes(21, 0x78);
    all_is_right(DEPTH - (top - base));
    get_info(&job);
    /* The layer's own name is gone: it bears the uppermost one's. */
    assert_int_equal(job.num_unused, top - base - 1);
    for (i = 0; i < job.num_unused; i++)
        assert_int_equal(access(job.unused[i], F_OK), 0);
    assert_int_equal(access(base_path, F_OK), -1);
    assert_string_equal(job.path, host.disks[0].path);
    libxl_disk_job_dispose(&job);
    free(top_path);
    free(base_path);
}

static void every_range_is_committed(void **state)
{
    int top, base;

    (void)state;
    for (top = 2; top <= DEPTH; top++)
        for (base = 1; base < top; base++) {
            chain_start(1, DEPTH);
            commit_range(top, base);
            host_teardown(NULL);
        }
}

/* QEMU has opened all layers but the active one by itself then. */
static void ranges_are_committed_after_a_restart(void **state)
{
    static const int ranges[][2] = { { DEPTH, 1 }, { DEPTH, DEPTH - 1 },
                                     { 4, 2 }, { 3, 1 }, { 2, 1 } };
    unsigned version;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        chain_start(1, DEPTH);
        host_reboot();
        version = xls_qmp_version(host.vm->qmp);
        if (version >= 9000000) {
            commit_range(ranges[i][0], ranges[i][1]);
        } else {
            char *top = layer_path(3), *base = layer_path(2);

            assert_int_equal(commit(top, base, 0),
                             ERROR_SNAPSHOT_DISK_UNSUPPORTED);
            assert_non_null(strstr(vm_logged(), "older than 9.0"));
            assert_int_equal(pull(base, 0), 0);
            wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
            all_is_right(3);
            i = sizeof(ranges) / sizeof(ranges[0]);
            free(top);
            free(base);
        }
        host_teardown(NULL);
    }
}

static void commit_into_a_raw_base_leaves_the_overlay(void **state)
{
    static const struct vm_disk raw = { .format = "raw" };
    libxl_disk_job job;
    char *over;

    (void)state;
    memset(written, 0, sizeof(written));
    host_start(vm_start(1, &raw));
    guest_writes(1, 1);
    assert_int_equal(snapshot(1), 0);
    over = layer_path(1);
    assert_string_equal(host.disks[0].path, over);
    guest_writes(2, 2);
    assert_int_equal(commit(NULL, NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    get_info(&job);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_COMPLETED);
    assert_int_equal(job.format, LIBXL_DISK_FORMAT_RAW);
    assert_int_equal(job.num_unused, 1);
    assert_string_equal(job.unused[0], over);
    assert_string_equal(host.disks[0].path, host.vm->disks[0].path);
    assert_int_equal(host.disks[0].format, LIBXL_DISK_FORMAT_RAW);
    libxl_disk_job_dispose(&job);
    guest_writes(3, 3);
    all_is_right(1);
    free(over);
}

/* Formats that have no backing files are at the bottom of chains all the same;
 * QEMU has opened that layer by itself. */
static void the_lowest_layer_may_be_of_any_format(void **state)
{
    static const char *const formats[] = { "raw", "vpc", "vdi", "vhdx", "vmdk",
                                           "qed", "qcow", "qcow2" };
    const char *dir = HOST_DIR "-images";
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        char *top = xls_asprintf("%s/top", dir), *mid, *base;
        const struct vm_disk disk = { .path = top };

        mid = xls_asprintf("%s/middle", dir);
        base = xls_asprintf("%s/base", dir);
        sh("mkdir -p '%s' && cd '%s' && "
           "qemu-img create -q -f %s base 8M && "
           "qemu-io -f %s -c 'write -q -P 1 0 64k' base && "
           "qemu-img create -q -f qcow2 -b '%s' -F %s middle 8M && "
           "qemu-io -f qcow2 -c 'write -q -P 2 64k 64k' middle && "
           "qemu-img create -q -f qcow2 -b '%s' -F qcow2 top 8M", dir, dir,
           formats[i], formats[i], base, formats[i], mid);
        host_start(vm_start(1, &disk));
        vm_write(host.vm, "xvda", 128 * KB, 64 * KB, 3);
        if (xls_qmp_version(host.vm->qmp) < 9000000) {
            assert_int_equal(commit_forced(mid),
                             ERROR_SNAPSHOT_DISK_UNSUPPORTED);
        } else {
            if (commit_forced(mid))
                fail_msg("%s: %s", formats[i], vm_logged());
            wait_until(LIBXL_DISK_JOB_PHASE_READY);
            if (do_abort(LIBXL_DISK_JOB_ABORT_PIVOT))
                fail_msg("%s: %s", formats[i], vm_logged());
        }
        assert_true(vm_holds(host.vm, "xvda", 0, 64 * KB, 1));
        assert_true(vm_holds(host.vm, "xvda", 64 * KB, 64 * KB, 2));
        assert_true(vm_holds(host.vm, "xvda", 128 * KB, 64 * KB, 3));
        /* What was opened by itself is not needed any more. */
        assert_int_equal(pull(NULL, 0), 0);
        wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
        assert_true(vm_holds(host.vm, "xvda", 0, 64 * KB, 1));
        host_teardown(NULL);
        sh("chattr -f -R -i '%s'; rm -r '%s'", dir, dir);
        free(top);
        free(mid);
        free(base);
    }
}

static int delete_layer(int number, libxl_snapshot_merge merge,
                        libxl_domain_snapshot_result *result)
{
    libxl_domain_snapshot_args args;
    int rc;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL,
             layer_path(number));
    args.disks->merge = merge;
    rc = host_call(libxl_domain_snapshot_delete(host_ctx, host.domid, &args,
                                                &host_how, result));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

/* The n-th query of the disk fails. False: there is none. */
static bool deleted_or_not(int number, libxl_snapshot_merge merge, int n)
{
    libxl_domain_snapshot_result result;
    bool failed;
    int rc;

    chain_start(1, 3);
    libxl_domain_snapshot_result_init(&result);
    host.unanswered = n;
    rc = delete_layer(number, merge, &result);
    failed = !host.unanswered;
    host.unanswered = 0;
    guest_writes(20, 0x77);
    if (result.num_disks != !rc)
        fail_msg("query %d: %d, and %d disks", n, rc, result.num_disks);
    if (!rc)
        assert_string_equal(result.disks[0].path, host.disks[0].path);
    if (rc == ERROR_SNAPSHOT_INCOMPLETE) {
        /* To be completed, or rolled back. */
        assert_int_equal(host_call(libxl_domain_snapshot_recover(
            host_ctx, host.domid, &host_how)), 0);
        guest_reads_its_data();
    } else {
        all_is_right(rc ? 3 : 2);
    }
    libxl_domain_snapshot_result_dispose(&result);
    host_teardown(NULL);
    return failed;
}

static void a_delete_that_failed_has_changed_nothing(void **state)
{
    int number, merge, n;

    (void)state;
    for (number = 1; number <= 2; number++)
        for (merge = LIBXL_SNAPSHOT_MERGE_FORWARD;
             merge <= LIBXL_SNAPSHOT_MERGE_BACKWARD; merge++) {
            for (n = 1; deleted_or_not(number, merge, n); n++)
                ;
            assert_true(n > 2);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_delete_that_failed_has_changed_nothing,
                                  host_teardown),
        cmocka_unit_test_teardown(everything_is_pulled_up, host_teardown),
        cmocka_unit_test_teardown(pull_stops_at_each_base, host_teardown),
        cmocka_unit_test_teardown(every_range_is_committed, host_teardown),
        cmocka_unit_test_teardown(ranges_are_committed_after_a_restart,
                                  host_teardown),
        cmocka_unit_test_teardown(the_lowest_layer_may_be_of_any_format,
                                  host_teardown),
        cmocka_unit_test_teardown(commit_into_a_raw_base_leaves_the_overlay,
                                  host_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
