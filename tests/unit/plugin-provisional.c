/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the next command makes of a create that was interrupted: data that a
 * guest wrote since is never left behind. With the real qemu-img.
 */
#include "support/trees.h"

#include <sys/mount.h>

#include "common/files.h"
#include "diskimage/written.h"
#include "layers/identity.h"
#include "layers/run.h"

#define DOMID 7

/* A record as it is written before the library is called. */
static xl_snapshot_record *provisional(const char *name)
{
    xl_snapshot_record *rec = store_add(st, name);
    struct error e = { 0 };

    rec->provisional = true;
    assert_good(store_write(st, rec, &e), &e);
    return rec;
}

/* The way of a disk that is not qcow2: the base keeps its path. */
static xl_snapshot_disk *goes_to(xl_snapshot_record *rec, const char *vdev,
                                 const char *overlay)
{
    xl_snapshot_domain_disk *known = store_disk(st, vdev);
    xl_snapshot_disk *d = record_disk_add(rec, vdev);
    struct error e = { 0 };

    d->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    d->layer_path = xls_strdup(known->top_path);
    d->layer_format = known->top_format;
    d->overlay_path = image(overlay, "");
    assert_good(image_create_overlay(d->overlay_path, d->layer_path,
                                     d->layer_format, &e), &e);
    assert_good(store_write(st, rec, &e), &e);
    return d;
}

/* The other way, killed after QEMU's switch: the base has both names, and the
 * overlay a temporary one. */
static xl_snapshot_disk *keeps_path(xl_snapshot_record *rec, const char *vdev,
                                    const char *temporary)
{
    xl_snapshot_domain_disk *known = store_disk(st, vdev);
    xl_snapshot_disk *d = record_disk_add(rec, vdev);
    char *temp = image(temporary, "");
    struct error e = { 0 };

    d->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    d->overlay_path = xls_strdup(known->top_path);
    d->layer_path = xls_asprintf("%s.%s", known->top_path, rec->name);
    d->layer_format = known->top_format;
    assert_int_equal(link(d->overlay_path, d->layer_path), 0);
    assert_good(image_create_overlay(temp, d->layer_path, d->layer_format,
                                     &e), &e);
    assert_good(store_write(st, rec, &e), &e);
    free(temp);
    return d;
}

static void writes(const char *path, const char *format, const char *what)
{
    const char *const argv[] = { "qemu-io", "-f", format, "-c", what, path,
                                 NULL };
    struct error e = { 0 };

    assert_good(run(argv, NULL, NULL, &e), &e);
}

static bool holds(const char *path, const char *format, const char *what)
{
    const char *const argv[] = { "qemu-io", "-r", "-f", format, "-c", what,
                                 path, NULL };
    struct error e = { 0 };
    char *out = NULL;
    size_t len;
    bool yes;

    assert_good(run(argv, &out, &len, &e), &e);
    yes = !strstr(out, "verification failed");
    free(out);
    return yes;
}

static int recover(uint32_t domid, struct error *e)
{
    char *told = NULL;
    int ret = identity_recover_create(st, &live, domid, &told, e);

    free(told);
    return ret;
}

static void any_write_to_an_overlay_is_seen(void **state)
{
    static const char *const writing[] = {
        "write -P 3 0 64k", "write -z 0 64k", "write -P 3 2031k 1k", NULL
    };
    int i;

    (void)state;
    add_disk("xvda", "a.raw", LIBXL_DISK_FORMAT_RAW);
    for (i = 0; writing[i]; i++) {
        char name[32];
        char *path;
        struct error e = { 0 };

        snprintf(name, sizeof(name), "over.%d", i);
        path = image(name, "");
        assert_good(image_create_overlay(path, st->info.disks[0].top_path,
                                         LIBXL_DISK_FORMAT_RAW, &e), &e);
        assert_false(xls_image_written(path));
        writes(path, "qcow2", writing[i]);
        assert_true(xls_image_written(path));
        free(path);
    }
    assert_true(xls_image_written(st->info.disks[0].top_path));
}

/* The domain was started from its configuration, on the base. */
static void a_domain_on_the_base_does_not_hide_the_overlays_data(void **state)
{
    xl_snapshot_record *rec = NULL;
    struct error e = { 0 };
    char *overlay;

    (void)state;
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    rec = provisional("s1");
    overlay = xls_strdup(goes_to(rec, "xvdb", "b.over")->overlay_path);
    writes(overlay, "qcow2", "write -P 9 64k 64k");
    live_add(&live, "web1", DOMID, "xvdb", st->info.disks[0].top_path,
             LIBXL_DISK_FORMAT_RAW);

    assert_error(recover(DOMID, &e), &e, overlay);
    assert_non_null(store_find(st, "s1"));
    assert_true(store_find(st, "s1")->provisional);
    assert_true(holds(overlay, "qcow2", "read -P 9 64k 64k"));

    /* Off again: the overlay is the active layer, for 'xl create' to use. */
    live_free(&live);
    assert_good(recover(INVALID_DOMID, &e), &e);
    assert_false(store_find(st, "s1")->provisional);
    assert_string_equal(store_disk(st, "xvdb")->top_path, overlay);
    assert_true(image_frozen(store_disk(st, "xvdb")->config_path));
    free(overlay);
}

/* Both hold what a guest wrote last: neither is chosen without the user. */
static void a_base_that_was_written_after_the_overlay_is_not_passed_over(
    void **state)
{
    xl_snapshot_disk *d;
    xl_snapshot_record *rec;
    struct error e = { 0 };

    (void)state;
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    rec = provisional("s1");
    d = goes_to(rec, "xvdb", "b.over");
    writes(d->overlay_path, "qcow2", "write -P 9 64k 64k");
    usleep(20000);
    writes(d->layer_path, "raw", "write -P 8 64k 64k");
    assert_error(recover(INVALID_DOMID, &e), &e, "written since");
    assert_true(store_find(st, "s1")->provisional);
}

static void an_overlay_with_a_temporary_name_is_put_in_place(void **state)
{
    xl_snapshot_record *rec;
    struct error e = { 0 };
    char *temp;

    (void)state;
    add_disk("xvda", "a.qcow2", LIBXL_DISK_FORMAT_QCOW2);
    add_disk("xvdb", "b.qcow2", LIBXL_DISK_FORMAT_QCOW2);
    writes(store_disk(st, "xvda")->top_path, "qcow2", "write -P 1 0 64k");
    rec = provisional("s1");
    keeps_path(rec, "xvda", ".a.qcow2.xls-0123abcd");
    keeps_path(rec, "xvdb", ".b.qcow2.xls-1123abcd");
    temp = image(".a.qcow2.xls-0123abcd", "");
    writes(temp, "qcow2", "write -P 9 64k 64k");

    /* The other disk was not written since. */
    assert_good(recover(INVALID_DOMID, &e), &e);
    assert_false(store_find(st, "s1")->provisional);
    assert_true(holds(store_disk(st, "xvda")->top_path, "qcow2",
                      "read -P 9 64k 64k"));
    assert_true(holds(record_disk(rec, "xvda")->layer_path, "qcow2",
                      "read -P 0 64k 64k"));
    assert_int_equal(access(temp, F_OK), -1);
    assert_true(image_frozen(record_disk(rec, "xvdb")->layer_path));
    assert_false(xls_same_file(record_disk(rec, "xvdb")->layer_path,
                            store_disk(st, "xvdb")->top_path));
    free(temp);
}

static void what_was_only_prepared_is_forgotten(void **state)
{
    xl_snapshot_record *rec;
    struct error e = { 0 };

    (void)state;
    add_disk("xvda", "a.qcow2", LIBXL_DISK_FORMAT_QCOW2);
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    rec = provisional("s1");
    keeps_path(rec, "xvda", ".a.qcow2.xls-0123abcd");
    goes_to(rec, "xvdb", "b.over");
    assert_false(identity_overlays_written(rec));
    assert_good(recover(INVALID_DOMID, &e), &e);
    assert_null(store_find(st, "s1"));
    assert_string_equal(store_disk(st, "xvdb")->top_path,
                        store_disk(st, "xvdb")->config_path);
}

static void a_layer_that_cannot_be_made_immutable_is_known(void **state)
{
    struct error e = { 0 };
    char *why, *path;

    (void)state;
    add_disk("xvda", "a.raw", LIBXL_DISK_FORMAT_RAW);
    assert_good(image_freeze(st->info.disks[0].top_path, &e), &e);
    assert_null(image_unprotected(st->info.disks[0].top_path));

    /* A file system without flags. */
    assert_int_equal(mount("none", images, "ramfs", 0, NULL), 0);
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    path = store_disk(st, "xvdb")->top_path;
    assert_good(image_freeze(path, &e), &e);
    why = image_unprotected(path);
    assert_non_null(why);
    assert_non_null(strstr(why, "ramfs"));
    free(why);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_write_to_an_overlay_is_seen),
        TEST(a_domain_on_the_base_does_not_hide_the_overlays_data),
        TEST(a_base_that_was_written_after_the_overlay_is_not_passed_over),
        TEST(an_overlay_with_a_temporary_name_is_put_in_place),
        TEST(what_was_only_prepared_is_forgotten),
        TEST(a_layer_that_cannot_be_made_immutable_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
