/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * QEMU ends a job by writing a header. That is on the disk before a layer is
 * said to be unused: a power cut finds no header that names a removed image.
 */
#include "qmp/job_support.h"

#define DEPTH 4

static int delete_layer(int number, libxl_snapshot_merge merge)
{
    libxl_domain_snapshot_args args;
    int rc;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL, layer_path(number));
    args.disks->merge = merge;
    rc = host_call(libxl_domain_snapshot_delete(host_ctx, host.domid, &args,
                                                &host_how, NULL));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

/* number 0: the active layer. */
static void is_on_disk(int number)
{
    char *path = number ? layer_path(number) : xls_strdup(host.disks[0].path);

    if (!host_synced_after_job(path))
        fail_msg("the header of %s is not on the disk", path);
    free(path);
}

static void deleted_forward_into_the_active_layer(void **state)
{
    (void)state;
    chain_start(1, DEPTH);
    assert_int_equal(delete_layer(3, LIBXL_SNAPSHOT_MERGE_FORWARD), 0);
    is_on_disk(0);
}

static void deleted_forward_into_a_frozen_layer(void **state)
{
    (void)state;
    chain_start(1, DEPTH);
    assert_int_equal(delete_layer(1, LIBXL_SNAPSHOT_MERGE_FORWARD), 0);
    is_on_disk(2);
}

static void deleted_backward_below_the_active_layer(void **state)
{
    (void)state;
    chain_start(1, DEPTH);
    assert_int_equal(delete_layer(2, LIBXL_SNAPSHOT_MERGE_BACKWARD), 0);
    is_on_disk(0);
}

static void deleted_backward_below_a_frozen_layer(void **state)
{
    (void)state;
    chain_start(1, DEPTH);
    assert_int_equal(delete_layer(1, LIBXL_SNAPSHOT_MERGE_BACKWARD), 0);
    is_on_disk(3);
}

static void pulled(void **state)
{
    (void)state;
    chain_start(1, DEPTH);
    assert_int_equal(pull(NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    is_on_disk(0);
}

static void committed_below_the_active_layer(void **state)
{
    char *top, *base;

    (void)state;
    chain_start(1, DEPTH);
    top = layer_path(3);
    base = layer_path(1);
    assert_int_equal(commit(top, base, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    is_on_disk(0);
    free(top);
    free(base);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(deleted_forward_into_the_active_layer),
        TEST(deleted_forward_into_a_frozen_layer),
        TEST(deleted_backward_below_the_active_layer),
        TEST(deleted_backward_below_a_frozen_layer),
        TEST(pulled),
        TEST(committed_below_the_active_layer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
