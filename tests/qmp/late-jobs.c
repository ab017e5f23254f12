/* SPDX-License-Identifier: LGPL-2.1-only */
/* A block job is started, or ends by itself, and QEMU's monitor answers late, or
 * never. */
#include "qmp/late_jobs.h"

static const struct late_op starts[] = {
    { "pull", start, start_pull, NULL, finish, 1, DEPTH },
    { "commit of the active layer", start, start_commit, NULL, finish,
      DEPTH - 1, DEPTH },
    { "commit of a frozen layer", start, start_commit_of_frozen, NULL, finish,
      DEPTH - 1, DEPTH },
    { "copy, keep_path", start, start_copy_with_path, NULL, finish, 1, DEPTH },
};
static const struct late_op ends[] = {
    { "end of a pull", pull_ended, info, NULL, finish, 1, 1 },
    { "end of a commit", commit_ended, info, NULL, finish, DEPTH - 1,
      DEPTH - 1 },
};

static void each_command_that_starts_a_job(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        late_commands(&starts[i], 0);
}

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
        TEST(each_command_that_starts_a_job),
        TEST(each_command_that_ends_a_job),
    };

    return late_result(cmocka_run_group_tests(tests, NULL, NULL));
}
