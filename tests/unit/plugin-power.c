/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The power fails while snapshots of a domain that is off are deleted, after
 * each flush of the disk that its images and its store are on: the domain starts
 * from its configuration as it was, or that start fails; and the next command
 * leaves all other snapshots, and the disks, as they were.
 */
#include "support/deletions.h"

#include <sys/wait.h>

#include "diskimage/format.h"
#include "qmp/power_device.h"

#define SNAPSHOTS 4

static char what[128];

static void open_store(void)
{
    struct error e = { 0 };

    assert_good(store_open(root, "web1", true, 0, &st, &e), &e);
    merge.st = st;
}

/* xl opens what the configuration names; what is immutable it cannot write. */
static void starts_are_right(void)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++) {
        const xl_snapshot_domain_disk *d = &st->info.disks[i];
        char *copy = copy_path("top", d->vdev);
        char *compare = xls_asprintf(
            "qemu-img compare -q -f %s -F raw %s %s >/dev/null 2>&1",
            xls_format_driver(d->config_format), d->config_path, copy);
        int status = image_frozen(d->config_path) ? 0 : system(compare);

        /* What cannot be opened, 2, is no start. */
        if (WEXITSTATUS(status) == 1)
            fail_msg("%s: %s would start on something else", what, d->vdev);
        free(compare);
        free(copy);
    }
}

struct cutting {
    const char *fs;
    struct deletion deletion;
    uint64_t begin, end;
};

static void check_cut(void *user, uint64_t at)
{
    const struct cutting *c = user;

    snprintf(what, sizeof(what), "%s, cut at %llu of %llu to %llu", c->fs,
             (unsigned long long)at, (unsigned long long)c->begin,
             (unsigned long long)c->end);
    open_store();
    forget_checked();
    starts_are_right();
    delete_whole(&c->deletion);
    store_let_go();
}

static void cut(const char *fs)
{
    struct cutting c = { .fs = fs, .deletion.merge = LIBXL_SNAPSHOT_MERGE_AUTO };
    struct error e = { 0 };
    unsigned cuts;
    int i;

    store_let_go();
    power_device_start(fs, dir);
    assert_int_equal(mkdir(images, 0700), 0);
    open_store();
    make_domain();
    for (i = 0; i < SNAPSHOTS; i++) {
        guest_writes();
        take_one(i);
    }
    guest_writes();
    remember_tops();
    choose_deletion(&c.deletion);
    sync();
    c.begin = power_device_now();
    assert_good(delete_as_command(&c.deletion, &e), &e);
    c.end = power_device_now();
    store_let_go();
    power_device_end();
    cuts = power_cut_each(c.begin, c.end, check_cut, &c);
    print_message("power cuts: %s, a deletion while off: %u in %llu writes and "
                  "flushes\n", fs, cuts, (unsigned long long)(c.end - c.begin));
    strings_free(&c.deletion.names);
}

static int teardown_all(void **state)
{
    store_let_go();
    power_teardown(state);
    return teardown(state);
}

static void deletions_on(void **state, const char *fs)
{
    const char *why = power_impossible(fs);
    int i;

    if (why) {
        print_message("no power cuts on %s: %s\n", fs, why);
        skip();
    }
    power_seed();
    /* Of an image that was being written. */
    leaks_are_fine = true;
    for (i = 0; i < 3; i++) {
        cut(fs);
        teardown_all(state);
        setup(state);
    }
}

static void on_ext4(void **state)
{
    deletions_on(state, "ext4");
}

static void on_xfs(void **state)
{
    deletions_on(state, "xfs");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown_all)
    const struct CMUnitTest tests[] = {
        TEST(on_ext4),
        TEST(on_xfs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
