/* SPDX-License-Identifier: LGPL-2.1-only */
/* What speaks against a snapshot of a disk, by the headers of its images. */
#include "plugin.h"

#include "commands/create_chain.h"

static char *dir, *said;
static struct create_options options = { .max_layers = 3 };

void cli_say(struct cli *cli, const char *fmt, ...)
{
    va_list ap;

    (void)cli;
    free(said);
    va_start(ap, fmt);
    said = xls_vasprintf(fmt, ap);
    va_end(ap);
}

static int setup(void **state)
{
    (void)state;
    dir = test_dir_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(said);
    said = NULL;
    test_dir_remove(dir);
    return 0;
}

static void shell(const char *script)
{
    char *command = xls_asprintf("exec >/dev/null; cd %s && %s", dir, script);

    if (system(command))
        fail_msg("%s", script);
    free(command);
}

static int check(const struct store *st, const char *name,
                 libxl_snapshot_method method, struct error *e)
{
    libxl_disk_snapshot d;
    int ret;

    libxl_disk_snapshot_init(&d);
    d.disk.vdev = xls_strdup("xvda");
    d.disk.pdev_path = xls_asprintf("%s/%s", dir, name);
    d.disk.format = LIBXL_DISK_FORMAT_QCOW2;
    d.method = method;
    d.name = xls_strdup("2");
    ret = create_check_chain(NULL, st, &options, &d, e);
    libxl_disk_snapshot_dispose(&d);
    return ret;
}

static void too_many_layers_are_refused_with_the_way_out(void **state)
{
    struct store st = { 0 };
    struct error e = { 0 };

    (void)state;
    shell("qemu-img create -q -f qcow2 a 1M && "
          "qemu-img create -q -f qcow2 -b a -F qcow2 b && "
          "qemu-img create -q -f qcow2 -b b -F qcow2 c");
    assert_good(check(&st, "b", LIBXL_SNAPSHOT_METHOD_EXTERNAL, &e), &e);
    assert_error(check(&st, "c", LIBXL_SNAPSHOT_METHOD_EXTERNAL, &e), &e,
                 "has 3 layers already");
    assert_error(check(&st, "c", LIBXL_SNAPSHOT_METHOD_EXTERNAL, &e), &e,
                 "--max-layers");
    assert_good(check(&st, "c", LIBXL_SNAPSHOT_METHOD_INTERNAL, &e), &e);
    assert_good(check(&st, "c", LIBXL_SNAPSHOT_METHOD_NONE, &e), &e);
}

static void a_data_file_is_refused_by_name(void **state)
{
    struct store st = { 0 };
    struct error e = { 0 };

    (void)state;
    shell("qemu-img create -q -f qcow2 -o data_file=the-data a 1M && "
          "qemu-img create -q -f qcow2 -b a -F qcow2 b");
    assert_error(check(&st, "a", LIBXL_SNAPSHOT_METHOD_EXTERNAL, &e), &e,
                 "the-data");
    assert_error(check(&st, "b", LIBXL_SNAPSHOT_METHOD_EXTERNAL, &e), &e,
                 "the-data");
}

static void internal_snapshots_of_others_are_said(void **state)
{
    xl_snapshot_record rec, *records[] = { &rec };
    struct store st = { .records = records };
    struct error e = { 0 };

    (void)state;
    shell("qemu-img create -q -f qcow2 a 1M && qemu-img snapshot -c 2 a && "
          "qemu-img snapshot -c 5 a");
    assert_good(check(&st, "a", LIBXL_SNAPSHOT_METHOD_EXTERNAL, &e), &e);
    assert_non_null(said);
    assert_non_null(strstr(said, "(2, 5)"));
    assert_non_null(strstr(said, "qemu-img snapshot -d"));
    assert_error(check(&st, "a", LIBXL_SNAPSHOT_METHOD_INTERNAL, &e), &e,
                 "\"2\" already");

    /* Those of the domain's own snapshots are no news. */
    xl_snapshot_record_init(&rec);
    rec.disks = xls_calloc(1, sizeof(*rec.disks));
    rec.num_disks = st.num_records = 1;
    xl_snapshot_disk_init(rec.disks);
    rec.disks->method = LIBXL_SNAPSHOT_METHOD_INTERNAL;
    rec.disks->layer_path = xls_asprintf("%s/a", dir);
    rec.disks->internal_name = xls_strdup("2");
    assert_good(check(&st, "a", LIBXL_SNAPSHOT_METHOD_EXTERNAL, &e), &e);
    assert_non_null(strstr(said, "(5)"));
    xl_snapshot_record_dispose(&rec);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(too_many_layers_are_refused_with_the_way_out),
        TEST(a_data_file_is_refused_by_name),
        TEST(internal_snapshots_of_others_are_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
