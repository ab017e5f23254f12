/* SPDX-License-Identifier: LGPL-2.1-only */
/* A block job is pivoted or cancelled, and QEMU's monitor answers late, or
 * never. */
#include "qmp/late_jobs.h"

static const struct late_op ends[] = {
    { "pivot of a commit", commit_ready, pivot, NULL, finish, DEPTH - 1,
      DEPTH - 1 },
    { "pivot of a copy, keep_path", copy_ready, pivot, NULL, finish, 1, 1 },
    { "pivot of a copy", new_copy_ready, pivot, NULL, finish, 1, 1 },
    { "cancel of a commit", commit_ready, cancel, NULL, finish, DEPTH - 1,
      DEPTH },
};

static void each_command_that_ends_a_job(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        late_commands(&ends[i], 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_command_that_ends_a_job),
    };

    return late_result(cmocka_run_group_tests(tests, NULL, NULL));
}
