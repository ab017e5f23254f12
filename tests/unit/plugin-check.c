/* SPDX-License-Identifier: LGPL-2.1-only */
/* What is found wrong with layers of snapshots, by the real qemu-img. */
#include "plugin.h"

#include <fcntl.h>

#include "layers/check.h"

static char *dir;
static struct faults faults;
static struct check check;
static xl_snapshot_record records[4];
static int num_records;
static char *noticed;
static int files_left;          /* before it is cancelled */

static void notice(void *user, const char *file, const char *text)
{
    char *all;

    (void)user;
    all = xls_asprintf("%s%s: %s\n", noticed, file, text);
    free(noticed);
    noticed = all;
}

static int progress(void *user, uint64_t done)
{
    (void)user;
    (void)done;
    return files_left-- <= 0;
}

static int setup(void **state)
{
    (void)state;
    dir = test_dir_make();
    noticed = xls_strdup("");
    files_left = 100;
    num_records = 0;
    check = (struct check){ .faults = &faults, .notice = notice,
                            .progress = progress };
    return 0;
}

static int teardown(void **state)
{
    int i;

    (void)state;
    check_free(&check);
    faults_free(&faults);
    for (i = 0; i < num_records; i++)
        xl_snapshot_record_dispose(&records[i]);
    free(noticed);
    test_dir_remove(dir);
    return 0;
}

static void shell(const char *script)
{
    char *command = xls_asprintf("set -e; cd %s; %s", dir, script);

    assert_int_equal(system(command), 0);
    free(command);
}

static char *path_of(const char *file)
{
    return xls_asprintf("%s/%s", dir, file);
}

static xl_snapshot_disk *add(const char *name, const char *file,
                             libxl_disk_format format)
{
    xl_snapshot_record *rec = &records[num_records++];
    xl_snapshot_disk *d;

    xl_snapshot_record_init(rec);
    rec->name = xls_strdup(name);
    d = record_disk_add(rec, "xvda");
    d->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    d->layer_path = path_of(file);
    d->layer_format = format;
    return d;
}

static void run_check(void)
{
    int i;

    for (i = 0; i < num_records; i++)
        check_add(&check, &records[i]);
    assert_int_equal(check_contents(&check), 0);
}

/* s0 on base, s1 on that. */
static void three_layers(void)
{
    shell("qemu-img create -q -f raw base 1M;"
          "qemu-img create -q -f qcow2 -b base -F raw a;"
          "qemu-io -f qcow2 -c 'write -P 1 0 256k' a >/dev/null;"
          "qemu-img create -q -f qcow2 -b a -F qcow2 b");
    add("s0", "a", LIBXL_DISK_FORMAT_QCOW2);
    add("s1", "b", LIBXL_DISK_FORMAT_QCOW2);
}

static bool is_fault(const struct fault *fault, const char *path,
                     const char *what, const char *snapshots)
{
    char *names = strings_join(&fault->snapshots, ",");
    bool is = !strcmp(fault->file, path) && strstr(fault->what, what) &&
              !strcmp(names, snapshots);

    free(names);
    return is;
}

/* There is one with this text, of this file and these snapshots. */
static void has_fault(const char *file, const char *what,
                      const char *snapshots)
{
    char *path = path_of(file);
    bool has = false;
    int i;

    for (i = 0; i < faults.num; i++)
        has |= is_fault(&faults.v[i], path, what, snapshots);
    for (i = 0; !has && i < faults.num; i++)
        print_message("%s: %s\n", faults.v[i].file, faults.v[i].what);
    if (!has)
        fail_msg("no \"%s\" of %s, which %s need", what, file, snapshots);
    free(path);
}

static void write_byte(const char *file, off_t at, int byte)
{
    char *path = path_of(file);
    int fd = open(path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    free(path);
}

static void sound_layers_have_no_fault(void **state)
{
    (void)state;
    three_layers();
    run_check();
    assert_int_equal(faults.num, 0);
    assert_string_equal(noticed, "");
}

static void a_missing_layer_is_told_once_for_all_that_need_it(void **state)
{
    (void)state;
    three_layers();
    shell("rm base");
    run_check();
    assert_int_equal(faults.num, 1);
    has_fault("base", "there is no such file", "s0,s1");
    assert_true(faults_concern(&faults, "s1"));
    assert_false(faults_concern(&faults, "s2"));
}

static void what_is_above_a_fault_is_not_at_fault(void **state)
{
    (void)state;
    three_layers();
    shell("rm b");
    run_check();
    assert_int_equal(faults.num, 1);
    has_fault("b", "there is no such file", "s1");
}

static void another_format_than_the_recorded_one(void **state)
{
    (void)state;
    three_layers();
    add("s2", "base", LIBXL_DISK_FORMAT_QCOW2);
    add("s3", "a", LIBXL_DISK_FORMAT_RAW);
    run_check();
    has_fault("base", "has it as raw, snapshot s2 as qcow2", "s2");
    has_fault("a", "has it as qcow2, snapshot s3 as raw", "s3");
    assert_int_equal(faults.num, 2);

    shell("echo no image > a");
    check_free(&check);
    faults_free(&faults);
    run_check();
    has_fault("a", "not in qcow2 format", "s0,s1,s3");
}

/* The refcounts, of two bytes each, are in cluster 2. */
#define REFCOUNT(cluster) (2 * 65536 + 2 * (cluster) + 1)

static void wrong_refcounts(void **state)
{
    (void)state;
    three_layers();
    write_byte("a", REFCOUNT(0), 0);
    run_check();
    has_fault("a", "1 error, which 'qemu-img check -U", "s0,s1");
    assert_int_equal(faults.num, 1);
}

static void lost_clusters_are_no_fault(void **state)
{
    (void)state;
    three_layers();
    shell("truncate -s 20M a");
    write_byte("a", REFCOUNT(300), 1);
    run_check();
    assert_int_equal(faults.num, 0);
    assert_non_null(strstr(noticed, "/a: 1 of its clusters is used by "
                           "nothing"));
}

static void snapshots_inside(void **state)
{
    xl_snapshot_disk *d;

    (void)state;
    three_layers();
    shell("qemu-img snapshot -c s2 b");
    d = add("s2", "b", LIBXL_DISK_FORMAT_QCOW2);
    d->method = LIBXL_SNAPSHOT_METHOD_INTERNAL;
    d->internal_name = xls_strdup("s2");
    run_check();
    assert_int_equal(faults.num, 0);

    shell("qemu-img snapshot -d s2 b");
    check_free(&check);
    run_check();
    assert_int_equal(faults.num, 1);
    has_fault("b", "the snapshot s2, which is to be inside it, is not", "s2");
}

static void a_backing_file_of_a_format_that_is_not_told(void **state)
{
    (void)state;
    three_layers();
    /* The type of the extension that tells it becomes an unknown one. */
    write_byte("a", 112, 0x11);
    run_check();
    assert_int_equal(faults.num, 0);
    assert_non_null(strstr(noticed, "format that the header does not tell"));
}

static void layers_that_are_based_on_each_other(void **state)
{
    (void)state;
    three_layers();
    shell("qemu-img rebase -q -u -f qcow2 -b b -F qcow2 a");
    run_check();
    has_fault("a", "it is based on itself", "s0");
    has_fault("b", "it is based on itself", "s1");
}

/* A qemu-io that goes on has it open for writing. */
static void a_layer_in_use_is_looked_at(void **state)
{
    FILE *user;
    char *command = xls_asprintf("exec qemu-io -f qcow2 %s/b >%s/out 2>&1",
                                 dir, dir);

    (void)state;
    three_layers();
    user = popen(command, "w");
    assert_non_null(user);
    fputs("write 0 64k\n", user);
    fflush(user);
    shell("for i in $(seq 100); do grep -q wrote out && break; sleep 0.1; "
          "done; grep -q wrote out");
    shell("! qemu-img check -q b 2>/dev/null");
    run_check();
    assert_int_equal(faults.num, 0);
    assert_int_equal(pclose(user), 0);
    free(command);
}

static void it_ends_when_it_is_to(void **state)
{
    int i;

    (void)state;
    three_layers();
    for (i = 0; i < num_records; i++)
        check_add(&check, &records[i]);
    files_left = 1;
    assert_int_equal(check_contents(&check), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(sound_layers_have_no_fault),
        TEST(a_missing_layer_is_told_once_for_all_that_need_it),
        TEST(what_is_above_a_fault_is_not_at_fault),
        TEST(another_format_than_the_recorded_one),
        TEST(wrong_refcounts),
        TEST(lost_clusters_are_no_fault),
        TEST(snapshots_inside),
        TEST(a_backing_file_of_a_format_that_is_not_told),
        TEST(layers_that_are_based_on_each_other),
        TEST(a_layer_in_use_is_looked_at),
        TEST(it_ends_when_it_is_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
