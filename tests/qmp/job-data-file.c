/* SPDX-License-Identifier: LGPL-2.1-only */
/* qcow2 images that have their data in a file of its own. */
#include "qmp/job_support.h"

static const char dir[] = HOST_DIR "-data-file";

/* base has one, middle (where deep) and top are based on it. */
static void start(bool deep)
{
    char *top = xls_asprintf("%s/%s", dir, deep ? "top" : "base");
    const struct vm_disk disk = { .path = top };

    memset(written, 0, sizeof(written));
    sh("rm -rf '%s'; mkdir -p '%s' && cd '%s' && "
       "qemu-img create -q -f qcow2 -o data_file=%s/data base 16M && "
       "qemu-img create -q -f qcow2 -b %s/base -F qcow2 middle && "
       "qemu-img create -q -f qcow2 -b %s/middle -F qcow2 top", dir, dir, dir,
       dir, dir, dir);
    host_start(vm_start(1, &disk));
    guest_writes(1, 0x11);
    free(top);
}

static int teardown(void **state)
{
    host_teardown(state);
    sh("chattr -f -R -i '%s'; rm -rf '%s'", dir, dir);
    return 0;
}

static void refused(int rc)
{
    char *data = xls_asprintf("%s/data", dir);

    assert_int_equal(rc, ERROR_SNAPSHOT_DISK_UNSUPPORTED);
    if (!strstr(vm_logged(), data) || !strstr(vm_logged(), "qemu-img convert"))
        fail_msg("%s", vm_logged());
    vm_log_clear();
    free(data);
}

static int delete(const char *layer)
{
    libxl_domain_snapshot_args args;
    int rc;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL,
             xls_asprintf("%s/%s", dir, layer));
    rc = host_call(libxl_domain_snapshot_delete(host_ctx, host.domid, &args,
                                                &host_how, NULL));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static int copy(const char *target, bool shallow)
{
    libxl_disk_copy_args args = { .vdev = (char *)"xvda", .shallow = shallow,
                                  .target = (char *)target };

    return host_call(libxl_disk_copy(host_ctx, host.domid, &args, &host_how));
}

static void nothing_is_begun(bool deep)
{
    char *files = sh_output("ls '%s' | tr '\\n' ' '", dir);

    assert_string_equal(files, "base data middle top ");
    free(files);
    sh("test -z \"$(lsattr '%s' 2>/dev/null | cut -c5 | grep i)\"", dir);
    assert_int_equal(host.pauses, 0);
    guest_writes(2, deep ? 0x12 : 0x13);
    guest_reads_its_data();
}

static void they_are_refused_before_anything_is_done(void **state)
{
    char *target = xls_asprintf("%s/copy", dir);
    char *middle = xls_asprintf("%s/middle", dir);

    (void)state;
    start(false);
    refused(snapshot(1));
    nothing_is_begun(false);
    teardown(NULL);

    start(true);
    refused(snapshot(1));
    refused(delete("base"));
    refused(delete("middle"));
    refused(commit(NULL, NULL, 0));
    refused(commit(middle, NULL, 0));
    refused(pull(NULL, 0));
    refused(copy(target, true));
    nothing_is_begun(true);
    free(target);
    free(middle);
}

static void a_copy_of_all_is_the_way_out(void **state)
{
    char *target = xls_asprintf("%s/copy", dir);
    libxl_disk_job job;
    int deep;

    (void)state;
    for (deep = 0; deep < 2; deep++) {
        start(deep);
        if (copy(target, false))
            fail_msg("%s", vm_logged());
        pivots(&job);
        libxl_disk_job_dispose(&job);
        assert_string_equal(host.disks[0].path, target);
        guest_reads_its_data();
        if (snapshot(1))
            fail_msg("%s", vm_logged());
        guest_writes(3, 0x14);
        guest_reads_its_data();
        teardown(NULL);
    }
    free(target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(they_are_refused_before_anything_is_done,
                                  teardown),
        cmocka_unit_test_teardown(a_copy_of_all_is_the_way_out, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
