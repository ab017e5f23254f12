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
#include "support/deletions.h"
#include "support/running.h"
#include "support/trees.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "name_changes.h"

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
        ret = delete_as_command(d, &e);
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
            assert_good(merge_recover(&merge, &e), &e);
            check_all();
            check_protection();
        }
    }
    delete_whole(d);
    return kills;
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

    choose_deletion(&d);
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
    assert_good(merge_all(&merge, &e), &e);
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
