/* SPDX-License-Identifier: LGPL-2.1-only */
/* Room for the memory file is known before the guest stops; where there is none
 * for a journal, nothing is done. */
#include "qmp/job_support.h"

#include <signal.h>
#include <sys/resource.h>

/* Named wrongly, the disk is found out after the room and before anything is
 * done. */
static int create(const char *memory_path, const char *vdev, bool ignore)
{
    libxl_domain_snapshot_args args;
    int rc;

    vm_log_clear();
    one_disk(&args, vdev, LIBXL_SNAPSHOT_METHOD_EXTERNAL,
             xls_asprintf("%s/new", host.images));
    args.memory = true;
    args.memory_path = xls_strdup(memory_path);
    args.ignore_room = ignore;
    rc = host_call(libxl_domain_snapshot_create(host_ctx, host.domid, &args,
                                                &host_how, NULL));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static void a_file_system_that_is_too_small_is_refused(void **state)
{
    const uint64_t petabyte = 1ull << 40;       /* in KiB */
    char *path;

    (void)state;
    chain_start(1, 1);
    path = xls_asprintf("%s/memory", host.images);
    host.memkb = petabyte;
    assert_int_equal(create(path, "xvda", false), ERROR_SNAPSHOT_STORAGE);
    assert_non_null(strstr(vm_logged(), host.images));
    assert_non_null(strstr(vm_logged(), "memory_path"));
    assert_non_null(strstr(vm_logged(), "ignore_room"));
    assert_int_equal(host.pauses, 0);
    sh("test -z \"$(ls '%s' | grep -e memory -e new)\"", host.images);
    sh("test -z \"$(ls '%s/lib/xlsnapshot' 2>/dev/null | grep json)\"",
       HOST_DIR);

    /* Asked to, it goes on; and where there is room. */
    assert_int_equal(create(path, "xvdz", true),
                     ERROR_SNAPSHOT_DISK_UNSUPPORTED);
    host.memkb = 1024;
    assert_int_equal(create(path, "xvdz", false),
                     ERROR_SNAPSHOT_DISK_UNSUPPORTED);
    free(path);
    assert_int_equal(create("/no/such/memory", "xvda", false),
                     ERROR_SNAPSHOT_STORAGE);
}

/* No file of this process can be written, as on a full file system. */
static void set_full(bool full)
{
    static struct rlimit before;
    struct rlimit none;

    if (full) {
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, full ? &none : &before), 0);
}

static void without_room_for_a_journal_nothing_is_left(void **state)
{
    char *layer;
    int rc[3];
    size_t i;

    (void)state;
    chain_start(1, 2);
    layer = layer_path(1);
    set_full(true);
    rc[0] = snapshot(2);
    rc[1] = pull(NULL, 0);
    rc[2] = commit(NULL, layer, 0);
    set_full(false);
    for (i = 0; i < 3; i++)
        assert_int_equal(rc[i], ERROR_SNAPSHOT_STORAGE);
    assert_int_equal(host.pauses, 1);       /* of chain_start */
    sh("test -z \"$(ls '%s/lib/xlsnapshot')\"", HOST_DIR);
    all_is_right(2);
    assert_int_equal(snapshot(2), 0);
    all_is_right(3);
    free(layer);
}

static void a_pivot_without_room_for_its_note_is_not_begun(void **state)
{
    libxl_disk_job job;
    char *layer;
    int rc;

    (void)state;
    chain_start(1, 3);
    layer = layer_path(1);
    assert_int_equal(commit(NULL, layer, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    set_full(true);
    rc = do_abort(LIBXL_DISK_JOB_ABORT_PIVOT);
    set_full(false);
    assert_int_equal(rc, ERROR_SNAPSHOT_STORAGE);
    assert_int_equal(phase_now(), LIBXL_DISK_JOB_PHASE_READY);
    /* The job writes it. */
    assert_false(is_protected(layer));
    pivots(&job);
    libxl_disk_job_dispose(&job);
    all_is_right(1);
    free(layer);
}

static void become_full(void)
{
    set_full(true);
}

/* The disk is on the other side, and that cannot be noted. */
static void a_pivot_that_cannot_be_noted_has_not_failed(void **state)
{
    libxl_disk_copy_args args = { .vdev = (char *)"xvda" };
    libxl_disk_job job;
    int rc;

    (void)state;
    chain_start(1, 1);
    args.target = xls_asprintf("%s/target", host.images);
    assert_int_equal(host_call(libxl_disk_copy(host_ctx, host.domid, &args,
                                               &host_how)), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    host.before = become_full;
    rc = do_abort(LIBXL_DISK_JOB_ABORT_PIVOT);
    set_full(false);
    assert_int_equal(rc, ERROR_SNAPSHOT_INCOMPLETE);
    assert_string_equal(host.disks[0].path, args.target);
    guest_writes(3, 3);
    get_info(&job);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_COMPLETED);
    assert_int_equal(job.num_unused, 1);
    libxl_disk_job_dispose(&job);
    all_is_right(1);
    free(args.target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(without_room_for_a_journal_nothing_is_left,
                                  host_teardown),
        cmocka_unit_test_teardown(
            a_pivot_without_room_for_its_note_is_not_begun, host_teardown),
        cmocka_unit_test_teardown(a_pivot_that_cannot_be_noted_has_not_failed,
                                  host_teardown),
        cmocka_unit_test_teardown(a_file_system_that_is_too_small_is_refused,
                                  host_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
