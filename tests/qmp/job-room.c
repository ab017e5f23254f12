/* SPDX-License-Identifier: LGPL-2.1-only */
/* Room for the memory file is known before the guest stops. */
#include "qmp/job_support.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_file_system_that_is_too_small_is_refused,
                                  host_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
