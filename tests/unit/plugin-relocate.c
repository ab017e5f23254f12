/* SPDX-License-Identifier: LGPL-2.1-only */
/* Images that were moved or copied by hand, and the snapshots on them. */
#include "support/trees.h"

#include "offline/relocate.h"

/* Of what the random snapshots are: with it, those of xvda are external. */
#define SEED 1

static char *elsewhere;

static void run_shell(const char *in, const char *script)
{
    char *command = xls_asprintf("cd %s && { %s; }", in, script);

    assert_int_equal(system(command), 0);
    free(command);
}

static int start(void **state)
{
    int ret = setup(state);

    elsewhere = xls_asprintf("%s/elsewhere", dir);
    srand(SEED);
    add_disk("xvda", "a.qcow2", LIBXL_DISK_FORMAT_QCOW2);
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    guest_writes();
    snapshot("s0");
    guest_writes();
    snapshot("s1");
    guest_writes();
    remember_tops();
    check_all();
    return ret;
}

static int stop(void **state)
{
    free(elsewhere);
    return teardown(state);
}

static int relocate(const char *from, const char *to, int *rewritten,
                    struct error *e)
{
    struct relocate r = { .st = st, .from = from, .to = to };
    int i, ret;

    ret = relocate_check(&r, e);
    for (i = 0; rewritten && i < r.num; i++)
        *rewritten += r.v[i].rewrite;
    if (!ret)
        ret = relocate_apply(&r, e);
    relocate_dispose(&r);
    return ret;
}

static void is_relocated(const char *from, const char *to)
{
    struct error e = { 0 };
    int i, j, rewritten = 0;

    assert_good(relocate(from, to, NULL, &e), &e);
    check_all();
    for (i = 0; i < st->info.num_disks; i++)
        assert_int_equal(strncmp(st->info.disks[i].top_path, elsewhere,
                                 strlen(elsewhere)), 0);
    for (i = 0; i < st->num_records; i++)
        for (j = 0; j < st->records[i]->num_disks; j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];

            assert_true(d->method == LIBXL_SNAPSHOT_METHOD_INTERNAL ||
                        image_frozen(d->layer_path));
        }
    /* Done again, it changes nothing. */
    assert_good(relocate(from, to, &rewritten, &e), &e);
    assert_int_equal(rewritten, 0);
    check_all();
}

static void a_directory_that_was_moved(void **state)
{
    struct error e = { 0 };

    (void)state;
    run_shell(dir, "mv images elsewhere");
    is_relocated(images, elsewhere);
    /* And what is done to them goes on there. */
    assert_good(merge_hide(st, store_find(st, "s0"), 0, &e), &e);
    assert_good(merge_all(&merge, &e), &e);
    assert_null(store_find(st, "s0"));
    check_all();
}

static void a_directory_that_was_copied(void **state)
{
    (void)state;
    run_shell(dir, "mkdir elsewhere && cp images/* elsewhere/");
    is_relocated(images, elsewhere);
    /* Nothing leads to the old ones. */
    run_shell(dir, "chattr -i images/* 2>/dev/null; rm -r images && "
              "mkdir images");
    check_all();
}

static void into_a_directory_below(void **state)
{
    (void)state;
    free(elsewhere);
    elsewhere = xls_asprintf("%s/web1", images);
    run_shell(images, "chattr -i * 2>/dev/null; mkdir ../web1 && "
              "mv * ../web1 && mv ../web1 .");
    is_relocated(images, elsewhere);
}

static void one_file_that_was_moved(void **state)
{
    char *from, *to = xls_asprintf("%s/layer", dir);
    struct error e = { 0 };

    (void)state;
    from = xls_strdup(store_find(st, "s0")->disks[0].layer_path);
    run_shell(images, "chattr -i * 2>/dev/null; true");
    assert_int_equal(rename(from, to), 0);
    assert_good(relocate(from, to, NULL, &e), &e);
    assert_string_equal(store_find(st, "s0")->disks[0].layer_path, to);
    check_all();
    free(from);
    free(to);
}

/* Another device, which is not of that size, has the name by now. */
static void one_whose_name_another_device_has(void **state)
{
    char *from, *line, *to = xls_asprintf("%s/layer", dir);
    struct error e = { 0 };
    xl_snapshot_record *rec = store_find(st, "s0");

    (void)state;
    if (system("losetup -f > /dev/null 2>&1")) {
        print_message("skipped: no loop device can be had\n");
        free(to);
        return;
    }
    from = xls_strdup(rec->disks[0].layer_path);
    run_shell(images, "chattr -i * 2>/dev/null; true");
    assert_int_equal(rename(from, to), 0);
    line = xls_asprintf("truncate -s 3M other && losetup -f --show other > "
                        "dev && ln -s $(cat dev) %s", from);
    run_shell(dir, line);
    str_replace(&rec->disks[0].device, "number 251:77, 2097152 bytes");
    assert_good(relocate(from, to, NULL, &e), &e);
    run_shell(dir, "losetup -d $(cat dev)");
    assert_string_equal(rec->disks[0].layer_path, to);
    assert_true(str_none(rec->disks[0].device));
    unlink(from);
    check_all();
    free(line);
    free(from);
    free(to);
}

static void is_refused(const char *why)
{
    struct error e = { 0 };

    assert_int_equal(relocate(images, elsewhere, NULL, &e), -1);
    if (!strstr(e.text, why))
        fail_msg("%s is not in: %s", why, e.text);
    error_clear(&e);
    assert_int_equal(strncmp(st->info.disks[0].top_path, images,
                             strlen(images)), 0);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct error e = { 0 };
    char *line;

    (void)state;
    run_shell(dir, "mkdir elsewhere && cp images/* elsewhere/");
    run_shell(dir, "mv elsewhere/b.raw elsewhere/x");
    is_refused("elsewhere/b.raw");
    run_shell(dir, "mv elsewhere/x elsewhere/b.raw");

    run_shell(dir, "mv elsewhere/a.qcow2 elsewhere/x && "
              "qemu-img create -q -f qcow2 elsewhere/a.qcow2 2M");
    is_refused("do not lead from");
    run_shell(dir, "qemu-img create -q -f qcow2 elsewhere/a.qcow2 3M");
    is_refused("another size");
    run_shell(dir, "cp elsewhere/b.raw elsewhere/a.qcow2");
    is_refused("elsewhere/a.qcow2");
    run_shell(dir, "mv elsewhere/x elsewhere/a.qcow2");

    str_replace(&st->info.writing, "/x");
    is_refused("interrupted");
    str_replace(&st->info.writing, NULL);
    check_all();
    line = xls_strdup(elsewhere);
    assert_good(relocate(images, line, NULL, &e), &e);
    check_all();
    free(line);
}

static int in_use(void *user, const char *path, struct error *e)
{
    return strstr(path, user) ? error_set(e, "%s is in use", path) : 0;
}

static void what_a_domain_runs_on_is_refused(void **state)
{
    struct relocate r = { .st = st, .from = images, .to = elsewhere,
                          .unused = in_use, .user = (char *)"images/a.qcow2" };
    struct error e = { 0 };

    (void)state;
    run_shell(dir, "mkdir elsewhere && cp images/* elsewhere/");
    assert_int_equal(relocate_check(&r, &e), -1);
    assert_non_null(strstr(e.text, "images/a.qcow2 is in use"));
    error_clear(&e);
    relocate_dispose(&r);
    check_all();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_directory_that_was_moved),
        TEST(a_directory_that_was_copied),
        TEST(into_a_directory_below),
        TEST(one_file_that_was_moved),
        TEST(one_whose_name_another_device_has),
        TEST(what_does_not_fit_is_refused),
        TEST(what_a_domain_runs_on_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
