/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Deleting snapshots of a domain that does not run, with the real qemu-img:
 * trees of layers made at random, taken down at random; what every other
 * snapshot and the domain's disks hold must stay the same. MERGE_SEED repeats
 * a run.
 */
#include "support/trees.h"

#include <sys/mount.h>
#include <time.h>

#include "common/files.h"
#include "layers/run.h"
#include "layers/space.h"

#define MAX_SNAPSHOTS 8

static int num_files(void)
{
    char *command = xls_asprintf("test $(ls %s | wc -l) -eq %d", images,
                                 st->info.num_disks);
    int ret = system(command);

    free(command);
    return ret;
}

static void take_down(void)
{
    while (st->num_records) {
        xl_snapshot_record *rec = st->records[rand() % st->num_records];
        struct error e = { 0 };
        int visible = 0, i;

        for (i = 0; i < st->num_records; i++)
            visible += !st->records[i]->hidden;
        /* The last visible one takes the hidden ones with it. */
        assert_true(visible > 0);
        if (rec->hidden)
            continue;
        assert_good(merge_hide(st, rec, 0, &e), &e);
        assert_good(merge_all(&merge, &e), &e);
        check_all();
    }
}

static void snapshots_deleted_in_any_order_leave_the_others(void **state)
{
    const char *given = getenv("MERGE_SEED");
    unsigned seed = given ? (unsigned)atoi(given)
                          : (unsigned)time(NULL) * 7919u + (unsigned)getpid();
    int i, n;

    (void)state;
    printf("MERGE_SEED=%u\n", seed);
    srand(seed);
    add_disk("xvda", "a.qcow2", LIBXL_DISK_FORMAT_QCOW2);
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    n = 3 + rand() % (MAX_SNAPSHOTS - 2);
    for (i = 0; i < n; i++) {
        char name[8];

        guest_writes();
        snprintf(name, sizeof(name), "s%d", i);
        snapshot(name);
        if (rand() % 3 == 0) {
            const xl_snapshot_record *rec =
                st->records[rand() % st->num_records];

            if (can_revert(rec))
                revert(rec);
        }
    }
    guest_writes();
    remember_tops();
    check_all();
    take_down();

    /* One file for each disk is left, where the config says. */
    assert_int_equal(num_files(), 0);
    for (i = 0; i < st->info.num_disks; i++)
        assert_string_equal(st->info.disks[i].top_path,
                            st->info.disks[i].config_path);
}

/* b.raw is the base of both; a branch gets a copy of what it needs of it. */
static void a_layer_with_two_children_goes_up_into_one_down_into_it_the_other(
    void **state)
{
    struct error e = { 0 };

    (void)state;
    srand(1);
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    guest_writes();
    snapshot("s0");
    guest_writes();
    snapshot("s1");
    revert(store_find(st, "s0"));
    guest_writes();
    remember_tops();

    assert_good(merge_hide(st, store_find(st, "s0"), 0, &e), &e);
    assert_good(merge_all(&merge, &e), &e);
    assert_null(store_find(st, "s0"));
    assert_string_equal(st->info.disks[0].top_path,
                        st->info.disks[0].config_path);
    check_all();
    assert_good(merge_hide(st, store_find(st, "s1"), 0, &e), &e);
    assert_good(merge_all(&merge, &e), &e);
    assert_int_equal(st->num_records, 0);
    check_all();
    assert_int_equal(num_files(), 0);
}

static void what_another_domain_needs_is_not_removed(void **state)
{
    xl_snapshot_domain_disk *d;
    struct error e = { 0 };
    struct store *other;

    (void)state;
    srand(2);
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    snapshot("s0");
    remember_tops();
    assert_good(store_open(root, "web2", true, 0, &other, &e), &e);
    d = store_disk_add(other, "xvda");
    d->top_path = image("clone.qcow2", "");
    d->top_format = LIBXL_DISK_FORMAT_QCOW2;
    assert_good(image_create_overlay(d->top_path, st->info.disks[0].config_path,
                                     LIBXL_DISK_FORMAT_RAW, &e), &e);
    assert_good(store_write_info(other, &e), &e);
    store_close(other);

    assert_good(merge_hide(st, store_find(st, "s0"), 0, &e), &e);
    assert_good(merge_all(&merge, &e), &e);
    assert_non_null(store_find(st, "s0"));
    check_all();
}

static void what_a_running_domain_uses_is_not_removed(void **state)
{
    char *path = image("clone.qcow2", "");
    struct error e = { 0 };

    (void)state;
    srand(3);
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    snapshot("s0");
    remember_tops();
    assert_good(image_create_overlay(path, st->info.disks[0].config_path,
                                     LIBXL_DISK_FORMAT_RAW, &e), &e);
    live_add(&live, "other", 7, "xvda", path, LIBXL_DISK_FORMAT_QCOW2);
    assert_good(merge_hide(st, store_find(st, "s0"), 0, &e), &e);
    assert_good(merge_all(&merge, &e), &e);
    assert_non_null(store_find(st, "s0"));
    assert_good(merge_discard(&merge, path, NULL, &e), &e);
    assert_int_equal(access(path, F_OK), 0);
    check_all();
    live_free(&live);
    free(path);
}

/* A domain that is started as the merge is about to write: only files that are
 * asked for at this moment show it. */
static const char *started_on;

static int says_who_runs(void *user, const char *path, struct error *e)
{
    (void)user;
    return xls_same_file(path, started_on)
        ? error_set(e, "%s is in use by domain web2", path) : 0;
}

static void is_not_merged(const char *snapshot, const char *path,
                          libxl_snapshot_merge direction)
{
    struct error e = { 0 };

    started_on = path;
    merge.unused = says_who_runs;
    assert_good(merge_hide(st, store_find(st, snapshot), direction, &e), &e);
    assert_int_equal(merge_all(&merge, &e), -1);
    assert_non_null(strstr(e.text, "web2"));
    error_clear(&e);
    merge.unused = NULL;
    assert_non_null(store_find(st, snapshot));
    check_all();
}

static void a_domain_that_starts_meanwhile_stops_a_merge(void **state)
{
    static const libxl_snapshot_merge ways[] = {
        LIBXL_SNAPSHOT_MERGE_FORWARD, LIBXL_SNAPSHOT_MERGE_BACKWARD };
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        struct error e = { 0 };
        char *top;

        srand(4);
        add_disk(i ? "xvdd" : "xvdc", i ? "d.qcow2" : "c.qcow2",
                 LIBXL_DISK_FORMAT_QCOW2);
        snapshot(i ? "t0" : "s0");
        remember_tops();
        top = xls_strdup(store_disk(st, i ? "xvdd" : "xvdc")->top_path);
        is_not_merged(i ? "t0" : "s0", top, ways[i]);
        free(top);
        /* It ends. */
        assert_good(merge_all(&merge, &e), &e);
        assert_null(store_find(st, i ? "t0" : "s0"));
        check_all();
    }
}

static void delete(const char *name, libxl_snapshot_merge direction)
{
    struct error e = { 0 };

    assert_good(merge_hide(st, store_find(st, name), direction, &e), &e);
    assert_good(merge_all(&merge, &e), &e);
}

static uint64_t needed(const char *base, libxl_disk_format format,
                       const char *child, bool backward)
{
    struct image b, c;
    struct error e = { 0 };
    uint64_t bytes;

    assert_good(image_info(base, format, &b, &e), &e);
    assert_good(image_info(child, LIBXL_DISK_FORMAT_QCOW2, &c, &e), &e);
    bytes = space_needed(&b, &c, backward);
    image_dispose(&b);
    image_dispose(&c);
    return bytes;
}

static void write_mb(const char *path, const char *format, int from, int mb)
{
    char *io = xls_asprintf("write -P 5 %dM %dM", from, mb);
    const char *const argv[] = { "qemu-io", "-f", format, "-c", io, path,
                                 NULL };
    struct error e = { 0 };

    assert_good(run(argv, NULL, NULL, &e), &e);
    free(io);
}

/* Base has the first MiB, child the second, of two; then child has both. */
static void needed_space_is_what_the_other_has_not(void **state)
{
    const uint64_t mb = 1 << 20, tables = 600 << 10;
    char *base, *child;

    (void)state;
    srand(4);
    add_disk("xvda", "a.raw", LIBXL_DISK_FORMAT_RAW);
    base = xls_strdup(st->info.disks[0].top_path);
    write_mb(base, "raw", 0, 1);
    snapshot("s0");
    child = xls_strdup(st->info.disks[0].top_path);
    write_mb(child, "qcow2", 1, 1);
    assert_in_range(needed(base, LIBXL_DISK_FORMAT_RAW, child, false), mb,
                    mb + tables);
    assert_int_equal(needed(base, LIBXL_DISK_FORMAT_RAW, child, true), mb);
    write_mb(child, "qcow2", 0, 1);
    assert_in_range(needed(base, LIBXL_DISK_FORMAT_RAW, child, false), 0,
                    tables);
    assert_int_equal(needed(base, LIBXL_DISK_FORMAT_RAW, child, true), mb);
    free(base);
    free(child);
}

/* The images are on a file system of their own, that has no room for two
 * layers' data in one. */
static void without_room_nothing_is_copied(void **state)
{
    struct error e = { 0 };
    xl_snapshot_record *rec;

    (void)state;
    if (mount("none", images, "tmpfs", 0, "size=3500k")) {
        print_message("needs to mount a file system: %m\n");
        skip();
    }
    srand(5);
    add_disk("xvda", "a.raw", LIBXL_DISK_FORMAT_RAW);
    write_mb(st->info.disks[0].top_path, "raw", 0, 1);
    snapshot("s0");
    rec = store_find(st, "s0");
    write_mb(st->info.disks[0].top_path, "qcow2", 1, 1);
    remember_tops();
    assert_good(merge_hide(st, rec, LIBXL_SNAPSHOT_MERGE_FORWARD, &e), &e);
    assert_error(merge_all(&merge, &e), &e, " bytes, but its file system has ");
    assert_non_null(store_find(st, "s0"));
    check_all();

    assert_int_equal(mount("none", images, "tmpfs", MS_REMOUNT, "size=9000k"),
                     0);
    assert_good(merge_all(&merge, &e), &e);
    assert_null(store_find(st, "s0"));
    check_all();
}

static void a_file_that_the_configuration_names_stays_protected(void **state)
{
    (void)state;
    srand(6);
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    guest_writes();
    snapshot("s0");
    guest_writes();
    remember_tops();
    delete("s0", LIBXL_SNAPSHOT_MERGE_FORWARD);
    assert_int_equal(st->num_records, 0);
    assert_string_not_equal(st->info.disks[0].top_path,
                            st->info.disks[0].config_path);
    assert_int_equal(access(st->info.disks[0].config_path, F_OK), 0);
    assert_int_not_equal(access(st->info.disks[0].config_path, W_OK), 0);
    check_all();
}

/* What a merge was doing when it was killed, found by xl create. */
static void a_noted_merge_counts_as_done(void **state)
{
    xl_snapshot_merged *m;

    (void)state;
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    m = &st->info.merged;
    str_replace(&st->info.disks[0].top_path, "/over");
    m->from = xls_strdup("/other");
    m->to = xls_strdup("/base");
    m->to_format = LIBXL_DISK_FORMAT_RAW;
    store_assume_merged(st);
    assert_string_equal(st->info.disks[0].top_path, "/over");
    str_replace(&m->from, "/over");
    st->info.disks[0].top_format = LIBXL_DISK_FORMAT_QCOW2;
    store_assume_merged(st);
    assert_string_equal(st->info.disks[0].top_path, "/base");
    assert_int_equal(st->info.disks[0].top_format, LIBXL_DISK_FORMAT_RAW);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(snapshots_deleted_in_any_order_leave_the_others),
        TEST(snapshots_deleted_in_any_order_leave_the_others),
        TEST(a_layer_with_two_children_goes_up_into_one_down_into_it_the_other),
        TEST(what_another_domain_needs_is_not_removed),
        TEST(what_a_running_domain_uses_is_not_removed),
        TEST(a_domain_that_starts_meanwhile_stops_a_merge),
        TEST(needed_space_is_what_the_other_has_not),
        TEST(without_room_nothing_is_copied),
        TEST(a_file_that_the_configuration_names_stays_protected),
        TEST(a_noted_merge_counts_as_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
