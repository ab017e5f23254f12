/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Deleting snapshots of a domain that does not run, with the real qemu-img:
 * trees of layers made at random, taken down at random; what every other
 * snapshot and the domain's disks hold must stay the same. FOLD_SEED repeats
 * a run.
 */
#include "plugin.h"

#include <time.h>

#include "base/format.h"
#include "storage/fold.h"
#include "storage/run.h"

#define SIZE "2M"
#define BLOCKS 32               /* of 64 KiB */
#define MAX_SNAPSHOTS 8

static char *dir, *root, *images;
static struct store *st;
static struct live live;
static struct fold fold;

static int setup(void **state)
{
    struct error e = { 0 };

    (void)state;
    dir = test_dir_make();
    root = xls_asprintf("%s/store", dir);
    images = xls_asprintf("%s/images", dir);
    assert_int_equal(mkdir(images, 0700), 0);
    assert_good(store_open(root, "web1", true, 0, &st, &e), &e);
    memset(&fold, 0, sizeof(fold));
    fold.st = st;
    fold.live = &live;
    fold.domid = INVALID_DOMID;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(st);
    test_dir_remove(dir);
    free(root);
    free(images);
    return 0;
}

static void tool(const char *const argv[])
{
    struct error e = { 0 };

    assert_good(run(argv, NULL, NULL, &e), &e);
}
#define TOOL(...) tool((const char *const[]){ __VA_ARGS__, NULL })

static char *image(const char *fmt, const char *name)
{
    char *end = xls_asprintf("%s%s", fmt, name);
    char *path = xls_asprintf("%s/%s", images, end);

    free(end);
    return path;
}

static void add_disk(const char *vdev, const char *file,
                     libxl_disk_format format)
{
    xl_snapshot_domain_disk *d = store_disk_add(st, vdev);
    struct error e = { 0 };

    d->config_path = image(file, "");
    d->config_format = format;
    d->top_path = xls_strdup(d->config_path);
    d->top_format = format;
    TOOL("qemu-img", "create", "-q", "-f", xls_format_driver(format),
         d->top_path, SIZE);
    assert_good(store_write_info(st, &e), &e);
}

static void guest_writes(void)
{
    int i, n;

    for (i = 0; i < st->info.num_disks; i++)
        for (n = rand() % 4; n >= 0; n--) {
            char *io = xls_asprintf("write -P %d %dk 64k", rand() % 255 + 1,
                                    rand() % BLOCKS * 64);

            TOOL("qemu-io", "-f",
                 xls_format_driver(st->info.disks[i].top_format), "-c", io,
                 st->info.disks[i].top_path);
            free(io);
        }
}

/* What the library does at create, for a domain that does not run. */
static void freeze_disk(xl_snapshot_record *rec, xl_snapshot_domain_disk *d)
{
    xl_snapshot_disk *s = record_disk_add(rec, d->vdev);
    struct error e = { 0 };
    char *old = xls_strdup(d->top_path);

    if (d->top_format == LIBXL_DISK_FORMAT_QCOW2 && rand() % 5 == 0) {
        s->method = LIBXL_SNAPSHOT_METHOD_INTERNAL;
        s->layer_path = xls_strdup(old);
        s->layer_format = LIBXL_DISK_FORMAT_QCOW2;
        s->internal_name = xls_strdup(rec->name);
        TOOL("qemu-img", "snapshot", "-q", "-c", rec->name, old);
        free(old);
        return;
    }
    s->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    s->layer_format = d->top_format;
    if (d->top_format == LIBXL_DISK_FORMAT_QCOW2) {
        char *frozen = xls_asprintf("%s.%s", old, rec->name);

        assert_int_equal(rename(old, frozen), 0);
        assert_good(store_move_layer(st, old, frozen, d->top_format, &e), &e);
        s->layer_path = frozen;
    } else {
        s->layer_path = xls_strdup(old);
        free(d->top_path);
        d->top_path = xls_asprintf("%s.active.qcow2", old);
        d->top_format = LIBXL_DISK_FORMAT_QCOW2;
    }
    assert_good(image_create_overlay(d->top_path, s->layer_path,
                                     s->layer_format, &e), &e);
    assert_good(image_freeze(s->layer_path, &e), &e);
    free(old);
}

/* A copy of what a snapshot's disk shows, taken when it is made. */
static char *copy_path(const char *snapshot, const char *vdev)
{
    return xls_asprintf("%s/copy.%s.%s", dir, snapshot, vdev);
}

static void copy_tops(const char *name)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++) {
        xl_snapshot_domain_disk *d = &st->info.disks[i];
        char *to = copy_path(name, d->vdev);

        TOOL("qemu-img", "convert", "-f", xls_format_driver(d->top_format),
             "-O", "raw", d->top_path, to);
        free(to);
    }
}

static void snapshot(const char *name)
{
    xl_snapshot_record *rec = store_add(st, name);
    struct error e = { 0 };
    int i;

    rec->created = st->num_records;
    rec->parent = xls_strdup(st->info.current);
    copy_tops(name);
    for (i = 0; i < st->info.num_disks; i++)
        freeze_disk(rec, &st->info.disks[i]);
    str_replace(&st->info.current, name);
    assert_good(store_write(st, rec, &e), &e);
    assert_good(store_write_info(st, &e), &e);
}

/* What revert does to a disk with an external layer. */
static void revert(const xl_snapshot_record *rec)
{
    struct error e = { 0 };
    int i;

    for (i = 0; i < rec->num_disks; i++) {
        const xl_snapshot_disk *s = &rec->disks[i];
        xl_snapshot_domain_disk *d = store_disk(st, s->vdev);
        char *fresh = xls_asprintf("%s.revert", d->top_path);

        assert_good(image_create_overlay(fresh, s->layer_path,
                                         s->layer_format, &e), &e);
        assert_int_equal(rename(fresh, d->top_path), 0);
        free(fresh);
    }
    str_replace(&st->info.current, rec->name);
    assert_good(store_write_info(st, &e), &e);
}

static bool can_revert(const xl_snapshot_record *rec)
{
    int i, j;

    for (i = 0; i < rec->num_disks; i++) {
        if (rec->disks[i].method != LIBXL_SNAPSHOT_METHOD_EXTERNAL)
            return false;
        /* A top with snapshots inside would have to be kept. */
        for (j = 0; j < st->num_records; j++)
            if (str_same(record_disk(st->records[j],
                                     rec->disks[i].vdev)->layer_path,
                         store_disk(st, rec->disks[i].vdev)->top_path))
                return false;
    }
    return true;
}

static void check_same(const char *path, libxl_disk_format format,
                       const char *name, const char *vdev)
{
    char *copy = copy_path(name, vdev);
    const char *const argv[] = { "qemu-img", "compare", "-f",
                                 xls_format_driver(format), "-F", "raw", path,
                                 copy, NULL };
    struct error e = { 0 };

    if (run(argv, NULL, NULL, &e))
        fail_msg("%s of %s is not what it was (%s): %s", vdev, name, path,
                 e.text);
    free(copy);
}

static void check_disk(const xl_snapshot_record *rec,
                       const xl_snapshot_disk *s)
{
    char *extracted;
    struct error e = { 0 };

    if (s->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL) {
        check_same(s->layer_path, s->layer_format, rec->name, s->vdev);
        return;
    }
    extracted = xls_asprintf("%s/extracted", dir);
    assert_good(image_internal_extract(s->layer_path, s->internal_name,
                                       extracted, &e), &e);
    check_same(extracted, LIBXL_DISK_FORMAT_QCOW2, rec->name, s->vdev);
    assert_int_equal(unlink(extracted), 0);
    free(extracted);
}

static void check_all(void)
{
    int i, j;

    for (i = 0; i < st->num_records; i++)
        for (j = 0; !st->records[i]->hidden && j < st->records[i]->num_disks;
             j++)
            check_disk(st->records[i], &st->records[i]->disks[j]);
    for (i = 0; i < st->info.num_disks; i++)
        check_same(st->info.disks[i].top_path, st->info.disks[i].top_format,
                   "top", st->info.disks[i].vdev);
}

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
        assert_good(fold_hide(st, rec, 0, &e), &e);
        assert_good(fold_all(&fold, &e), &e);
        check_all();
    }
}

static void snapshots_deleted_in_any_order_leave_the_others(void **state)
{
    const char *given = getenv("FOLD_SEED");
    unsigned seed = given ? (unsigned)atoi(given)
                          : (unsigned)time(NULL) * 7919u + (unsigned)getpid();
    int i, n;

    (void)state;
    printf("FOLD_SEED=%u\n", seed);
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
    copy_tops("top");
    check_all();
    take_down();

    /* One file for each disk is left, where the config says. */
    assert_int_equal(num_files(), 0);
    for (i = 0; i < st->info.num_disks; i++)
        assert_string_equal(st->info.disks[i].top_path,
                            st->info.disks[i].config_path);
}

static void a_layer_with_two_children_is_kept_until_one_is_gone(void **state)
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
    copy_tops("top");

    assert_good(fold_hide(st, store_find(st, "s0"), 0, &e), &e);
    assert_good(fold_all(&fold, &e), &e);
    assert_non_null(store_find(st, "s0"));
    check_all();
    assert_good(fold_hide(st, store_find(st, "s1"), 0, &e), &e);
    assert_good(fold_all(&fold, &e), &e);
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
    copy_tops("top");
    assert_good(store_open(root, "web2", true, 0, &other, &e), &e);
    d = store_disk_add(other, "xvda");
    d->top_path = image("clone.qcow2", "");
    d->top_format = LIBXL_DISK_FORMAT_QCOW2;
    assert_good(image_create_overlay(d->top_path, st->info.disks[0].config_path,
                                     LIBXL_DISK_FORMAT_RAW, &e), &e);
    assert_good(store_write_info(other, &e), &e);
    store_close(other);

    assert_good(fold_hide(st, store_find(st, "s0"), 0, &e), &e);
    assert_good(fold_all(&fold, &e), &e);
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
    copy_tops("top");
    assert_good(image_create_overlay(path, st->info.disks[0].config_path,
                                     LIBXL_DISK_FORMAT_RAW, &e), &e);
    live_add(&live, "other", 7, "xvda", path, LIBXL_DISK_FORMAT_QCOW2);
    assert_good(fold_hide(st, store_find(st, "s0"), 0, &e), &e);
    assert_good(fold_all(&fold, &e), &e);
    assert_non_null(store_find(st, "s0"));
    assert_good(fold_discard(&fold, path, NULL, &e), &e);
    assert_int_equal(access(path, F_OK), 0);
    check_all();
    live_free(&live);
    free(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(snapshots_deleted_in_any_order_leave_the_others),
        TEST(snapshots_deleted_in_any_order_leave_the_others),
        TEST(a_layer_with_two_children_is_kept_until_one_is_gone),
        TEST(what_another_domain_needs_is_not_removed),
        TEST(what_a_running_domain_uses_is_not_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
