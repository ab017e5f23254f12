/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * While qemu-img writes a layer of a domain that does not run, no domain can
 * be started on it: neither by the file that a configuration names nor by one
 * above it. Seen by a qemu-img that looks before it does its work.
 */
#include "support/trees.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "layers/run.h"
#include "offline/merge_internal.h"

#define DOMID 7

static char *real_path;         /* of PATH */

/* Puts a qemu-img before the real one, which notes each image that it writes,
 * and which of starts, of the format that follows each, can be opened then. */
static void spy(char *starts)
{
    char *bin = xls_asprintf("%s/bin", dir), *file, *path;
    FILE *script;

    assert_int_equal(mkdir(bin, 0700), 0);
    file = xls_asprintf("%s/qemu-img", bin);
    script = fopen(file, "w");
    assert_non_null(script);
    fprintf(script, "#!/bin/sh\n"
            "PATH='%s'\n"
            "case $1 in commit | rebase | check | snapshot)\n"
            "    echo \"$1\" >> %s/written\n"
            "    set -- %s \"$@\"\n"
            "    while [ \"$1\" != commit ] && [ \"$1\" != rebase ] &&\n"
            "          [ \"$1\" != check ] && [ \"$1\" != snapshot ]; do\n"
            "        qemu-img info --backing-chain -U -f \"$2\" \"$1\" "
            ">/dev/null 2>&1 && echo \"$1\" >> %s/reached\n"
            "        shift 2\n"
            "    done ;;\n"
            "esac\n"
            "exec qemu-img \"$@\"\n", real_path, dir, starts, dir);
    assert_int_equal(fclose(script), 0);
    assert_int_equal(chmod(file, 0700), 0);
    path = xls_asprintf("%s:%s", bin, real_path);
    assert_int_equal(setenv("PATH", path, 1), 0);
    free(path);
    free(file);
    free(bin);
    free(starts);
}

static bool noted(const char *what)
{
    char *path = xls_asprintf("%s/%s", dir, what);
    bool is = !access(path, F_OK);

    free(path);
    return is;
}

static int setup_spy(void **state)
{
    free(real_path);
    real_path = xls_strdup(getenv("PATH"));
    srand(1);
    return setup(state);
}

static int teardown_spy(void **state)
{
    merge.unused = NULL;
    live_free(&live);
    setenv("PATH", real_path, 1);
    return teardown(state);
}

/* An external snapshot of the one disk, whatever rand says. */
static void take(const char *name)
{
    srand(7);
    guest_writes();
    srand(7);
    snapshot(name);
    assert_int_equal(store_find(st, name)->disks[0].method,
                     LIBXL_SNAPSHOT_METHOD_EXTERNAL);
}

static void delete(const char *name, libxl_snapshot_merge direction)
{
    struct error e = { 0 };

    assert_good(merge_hide(st, store_find(st, name), direction, &e), &e);
    assert_good(merge_all(&merge, &e), &e);
    assert_null(store_find(st, name));
    assert_true(noted("written"));
    assert_false(noted("reached"));
    check_all();
}

static char *top(void)
{
    return st->info.disks[0].top_path;
}

static char *starts(const char *a, const char *a_format, const char *b,
                    const char *b_format)
{
    return xls_asprintf("'%s' %s '%s' %s", a, a_format, b, b_format);
}

/* A disk with a snapshot s0; its active layer is what the spy tries to open. */
static void spied_with_a_snapshot(void)
{
    add_disk("xvda", "a.qcow2", LIBXL_DISK_FORMAT_QCOW2);
    take("s0");
    guest_writes();
    remember_tops();
    spy(starts(top(), "qcow2", top(), "qcow2"));
}

static void the_active_layer_is_out_of_reach_while_it_is_written(void **state)
{
    (void)state;
    spied_with_a_snapshot();
    delete("s0", LIBXL_SNAPSHOT_MERGE_FORWARD);
}

static void a_frozen_layer_is_out_of_reach_while_it_is_written(void **state)
{
    (void)state;
    add_disk("xvda", "a.qcow2", LIBXL_DISK_FORMAT_QCOW2);
    take("s0");
    take("s1");
    guest_writes();
    remember_tops();
    spy(starts(top(), "qcow2", store_find(st, "s1")->disks[0].layer_path,
               "qcow2"));
    delete("s0", LIBXL_SNAPSHOT_MERGE_FORWARD);
}

static void both_layers_of_a_commit_are_out_of_reach(void **state)
{
    (void)state;
    spied_with_a_snapshot();
    delete("s0", LIBXL_SNAPSHOT_MERGE_BACKWARD);
}

static void a_configured_base_is_out_of_reach_while_it_is_written(void **state)
{
    (void)state;
    add_disk("xvdb", "b.raw", LIBXL_DISK_FORMAT_RAW);
    take("s0");
    guest_writes();
    remember_tops();
    spy(starts(top(), "qcow2", st->info.disks[0].config_path, "raw"));
    delete("s0", LIBXL_SNAPSHOT_MERGE_BACKWARD);
    assert_string_equal(top(), st->info.disks[0].config_path);
}

/* As a QEMU that was started a moment ago has it. */
static pid_t hold_open(const char *path)
{
    pid_t pid = fork();
    int fd;

    assert_true(pid >= 0);
    if (pid == 0) {
        fd = open(path, O_RDWR);
        if (fd < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL))
            _exit(1);
        /* Not longer than the whole test may take. */
        sleep(60);
        _exit(0);
    }
    return pid;
}

static void a_layer_that_a_process_has_open_is_not_written(void **state)
{
    struct error e = { 0 };
    struct stat before, after;
    char *path;
    pid_t pid;
    int i;

    (void)state;
    spied_with_a_snapshot();
    path = xls_strdup(top());
    assert_int_equal(stat(path, &before), 0);
    pid = hold_open(path);
    usleep(100000);
    for (i = 0; i < 2; i++) {
        merge_hide(st, store_find(st, "s0"),
                   i ? LIBXL_SNAPSHOT_MERGE_FORWARD
                     : LIBXL_SNAPSHOT_MERGE_BACKWARD, &e);
        assert_error(merge_all(&merge, &e), &e, path);
        assert_false(noted("written"));
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_null(st->info.writing);
    }
    check_all();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_good(merge_all(&merge, &e), &e);
    check_all();
    free(path);
}

/* A domain that appears once the command has begun. */
static int appears(void *user, const char *path, struct error *e)
{
    (void)user;
    return error_set(e, "%s is in use by domain web1", path);
}

static void a_domain_that_appears_stops_the_merge(void **state)
{
    struct error e = { 0 };

    (void)state;
    spied_with_a_snapshot();
    merge.unused = appears;
    assert_good(merge_hide(st, store_find(st, "s0"), 0, &e), &e);
    assert_error(merge_all(&merge, &e), &e, "domain web1");
    assert_false(noted("written"));
    assert_int_equal(access(top(), R_OK | W_OK), 0);
    check_all();
}

static void a_file_that_a_domain_uses_by_now_is_not_removed(void **state)
{
    struct error e = { 0 };

    (void)state;
    add_disk("xvda", "a.qcow2", LIBXL_DISK_FORMAT_QCOW2);
    str_replace(&st->info.disks[0].top_path, NULL);
    merge.unused = appears;
    assert_good(merge_discard(&merge, st->info.disks[0].config_path, NULL, &e),
                &e);
    assert_int_equal(access(st->info.disks[0].config_path, F_OK), 0);
    merge.unused = NULL;
}

static void another_file_of_that_name_is_not_replaced(void **state)
{
    struct error e = { 0 };
    char *path;
    FILE *file;

    (void)state;
    add_disk("xvda", "a.qcow2", LIBXL_DISK_FORMAT_QCOW2);
    path = xls_strdup(top());
    assert_good(merge_begin(&merge, path, LIBXL_DISK_FORMAT_QCOW2, &e), &e);
    assert_int_equal(access(path, F_OK), -1);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_error(merge_recover(&merge, &e), &e, st->info.writing_as);
    assert_int_equal(access(st->info.writing_as, F_OK), 0);
    assert_int_equal(unlink(path), 0);
    assert_good(merge_recover(&merge, &e), &e);
    assert_int_equal(access(path, R_OK | W_OK), 0);
    free(path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_spy, teardown_spy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_active_layer_is_out_of_reach_while_it_is_written),
        TEST(a_frozen_layer_is_out_of_reach_while_it_is_written),
        TEST(both_layers_of_a_commit_are_out_of_reach),
        TEST(a_configured_base_is_out_of_reach_while_it_is_written),
        TEST(a_layer_that_a_process_has_open_is_not_written),
        TEST(a_domain_that_appears_stops_the_merge),
        TEST(a_file_that_a_domain_uses_by_now_is_not_removed),
        TEST(another_file_of_that_name_is_not_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
