/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Deleting anywhere in a tree of snapshots: one domain whose snapshots come
 * and go at random, in any place and by any option, while it runs and while it
 * does not, with and without being killed at it. After each step every
 * remaining snapshot and the domain's disks hold what they did, in clean
 * images, and no file is there that nothing needs.
 *
 * TREE_SEED is another run than that of every day, TREE_STEPS how many
 * deletions it makes, however long they take.
 */
#include "support/running.h"
#include "support/trees.h"

#include <fcntl.h>
#include <signal.h>
#include <dirent.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "common/files.h"
#include "layers/space.h"
#include "name_changes.h"
#include "offline/fold_internal.h"
#include "store/tree.h"

#define MAX_SNAPSHOTS 12
#define STEPS 200
#define SECONDS 20

/* The process kills itself after so many more changes; 0: never. */
static int changes_left;

static void changed(void)
{
    if (changes_left && !--changes_left)
        kill(getpid(), SIGKILL);
}

/* A program was started, or has just ended. */
pid_t waitpid(pid_t pid, int *status, int options)
{
    pid_t r;

    changed();
    r = REAL(waitpid)(pid, status, options);
    changed();
    return r;
}

/* The library has a journal of its own; that is tested on a Xen host. */
static int changes_kept;

static void library_at_work(void)
{
    changes_kept = changes_left;
    changes_left = 0;
}

static void library_done(void)
{
    changes_left = changes_kept;
}

/* A deletion as the command makes it. */
struct deletion {
    struct strings names;
    libxl_snapshot_merge merge;
};

static int num_visible(void)
{
    int i, num = 0;

    for (i = 0; i < st->num_records; i++)
        num += !st->records[i]->hidden;
    return num;
}

static const xl_snapshot_record *any_visible(void)
{
    int i, n = rand() % num_visible();

    for (i = 0; st->records[i]->hidden || n--; i++)
        ;
    return st->records[i];
}

/* Of what the names are of, some may be gone by now. */
static int delete(const struct deletion *d, struct error *e)
{
    int i;

    for (i = 0; i < d->names.num; i++) {
        xl_snapshot_record *rec = store_find(st, d->names.v[i]);

        if (rec && fold_hide(st, rec, d->merge, e))
            return -1;
    }
    return fold_all(&fold, e);
}

static void choose(struct deletion *d)
{
    static const enum tree_range ranges[] = { TREE_ONE, TREE_ONE, TREE_ONE,
                                              TREE_WITH_BELOW, TREE_BELOW };
    static const libxl_snapshot_merge merges[] = {
        LIBXL_SNAPSHOT_MERGE_AUTO, LIBXL_SNAPSHOT_MERGE_AUTO,
        LIBXL_SNAPSHOT_MERGE_FORWARD, LIBXL_SNAPSHOT_MERGE_BACKWARD };
    struct error e = { 0 };

    d->merge = merges[rand() % 4];
    assert_good(tree_choose(st, any_visible()->name, ranges[rand() % 5],
                            &d->names, &e), &e);
}

/* Every file is one that a record, or the domain, has need of. */
static bool needed(const char *path)
{
    int i;

    for (i = 0; i < st->info.num_leftovers; i++)
        if (xls_same_file(st->info.leftovers[i].layer_path, path))
            return true;
    return fold_active(&fold, path) || fold_configured(st, path) ||
        fold_referred(st, path, -1, NULL);
}

static void check_files(void)
{
    DIR *d = opendir(images);
    struct dirent *entry;

    assert_non_null(d);
    while ((entry = readdir(d))) {
        char *path = image(entry->d_name, "");

        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
            !needed(path))
            fail_msg("nothing needs %s", path);
        free(path);
    }
    closedir(d);
}

/* A deleted snapshot is still there for a reason only. */
static void check_hidden(void)
{
    struct error e = { 0 };
    struct layers l;
    int i, j;

    assert_good(layers_load(&l, st, &live, &e), &e);
    for (i = 0; i < st->num_records; i++)
        for (j = 0; st->records[i]->hidden && j < st->records[i]->num_disks;
             j++) {
            const char *path = st->records[i]->disks[j].layer_path;

            if (st->records[i]->disks[j].method ==
                LIBXL_SNAPSHOT_METHOD_INTERNAL && live.num)
                continue;
            if (!fold_obstacle(&fold, &l, layers_find(&l, path)))
                fail_msg("%s of %s could be merged", path,
                         st->records[i]->name);
        }
    layers_free(&l);
}

static bool has_children(const char *path)
{
    struct error e = { 0 };
    struct layers l;
    bool has;

    assert_good(layers_load(&l, st, &live, &e), &e);
    has = layers_num_children(&l, path) > 0;
    layers_free(&l);
    return has;
}

/* No frozen layer can be written, but for one that is about to be unlinked, or
 * that a running domain has been merged into since. */
static void check_protection(void)
{
    int i, j;

    for (i = 0; i < st->num_records; i++)
        for (j = 0; j < st->records[i]->num_disks; j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];
            int fd = open(d->layer_path, O_RDWR | O_CLOEXEC);

            if (fd < 0)
                continue;
            close(fd);
            if (d->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL &&
                !fold_active(&fold, d->layer_path) &&
                !(st->records[i]->hidden && !has_children(d->layer_path)))
                fail_msg("%s is not protected", d->layer_path);
        }
    for (i = 0; i < st->info.num_disks; i++)
        assert_int_equal(access(st->info.disks[i].top_path, W_OK), 0);
}

static void delete_whole(const struct deletion *d)
{
    struct error e = { 0 };

    assert_good(delete(d, &e), &e);
    check_all();
    check_files();
    check_hidden();
    check_protection();
}

/* In a process that is killed at some change, or at some time. */
static bool delete_killed(const struct deletion *d, int change, int delay_us)
{
    struct error e = { 0 };
    int status, ret;
    pid_t pid;

    store_let_go();
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        store_take_again();
        changes_left = change;
        ret = delete(d, &e);
        if (ret)
            fprintf(stderr, "%s\n", e.text);
        _exit(ret ? 1 : 0);
    }
    if (!change) {
        usleep(delay_us);
        kill(pid, SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status))
        assert_int_equal(status, 0);
    store_take_again();
    return WIFSIGNALED(status);
}

static int delete_with_kills(const struct deletion *d)
{
    struct error e = { 0 };
    int kills = 0;

    while (rand() % 4) {
        bool by_time = !live.num && rand() % 3 == 0;

        kills += delete_killed(d, by_time ? 0 : 1 + rand() % 40,
                               rand() % 200000);
        if (live.num)
            set_running(true);
        /* The next command may be another one. */
        if (rand() % 2) {
            assert_good(fold_settle(&fold, &e), &e);
            check_all();
            check_protection();
        }
    }
    delete_whole(d);
    return kills;
}

static void take_one(int number)
{
    struct error e = { 0 };
    char name[16];
    int i;

    snprintf(name, sizeof(name), "s%d", number);
    snapshot(name);
    for (i = 0; i < store_find(st, name)->num_disks; i++)
        if (rand() % 2)
            store_find(st, name)->disks[i].on_delete = rand() % 3;
    assert_good(store_write(st, store_find(st, name), &e), &e);
}

static void make_domain(void)
{
    static const char *const vdevs[] = { "xvda", "xvdb", "xvdc" };
    static const char *const files[] = { "a.disk", "b.disk", "c.disk" };
    int i, num = 1 + rand() % 3;

    for (i = 0; i < num; i++)
        add_disk(vdevs[i], files[i], rand() % 2 ? LIBXL_DISK_FORMAT_QCOW2
                                                : LIBXL_DISK_FORMAT_RAW);
    remember_tops();
}

/* What happens between two deletions: 1, or 0 for nothing any more. */
static bool live_on(int max, int *number)
{
    const xl_snapshot_record *rec;

    if (!num_visible() || (num_visible() < max && rand() % 2)) {
        guest_writes();
        take_one((*number)++);
        return true;
    }
    switch (rand() % 4) {
    case 0:
        rec = any_visible();
        if (can_revert(rec))
            revert(rec);
        return true;
    case 1:
        guest_writes();
        remember_tops();
        return true;
    default:
        return false;
    }
}

static void delete_at_random(bool kills, int *killed)
{
    struct deletion d = { { 0 }, LIBXL_SNAPSHOT_MERGE_AUTO };

    choose(&d);
    set_running(rand() % 2);
    if (kills)
        *killed += delete_with_kills(&d);
    else
        delete_whole(&d);
    set_running(false);
    strings_free(&d.names);
}

/* So many deletions from one domain, and then all that are left; how many. */
static int one_life(int steps, bool kills, int *number, int *killed)
{
    struct error e = { 0 };
    int max = 2 + rand() % (MAX_SNAPSHOTS - 1), done = 0, i;

    make_domain();
    while (steps--) {
        while (live_on(max, number))
            ;
        delete_at_random(kills, killed);
        done++;
    }
    while (num_visible()) {
        delete_at_random(kills, killed);
        done++;
    }
    assert_good(fold_all(&fold, &e), &e);
    assert_int_equal(st->num_records, 0);
    assert_int_equal(st->info.num_leftovers, 0);
    for (i = 0; i < st->info.num_disks; i++)
        assert_int_equal(access(st->info.disks[i].top_path, R_OK | W_OK), 0);
    return done;
}

static void run_steps(void **state, int steps, bool kills)
{
    const char *seed_given = getenv("TREE_SEED");
    const char *steps_given = getenv("TREE_STEPS");
    unsigned seed = seed_given ? (unsigned)atoi(seed_given) : 1000;
    time_t end = time(NULL) + SECONDS;
    int number = 0, killed = 0, done = 0;

    if (steps_given)
        steps = atoi(steps_given);
    printf("TREE_SEED=%u\n", seed);
    srand(seed);
    do {
        done += one_life(1 + rand() % 15, kills, &number, &killed);
        teardown(state);
        setup(state);
    } while (done < steps && (steps_given || time(NULL) < end));
    printf("# seed %u: %d deletions among %d snapshots", seed, done, number);
    if (kills)
        printf(", killed %d times", killed);
    puts("");
}

static void random_deletions_leave_all_else_as_it_is(void **state)
{
    run_steps(state, STEPS, false);
}

static void so_do_those_that_are_killed(void **state)
{
    run_steps(state, STEPS / 4, true);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(random_deletions_leave_all_else_as_it_is),
        TEST(so_do_those_that_are_killed),
    };

    library_begins = library_at_work;
    library_ends = library_done;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
