/* SPDX-License-Identifier: LGPL-2.1-only */
/* What another domain has anywhere in a chain is not written or replaced. */
#include "qmp/job_support.h"

static void __attribute__((format(printf, 1, 2)))
run_img(const char *format, ...)
{
    char *args, *line;
    va_list al;

    va_start(al, format);
    assert_true(vasprintf(&args, format, al) >= 0);
    va_end(al);
    line = xls_asprintf("cd '%s' && qemu-img %s", host.images, args);
    sh("%s", line);
    free(line);
    free(args);
}

/* The disk of another domain: its overlay is named. */
static void other_has(const char *file)
{
    snprintf(host.other_disk, sizeof(host.other_disk), "%s/%s", host.images,
             file);
}

static void is_shared(int rc, const char *path, const char *who)
{
    assert_int_equal(rc, ERROR_SNAPSHOT_CHAIN_SHARED);
    if (!strstr(vm_logged(), path) || !strstr(vm_logged(), who))
        fail_msg("%s and %s are not named: %s", path, who, vm_logged());
}

static void nothing_goes_into(int number)
{
    char *path = layer_path(number);

    is_shared(commit(NULL, path, 0), path, "domain 3");
    assert_true(is_protected(path));
    free(path);
}

static void a_layer_below_anothers_overlays_is_not_written(void **state)
{
    (void)state;
    chain_start(1, 3);
    run_img("create -q -f qcow2 -b layer1 -F qcow2 mid.qcow2");
    run_img("create -q -f qcow2 -b '%s/mid.qcow2' -F qcow2 clone.qcow2",
            host.images);
    other_has("clone.qcow2");
    nothing_goes_into(1);
    /* Under another name, too. */
    sh("cd '%s' && chattr -i layer1 && ln layer1 hard && ln -s hard soft && "
       "chattr +i layer1", host.images);
    run_img("rebase -q -u -f qcow2 -b soft -F qcow2 mid.qcow2");
    nothing_goes_into(1);
    /* A layer that is not below it is free. */
    strcpy(host.other_disk, "");
    assert_int_equal(commit(NULL, NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    all_is_right(2);
}

static void a_domain_that_only_xenstore_knows_counts(void **state)
{
    (void)state;
    chain_start(1, 3);
    run_img("create -q -f qcow2 -b layer1 -F qcow2 clone.qcow2");
    other_has("clone.qcow2");
    host.other_unrecorded = true;
    nothing_goes_into(1);
    all_is_right(3);
}

/* Its image is named, and nothing has begun. */
static void is_unknown(void)
{
    is_shared(commit(NULL, NULL, 0), "clone.qcow2", "cannot find out");
}

static void what_cannot_be_examined_may_use_anything(void **state)
{
    (void)state;
    chain_start(1, 3);
    run_img("create -q -f qcow2 -b layer1 -F qcow2 clone.qcow2");
    other_has("clone.qcow2");
    sh("cd '%s' && truncate -s 40 clone.qcow2", host.images);
    is_unknown();
    sh("cd '%s' && rm clone.qcow2", host.images);
    is_unknown();
    run_img("create -q -f qcow2 -u -b gone -F qcow2 clone.qcow2 1M");
    is_unknown();
    run_img("create -q -f qcow2 -u -b clone.qcow2 -F qcow2 round.qcow2 1M");
    run_img("rebase -q -u -f qcow2 -b round.qcow2 -F qcow2 clone.qcow2");
    is_unknown();
    /* In xenstore, a path with a colon is no path any more. */
    run_img("create -q -f qcow2 ./a:b.qcow2 1M");
    other_has("a:b.qcow2");
    assert_int_equal(commit(NULL, NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(0), 0);
    strcpy(host.other_disk, "resource0");
    is_shared(commit(NULL, NULL, 0), "resource0", "cannot find out");
    host.other_script = "block-drbd";
    assert_int_equal(commit(NULL, NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(0), 0);
    host.other_script = NULL;
    other_has("clone.qcow2");
    /* One that is elsewhere uses no file here. */
    run_img("rebase -q -u -f qcow2 -b nbd://localhost:1/x -F raw clone.qcow2");
    assert_int_equal(commit(NULL, NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(0), 0);
    all_is_right(3);
}

static void a_copy_does_not_go_to_what_is_below_anothers_disk(void **state)
{
    libxl_disk_copy_args args;

    (void)state;
    chain_start(1, 2);
    run_img("create -q -f qcow2 base 8M");
    run_img("create -q -f qcow2 -b base -F qcow2 clone.qcow2");
    other_has("clone.qcow2");
    libxl_disk_copy_args_init(&args);
    args.vdev = xls_strdup("xvda");
    args.target = xls_asprintf("%s/base", host.images);
    args.reuse_external = true;
    is_shared(host_call(libxl_disk_copy(host_ctx, host.domid, &args,
                                        &host_how)), args.target, "domain 3");
    libxl_disk_copy_args_dispose(&args);
    all_is_right(2);
}

/* It was started since the job began. */
static void a_pivot_does_not_replace_what_another_has(void **state)
{
    (void)state;
    chain_start(1, 3);
    assert_int_equal(commit(NULL, NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    guest_writes(20, 0x77);
    run_img("create -q -f qcow2 -u -b layer2 -F qcow2 clone.qcow2 1M");
    other_has("clone.qcow2");
    is_shared(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), "layer2", "domain 3");
    guest_writes(21, 0x78);
    guest_reads_its_data();
    strcpy(host.other_disk, "");
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    guest_writes(22, 0x79);
    all_is_right(2);
}

/* Two domains with one disk, by another name: freezing it would end the other
 * one's writes. */
static void what_another_writes_is_not_frozen(void **state)
{
    char *layer = layer_path(1);

    (void)state;
    chain_start(1, 1);
    sh("ln -s '%s' '%s/shared'", host.disks[0].path, host.images);
    other_has("shared");
    is_shared(snapshot(1), host.disks[0].path, "domain 3");
    assert_false(is_protected(host.disks[0].path));
    assert_int_equal(access(layer, F_OK), -1);
    strcpy(host.other_disk, "");
    assert_int_equal(snapshot(1), 0);
    guest_writes(22, 0x79);
    all_is_right(2);
    free(layer);
}

/* The disk becomes a clone of a golden image, which nobody else has open. */
static void a_golden_image_is_only_written_by_force(void **state)
{
    struct vm_disk disk = { .format = "qcow2" };
    char *golden, *before, *sum;

    (void)state;
    memset(written, 0, sizeof(written));
    golden = xls_strdup("/tmp/xls-golden-XXXXXX");
    close(mkstemp(golden));
    sh("qemu-img create -q -f qcow2 '%s' 8M && "
       "qemu-img create -q -f qcow2 -b '%s' -F qcow2 '%s.clone' && "
       "chattr +i '%s'", golden, golden, golden, golden);
    disk.path = xls_asprintf("%s.clone", golden);
    host_start(vm_start(1, &disk));
    before = xls_asprintf("sha256sum '%s' > '%s.sum'", golden, golden);
    sum = xls_asprintf("sha256sum --quiet -c '%s.sum'", golden);
    sh("%s", before);
    guest_writes(1, 1);
    is_shared(commit(NULL, NULL, 0), golden, "force");
    is_shared(commit(NULL, golden, 0), golden, "force");
    assert_int_equal(commit_forced(NULL), ERROR_INVAL);
    /* What an administrator protected stays so. */
    assert_int_equal(commit_forced(golden), ERROR_SNAPSHOT_STORAGE);
    assert_true(is_protected(golden));
    sh("%s", sum);
    sh("chattr -i '%s'", golden);
    /* Before 9.0, QEMU cannot commit into what it opened by itself. */
    if (xls_qmp_version(host.vm->qmp) < 9000000) {
        assert_int_equal(commit_forced(golden),
                         ERROR_SNAPSHOT_DISK_UNSUPPORTED);
    } else {
        assert_int_equal(commit_forced(golden), 0);
        wait_until(LIBXL_DISK_JOB_PHASE_READY);
        assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    }
    guest_reads_its_data();
    sh("rm -f '%s'*", golden);
    free((char *)disk.path);
    free(before);
    free(sum);
    free(golden);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_layer_below_anothers_overlays_is_not_written),
        TEST(a_domain_that_only_xenstore_knows_counts),
        TEST(what_cannot_be_examined_may_use_anything),
        TEST(a_copy_does_not_go_to_what_is_below_anothers_disk),
        TEST(a_pivot_does_not_replace_what_another_has),
        TEST(what_another_writes_is_not_frozen),
        TEST(a_golden_image_is_only_written_by_force),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
