/* SPDX-License-Identifier: LGPL-2.1-only */
/* Snapshots inside the image of a running domain, beside those of others. */
#include "qmp/job_support.h"

static void other_makes(const char *name)
{
    vm_do(host.vm, "blockdev-snapshot-internal-sync",
          json("{'device':'%s','name':'%s'}", vm_top_node(host.vm, "xvda"),
               name));
}

static int call(bool create, const char *name)
{
    libxl_domain_snapshot_args args;
    int rc;

    vm_log_clear();
    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_INTERNAL, NULL);
    args.disks->name = xls_strdup(name);
    rc = host_call(create ? libxl_domain_snapshot_create(host_ctx, host.domid,
                                                         &args, &host_how, NULL)
                          : libxl_domain_snapshot_delete(host_ctx, host.domid,
                                                         &args, &host_how, NULL));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

/* "ID=name ..." */
static void holds(const char *expected)
{
    char *found = sh_output("qemu-img snapshot -U -l '%s' | awk 'NR > 2 "
                            "{ printf \"%%s=%%s \", $1, $2 }'",
                            vm_top_file(host.vm, "xvda"));

    assert_string_equal(found, expected);
    free(found);
}

static void the_snapshot_with_the_name_is_meant_not_the_one_with_the_id(
    void **state)
{
    (void)state;
    chain_start(1, 1);
    other_makes("3");
    other_makes("1");
    assert_int_equal(call(true, "2"), 0);
    holds("1=3 2=1 3=2 ");
    assert_int_equal(call(false, "2"), 0);
    holds("1=3 2=1 ");
    assert_int_equal(call(false, "2"), ERROR_SNAPSHOT_CHAIN_MISMATCH);
    assert_int_equal(call(false, "1"), 0);
    holds("1=3 ");
}

static void a_name_that_is_in_the_image_is_refused_and_free_when_it_is_gone(
    void **state)
{
    (void)state;
    chain_start(1, 1);
    other_makes("before");
    assert_int_equal(call(true, "before"), ERROR_SNAPSHOT_EXISTS);
    assert_non_null(strstr(vm_logged(), "\"before\" already"));
    /* Nothing was begun: the guest did not stand still for it. */
    assert_int_equal(host.pauses, 0);
    holds("1=before ");
    assert_int_equal(call(false, "before"), 0);
    assert_int_equal(call(true, "before"), 0);
    holds("1=before ");
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_snapshot_with_the_name_is_meant_not_the_one_with_the_id),
        TEST(a_name_that_is_in_the_image_is_refused_and_free_when_it_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
