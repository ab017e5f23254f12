/* SPDX-License-Identifier: LGPL-2.1-only */
/* A snapshot is created, and QEMU's monitor answers late, or never. */
#include "qmp/late_support.h"

static void start(void)
{
    memset(written, 0, sizeof(written));
    host_start(vm_start(1, NULL));
    guest_writes(0, 1);
    guest_writes(1, 2);
}

static int create(libxl_snapshot_method method, bool keep_path)
{
    bool internal = method == LIBXL_SNAPSHOT_METHOD_INTERNAL;
    libxl_domain_snapshot_args args;
    int rc;

    one_disk(&args, "xvda", method, internal ? NULL : layer_path(1));
    if (internal)
        args.disks->name = xls_strdup("s1");
    args.disks->keep_path = keep_path;
    rc = libxl_domain_snapshot_create(host_ctx, host.domid, &args, &host_how,
                                      NULL);
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static int create_keeping_the_path(void)
{
    return create(LIBXL_SNAPSHOT_METHOD_EXTERNAL, true);
}

static int create_with_a_new_path(void)
{
    return create(LIBXL_SNAPSHOT_METHOD_EXTERNAL, false);
}

static int create_internal(void)
{
    return create(LIBXL_SNAPSHOT_METHOD_INTERNAL, false);
}

static void external_is_as_said(int rc)
{
    int depth = chain_depth();

    if (depth != (rc ? 1 : 2))
        fail_msg("%s: %d layers", late_what, depth);
}

static void internal_is_as_said(int rc)
{
    char *out = sh_output("qemu-img snapshot -U -l '%s' | grep -c s1 || true",
                          host.disks[0].path);

    if (strcmp(out, rc ? "0" : "1"))
        fail_msg("%s: %s internal snapshots", late_what, out);
    free(out);
}

static const struct late_op with_path = {
    "create, external, keep_path", start, create_keeping_the_path,
    external_is_as_said, NULL, 1, 2 };
static const struct late_op new_path = {
    "create, external", start, create_with_a_new_path, external_is_as_said,
    NULL, 1, 2 };
static const struct late_op internal = {
    "create, internal", start, create_internal, internal_is_as_said, NULL, 1,
    1 };

static void each_command_of_create_with_keep_path(void **state)
{
    (void)state;
    late_commands(&with_path, 0);
}

static void each_command_of_create_with_a_new_path(void **state)
{
    (void)state;
    late_commands(&new_path, 0);
}

static void each_command_of_create_internal(void **state)
{
    (void)state;
    late_commands(&internal, 0);
}

static void each_query_of_create(void **state)
{
    (void)state;
    late_queries(&with_path);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_command_of_create_with_keep_path),
        TEST(each_command_of_create_with_a_new_path),
        TEST(each_command_of_create_internal),
        TEST(each_query_of_create),
    };

    return late_result(cmocka_run_group_tests(tests, NULL, NULL));
}
