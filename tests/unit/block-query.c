/* SPDX-License-Identifier: LGPL-2.1-only */
/* Which of QEMU's devices is a disk, by what QEMU says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "block/query.h"
#include "common/alloc.h"
#include "qmp/internal.h"

#define XVDA 51712
#define XVDB 51728

static struct xls_json *json(const char *text)
{
    char *copy = xls_strdup(text), *p;
    struct xls_json *v;

    for (p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    v = xls_json_of_text(copy, &xls_json_limits_file);
    assert_non_null(v);
    return v;
}

/* xvda on /a, with one node; the second device as given. */
static char *why_not(const char *second_qdev, const char *second_file,
                     int second_devid, int *layers)
{
    libxl_device_disk rec = { .vdev = (char *)"xvda",
                              .pdev_path = (char *)"/a" };
    struct xls_disk disk = { .rec = &rec, .devid = XVDA };
    struct xls_block_query query = { 0 };
    struct xls_qmp qmp = { .fd = -1 };      /* every question was answered */
    struct xls_op op = { .qmp = &qmp };
    char *block, *why;

    block = xls_asprintf("[{'qdev':'pv','inserted':{'file':'/a'}},"
                         "{'qdev':'%s','inserted':{'file':'%s'}}]",
                         second_qdev, second_file);
    query.block = json(block);
    query.stats = json("[{'qdev':'pv','node-name':'n'}]");
    query.nodes = json("[{'node-name':'n','drv':'raw','file':'/a',"
                       "'image':{'virtual-size':512}}]");
    query.devids = xls_calloc(2, sizeof(int));
    query.devids[0] = XVDA;
    query.devids[1] = second_devid;
    assert_int_equal(xls_block_query_disk(&op, &query, &disk, &why), 0);
    *layers = disk.num_layers;
    xls_disk_drop_layers(&disk);
    xls_block_query_dispose(&query);
    free(block);
    return why;
}

static void another_disk_is_in_nobodys_way(void **state)
{
    int layers;

    (void)state;
    assert_null(why_not("pv2", "/b", XVDB, &layers));
    assert_int_equal(layers, 1);
}

static void an_image_that_the_emulated_controller_has_open_is_refused(
    void **state)
{
    int layers;
    char *why = why_not("ide0-0", "/a", -1, &layers);

    (void)state;
    assert_non_null(why);
    assert_non_null(strstr(why, "(ide0-0)"));
    assert_non_null(strstr(why, "PV drivers"));
    assert_non_null(strstr(why, "shut the domain down"));
    assert_int_equal(layers, 0);
    free(why);
}

static void two_pv_disks_of_one_name_are_refused(void **state)
{
    int layers;
    char *why = why_not("pv2", "/b", XVDA, &layers);

    (void)state;
    assert_non_null(why);
    assert_non_null(strstr(why, "two PV disks"));
    assert_int_equal(layers, 0);
    free(why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_disk_is_in_nobodys_way),
        cmocka_unit_test(
            an_image_that_the_emulated_controller_has_open_is_refused),
        cmocka_unit_test(two_pv_disks_of_one_name_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
