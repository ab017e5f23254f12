/* SPDX-License-Identifier: LGPL-2.1-only */
/* The data above a deleted layer goes down into it. */
#include "qmp/late_delete.h"

static const struct late_op ops[] = {
    { "delete backward of the active layer", start, backward_of_active,
      is_as_said, NULL, DEPTH - 1, DEPTH },
    { "delete backward of a frozen layer", start, backward_of_frozen,
      is_as_said, NULL, DEPTH - 1, DEPTH },
};

static void each_command_of_delete_backward(void **state)
{
    (void)state;
    late_commands(&ops[0], 0);
    late_commands(&ops[1], 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_command_of_delete_backward),
    };

    return late_result(cmocka_run_group_tests(tests, NULL, NULL));
}
