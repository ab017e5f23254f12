/* SPDX-License-Identifier: LGPL-2.1-only */
/* An overlay, or the target of a copy, that the toolstack prepared: it has to
 * be one of this disk, with nothing in it, and nobody else's. */
#include "qmp/job_support.h"

static char *overlay;

static void start(void)
{
    memset(written, 0, sizeof(written));
    host_start(vm_start(1, NULL));
    overlay = layer_path(1);
    guest_writes(1, 1);
    guest_writes(2, 2);
}

static void end(void)
{
    free(overlay);
    host_teardown(NULL);
}

static int snapshot_on_prepared(void)
{
    libxl_domain_snapshot_args args;
    int rc;

    vm_log_clear();
    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL,
             xls_strdup(overlay));
    args.disks->reuse_external = true;
    rc = host_call(libxl_domain_snapshot_create(host_ctx, host.domid, &args,
                                                &host_how, NULL));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static void make(const char *size, const char *options)
{
    sh("cd '%s' && qemu-img create -q -f qcow2 -u %s '%s' %s", host.images,
       options, overlay, size);
}

static void refused(int rc, const char *says)
{
    char *before = sh_output("sha256sum '%s'", overlay), *after;
    int got = snapshot_on_prepared();

    if (got != rc || !strstr(vm_logged(), says))
        fail_msg("%d, not %d with \"%s\": %s", got, rc, says, vm_logged());
    after = sh_output("sha256sum '%s'", overlay);
    assert_string_equal(before, after);
    assert_int_equal(host.pauses, 0);
    all_is_right(1);
    free(before);
    free(after);
}

static void what_is_no_overlay_of_the_disk_is_refused(void **state)
{
    (void)state;
    start();
    sh("truncate -s 16M '%s'", overlay);
    refused(ERROR_SNAPSHOT_IMAGE_CORRUPT, "no image of format qcow2");
    make("16M", "");
    refused(ERROR_INVAL, "none");
    sh("qemu-img create -q -f qcow2 '%s/other' 16M", host.images);
    make("16M", "-b other -F qcow2");
    refused(ERROR_INVAL, "other");
    make("16M", "-b xvda.qcow2 -F raw");
    refused(ERROR_INVAL, "raw");
    make("8M", "-b xvda.qcow2 -F qcow2");
    refused(ERROR_INVAL, "8388608");
    make("32M", "-b xvda.qcow2 -F qcow2");
    refused(ERROR_INVAL, "33554432");
    end();
}

static void what_has_data_in_it_is_refused(void **state)
{
    (void)state;
    start();
    make("16M", "-b xvda.qcow2 -F qcow2");
    sh("cd '%s' && qemu-io -f qcow2 -c 'write -P 9 64k 64k' '%s' >/dev/null",
       host.images, overlay);
    refused(ERROR_INVAL, "holds data");
    end();
}

static void what_another_domain_uses_is_refused(void **state)
{
    (void)state;
    start();
    make("16M", "-b xvda.qcow2 -F qcow2");
    strcpy(host.other_disk, overlay);
    refused(ERROR_SNAPSHOT_CHAIN_SHARED, "domain 3");
    end();
}

static void is_used(const char *backing)
{
    char *options = xls_asprintf("-b '%s' -F qcow2", backing);

    make("16M", options);
    if (snapshot_on_prepared())
        fail_msg("%s", vm_logged());
    guest_writes(2, 3);
    assert_string_equal(host.disks[0].path, overlay);
    guest_reads_its_data();
    host_reboot();
    all_is_right(2);
    free(options);
}

static void an_overlay_of_the_disk_is_used(void **state)
{
    char *path;

    (void)state;
    start();
    path = xls_strdup(host.disks[0].path);
    is_used(path);
    free(path);
    end();
    start();
    is_used("./xvda.qcow2");
    end();
}

static int copies_to_prepared(bool shallow)
{
    libxl_disk_copy_args args = {
        .vdev = (char *)"xvda", .target = overlay, .shallow = shallow,
        .format = LIBXL_DISK_FORMAT_QCOW2, .reuse_external = true };

    vm_log_clear();
    return host_call(libxl_disk_copy(host_ctx, host.domid, &args, &host_how));
}

static void is_no_target(bool shallow, const char *says)
{
    int rc = copies_to_prepared(shallow);

    if (rc != ERROR_INVAL || !strstr(vm_logged(), says))
        fail_msg("%d, not with \"%s\": %s", rc, says, vm_logged());
    all_is_right(2);
}

static void a_copy_goes_to_no_other_image(void **state)
{
    libxl_disk_job job;

    (void)state;
    chain_start(1, 2);
    overlay = layer_path(9);
    make("16M", "-b layer1 -F qcow2");
    is_no_target(false, "layer1");
    sh("cd '%s' && qemu-io -f qcow2 -c 'write -P 9 1M 64k' '%s' >/dev/null",
       host.images, overlay);
    is_no_target(true, "holds data");
    make("16M", "");
    is_no_target(true, "none");
    sh("qemu-img create -q -f qcow2 '%s/other' 16M", host.images);
    make("16M", "-b other -F qcow2");
    is_no_target(true, "other");

    make("16M", "-b layer1 -F qcow2");
    assert_int_equal(copies_to_prepared(true), 0);
    pivots(&job);
    libxl_disk_job_dispose(&job);
    assert_string_equal(host.disks[0].path, overlay);
    host_reboot();
    guest_reads_its_data();
    end();
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_overlay_of_the_disk_is_refused),
        TEST(what_has_data_in_it_is_refused),
        TEST(what_another_domain_uses_is_refused),
        TEST(an_overlay_of_the_disk_is_used),
        TEST(a_copy_goes_to_no_other_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
