/* SPDX-License-Identifier: LGPL-2.1-only */
/* QEMU names another file as a layer than the headers do: it has another one
 * open, or it was taken over and lies. */
#include "qmp/job_support.h"

#include <sys/xattr.h>

static char *over, *victim, *honest;

static char *in_dir(const char *name)
{
    return xls_asprintf("%s/%s", host.images, name);
}

/* The node of a new overlay, which by its header is based on that file. */
static void put_on_top(const char *named)
{
    sh("qemu-img create -q -f qcow2 -u -b '%s' -F qcow2 '%s' 16M", named,
       over);
    vm_do(host.vm, "blockdev-add",
          json("{'driver':'qcow2','node-name':'over','backing':null,"
               "'file':{'driver':'file','filename':'%s'}}", over));
    vm_do(host.vm, "blockdev-snapshot",
          json("{'node':'%s','overlay':'over'}",
               vm_top_node(host.vm, "xvda")));
    strcpy(host.disks[0].path, over);
}

/* The victim is protected, and marked as if it were a layer of ours. */
static void start_lying(int about)
{
    chain_start(1, 4);
    honest = layer_path(about);
    victim = in_dir("victim");
    over = xls_strdup(host.disks[0].path);
    sh("qemu-img create -q -f qcow2 '%s' 16M", victim);
    assert_int_equal(setxattr(victim, "trusted.xlsnapshot", "0644", 4, 0), 0);
    sh("sha256sum '%s' '%s' > '%s/sums' && chattr +i '%s'", victim, honest,
       host.images, victim);
    strcpy(host.lies_about, honest);
    strcpy(host.lie, victim);
}

static void nothing_happened(int rc)
{
    assert_int_equal(rc, ERROR_SNAPSHOT_CHAIN_MISMATCH);
    if (!strstr(vm_logged(), victim) || !strstr(vm_logged(), honest))
        fail_msg("not both are named: %s", vm_logged());
    assert_true(is_protected(victim));
    sh("sha256sum --quiet -c '%s/sums' && test -e '%s'", host.images, over);
}

static int delete(const char *layer, libxl_snapshot_merge merge)
{
    libxl_domain_snapshot_args args;
    int rc;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL, xls_strdup(layer));
    args.disks->merge = merge;
    rc = host_call(libxl_domain_snapshot_delete(host_ctx, host.domid, &args,
                                                &host_how, NULL));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static void no_file_that_only_qemu_names_is_touched(void **state)
{
    int about;

    (void)state;
    for (about = 1; about <= 3; about++) {
        start_lying(about);
        nothing_happened(commit(NULL, NULL, 0));
        nothing_happened(commit(NULL, victim, 0));
        nothing_happened(delete(victim, LIBXL_SNAPSHOT_MERGE_FORWARD));
        nothing_happened(delete(victim, LIBXL_SNAPSHOT_MERGE_BACKWARD));
        nothing_happened(pull(NULL, 0));
        nothing_happened(snapshot(5));
        host.lie[0] = '\0';
        all_is_right(4);
        free(over);
        free(victim);
        free(honest);
        host_teardown(NULL);
    }
}

/* The layer is named truly when the operation begins, and not when its plan is
 * made. */
static void the_first_answer_is_not_enough(void **state)
{
    (void)state;
    start_lying(2);
    host.truthful = 1;
    nothing_happened(delete(honest, LIBXL_SNAPSHOT_MERGE_BACKWARD));
    host.truthful = 1;
    nothing_happened(delete(honest, LIBXL_SNAPSHOT_MERGE_FORWARD));
    host.lie[0] = '\0';
    all_is_right(4);
    free(over);
    free(victim);
    free(honest);
}

static void below_what_is_elsewhere_no_file_is_known(void **state)
{
    (void)state;
    memset(written, 0, sizeof(written));
    host_start(vm_start(1, NULL));
    victim = xls_strdup(host.disks[0].path);
    over = in_dir("over.qcow2");
    put_on_top("nbd://localhost:1/x");
    assert_int_equal(commit(NULL, NULL, 0), ERROR_SNAPSHOT_CHAIN_MISMATCH);
    assert_non_null(strstr(vm_logged(), victim));
    assert_int_equal(snapshot(5), ERROR_SNAPSHOT_CHAIN_MISMATCH);
    free(over);
    free(victim);
}

/* A relative name, and other spellings of one file, are no lies. */
static void other_names_of_the_same_file_are_the_same(void **state)
{
    char *layer;

    (void)state;
    memset(written, 0, sizeof(written));
    host_start(vm_start(1, NULL));
    guest_writes(1, 1);
    over = in_dir("over.qcow2");
    victim = xls_strdup(host.disks[0].path);
    layer = in_dir("soft");
    sh("ln -s '%s' '%s'", victim, layer);
    put_on_top("./soft");
    guest_writes(2, 2);
    assert_int_equal(setxattr(victim, "trusted.xlsnapshot", "0644", 4, 0), 0);
    if (snapshot(5))
        fail_msg("%s", vm_logged());
    assert_int_equal(pull(NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    guest_reads_its_data();
    free(layer);
    free(over);
    free(victim);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_file_that_only_qemu_names_is_touched),
        TEST(the_first_answer_is_not_enough),
        TEST(below_what_is_elsewhere_no_file_is_known),
        TEST(other_names_of_the_same_file_are_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
