/* SPDX-License-Identifier: LGPL-2.1-only */
/* The data of a deleted layer goes up. */
#include "qmp/late_delete.h"

static const struct late_op ops[] = {
    { "delete forward into the active layer", start, forward_into_active,
      is_as_said, NULL, DEPTH - 1, DEPTH },
    { "delete forward into a frozen layer", start, forward_into_frozen,
      is_as_said, NULL, DEPTH - 1, DEPTH },
};

static void each_command_of_delete_forward(void **state)
{
    (void)state;
    late_commands(&ops[0], 0);
    late_commands(&ops[1], 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_command_of_delete_forward),
    };

    return late_result(cmocka_run_group_tests(tests, NULL, NULL));
}
