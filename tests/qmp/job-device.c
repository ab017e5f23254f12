/* SPDX-License-Identifier: LGPL-2.1-only */
/* A disk on a block device that a link names, as /dev/VG/LV does. */
#include "qmp/job_support.h"

static char *device, *named;

/* false: this machine has no loop devices. */
static bool start(const char *format)
{
    struct vm_disk disk = { .format = format };
    char *dir = sh_output("mktemp -d /tmp/xls-device-XXXXXX");

    memset(written, 0, sizeof(written));
    named = xls_asprintf("%s/web1", dir);
    sh("truncate -s 16M '%s/file'", dir);
    device = sh_output("losetup -f --show '%s/file' 2>/dev/null || :", dir);
    if (!device[0]) {
        print_message("skipped: no loop device can be had\n");
        sh("rm -r '%s'", dir);
        free(dir);
        free(named);
        free(device);
        device = NULL;
        return false;
    }
    sh("ln -s '%s' '%s' && qemu-img create -q -f %s '%s' 8M", device, named,
       format, named);
    free(dir);
    disk.path = named;
    host_start(vm_start(1, &disk));
    return true;
}

static int stop(void **state)
{
    int ret = host_teardown(state);

    if (!device)
        return ret;
    sh("losetup -d '%s' && rm -r \"$(dirname '%s')\"", device, named);
    free(device);
    free(named);
    device = NULL;
    return ret;
}

static void the_header_names_it_as_configured(void **state)
{
    char *over, *backing;

    (void)state;
    if (!start("raw"))
        return;
    guest_writes(1, 1);
    if (snapshot(1))
        fail_msg("%s", vm_logged());
    over = layer_path(1);
    backing = sh_output("qemu-img info -U --output=json '%s' | sed -n "
                        "'s/.*\"full-backing-filename\": \"\\(.*\\)\",*/\\1/p'",
                        over);
    assert_string_equal(backing, named);
    guest_writes(2, 2);
    /* It can go on, and back. */
    assert_int_equal(snapshot(2), 0);
    assert_int_equal(pull(NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    guest_reads_its_data();
    free(backing);
    free(over);
}

static void its_path_is_not_taken_over(void **state)
{
    (void)state;
    if (!start("qcow2"))
        return;
    guest_writes(1, 1);
    assert_int_equal(snapshot(1), ERROR_INVAL);
    assert_non_null(strstr(vm_logged(), "block device"));
    sh("test \"$(readlink '%s')\" = '%s'", named, device);
}

#define TEST(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_header_names_it_as_configured),
        TEST(its_path_is_not_taken_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
