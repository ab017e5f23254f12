/* SPDX-License-Identifier: LGPL-2.1-only */
/* Chains of many layers. */
#include "qmp/job_support.h"

#define MANY 200

static const char dir[] = HOST_DIR "-deep";

static char *layer(int number)
{
    return xls_asprintf("%s/%d", dir, number);
}

/* Layers 1 to depth, each with a block of its own, on an empty image 0. */
static void start(int depth)
{
    char *top = layer(depth);
    const struct vm_disk disk = { .path = top };

    memset(written, 0, sizeof(written));
    sh("rm -rf '%s'; mkdir -p '%s' && cd '%s' && "
       "qemu-img create -q -f qcow2 0 16M && for n in $(seq %d); do "
       "qemu-img create -q -f qcow2 -b %s/$((n-1)) -F qcow2 $n || exit 1; "
       "done", dir, dir, dir, depth, dir);
    sh("cd '%s' && qemu-io -f qcow2 0 -c 'write -q -P 7 64k 64k' && "
       "qemu-io -f qcow2 %d -c 'write -q -P 8 128k 64k'", dir, depth / 2);
    written[1] = 7;
    written[2] = 8;
    host_start(vm_start(1, &disk));
    guest_writes(3, 9);
    free(top);
}

static int teardown(void **state)
{
    host_teardown(state);
    sh("chattr -f -R -i '%s'; rm -rf '%s'", dir, dir);
    return 0;
}

static int depth_now(void)
{
    libxl_disk_chain chain;
    int depth;

    vm_chain(host.vm, "xvda", &chain);
    vm_chain_agrees(&chain);
    depth = chain.num_layers;
    libxl_disk_chain_dispose(&chain);
    return depth;
}

static int call(bool create, const char *path, unsigned max_layers,
                libxl_snapshot_merge merge)
{
    libxl_domain_snapshot_args args;
    int rc;

    vm_log_clear();
    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL, xls_strdup(path));
    assert_int_equal(args.max_layers, 64);
    if (max_layers)
        args.max_layers = max_layers;
    args.disks->keep_path = create;
    args.disks->merge = merge;
    rc = host_call(create ? libxl_domain_snapshot_create(host_ctx, host.domid,
                                                         &args, &host_how, NULL)
                          : libxl_domain_snapshot_delete(host_ctx, host.domid,
                                                         &args, &host_how, NULL));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static void good(int rc)
{
    if (rc)
        fail_msg("%d: %s", rc, vm_logged());
}

static void create_refuses_in_time(void **state)
{
    char *new = layer(1000);

    (void)state;
    start(62);                              /* with the base, 63 layers */
    good(call(true, new, 0, 0));
    assert_int_equal(depth_now(), 64);
    free(new);
    new = layer(1001);
    assert_int_equal(call(true, new, 0, 0), ERROR_SNAPSHOT_DISK_UNSUPPORTED);
    assert_non_null(strstr(vm_logged(), "has 64 layers"));
    assert_non_null(strstr(vm_logged(), "max_layers"));
    assert_int_equal(call(true, new, 64, 0), ERROR_SNAPSHOT_DISK_UNSUPPORTED);
    assert_int_equal(access(new, F_OK), -1);
    assert_int_equal(depth_now(), 64);
    good(call(true, new, 65, 0));
    assert_int_equal(depth_now(), 65);
    guest_reads_its_data();
    free(new);
}

static void all_else_works_on_a_chain_of_any_depth(void **state)
{
    char *new = layer(1000), *low = layer(3), *middle = layer(MANY / 2),
         *base = layer(MANY - 10);

    (void)state;
    start(MANY);
    assert_int_equal(depth_now(), MANY + 1);
    good(call(true, new, 1000, 0));
    assert_int_equal(depth_now(), MANY + 2);
    guest_writes(4, 10);
    /* Down again, which is undo, and up. */
    good(call(false, new, 0, LIBXL_SNAPSHOT_MERGE_BACKWARD));
    assert_int_equal(depth_now(), MANY + 1);
    good(call(false, low, 0, LIBXL_SNAPSHOT_MERGE_FORWARD));
    assert_int_equal(depth_now(), MANY);
    good(pull(base, 0));
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    assert_int_equal(depth_now(), MANY - 9);
    good(pull(middle, 0));
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    assert_int_equal(depth_now(), MANY / 2 + 1);
    guest_writes(5, 11);
    guest_reads_its_data();
    free(new);
    free(low);
    free(middle);
    free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(create_refuses_in_time, teardown),
        cmocka_unit_test_teardown(all_else_works_on_a_chain_of_any_depth,
                                  teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
