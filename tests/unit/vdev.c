/* SPDX-License-Identifier: LGPL-2.1-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "block/vdev.h"

static void names_give_the_numbers_of_the_interface(void **state)
{
    static const struct {
        const char *name;
        int number;
    } cases[] = {
        { "xvda", 51712 }, { "xvda0", 51712 }, { "xvda1", 51713 },
        { "xvdb", 51728 }, { "xvdp15", 51967 }, { "xvdq", 268439552 },
        { "xvda16", 268435472 }, { "xvdaa", 268442112 },
        { "hda", 768 }, { "hdb", 832 }, { "hdc", 5632 }, { "hdd2", 5698 },
        { "sda", 2048 }, { "sdb3", 2067 },
        { "d0", 51712 }, { "d0p1", 51713 }, { "d1p0", 51728 },
        { "d16", 268439552 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(xls_vdev_number(cases[i].name), cases[i].number);
}

static void what_is_no_name_gives_none(void **state)
{
    static const char *const cases[] = {
        "", "x", "xvd", "xvd1", "xvda1x", "hd", "hde", "hda64", "sdq",
        "sda16", "vda", "d", "dx", "xvda256", "d0q1",
        "xvdzzzzzzzzzzzzzz", "d99999999999999999999",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(xls_vdev_number(cases[i]), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_give_the_numbers_of_the_interface),
        cmocka_unit_test(what_is_no_name_gives_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
