/* SPDX-License-Identifier: LGPL-2.1-only */
/* Files: what a user may call his, what must not be one file, and what an
 * administrator has protected. */
#include "qmp/job_support.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

/* A snapshot of disks (their vdevs), each with this external_path. */
static int snapshot_as(int num, const char *const *vdevs,
                       const char *const *paths, bool reuse)
{
    libxl_domain_snapshot_args args;
    int i, rc;

    libxl_domain_snapshot_args_init(&args);
    args.num_disks = num;
    args.disks = xls_calloc(num, sizeof(*args.disks));
    for (i = 0; i < num; i++) {
        libxl_disk_snapshot_init(&args.disks[i]);
        args.disks[i].disk.vdev = xls_strdup(vdevs[i]);
        args.disks[i].method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
        args.disks[i].external_path = xls_strdup(paths[i]);
        args.disks[i].keep_path = !reuse;
        args.disks[i].reuse_external = reuse;
    }
    rc = host_call(libxl_domain_snapshot_create(host_ctx, host.domid, &args,
                                                &host_how, NULL));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static int snapshot_as_plain(const char *vdev, const char *path)
{
    libxl_domain_snapshot_args args;
    int rc;

    one_disk(&args, vdev, LIBXL_SNAPSHOT_METHOD_EXTERNAL, xls_strdup(path));
    rc = host_call(libxl_domain_snapshot_create(host_ctx, host.domid, &args,
                                                &host_how, NULL));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static int snapshot_xvda_as(const char *path)
{
    static const char *const vdev = "xvda";

    return snapshot_as(1, &vdev, &path, false);
}

static char *beside_disk(const char *suffix)
{
    return xls_asprintf("%s%s", host.disks[0].path, suffix);
}

static ino_t inode(const char *path)
{
    struct stat st;

    return lstat(path, &st) ? 0 : st.st_ino;
}

static void start(void)
{
    memset(written, 0, sizeof(written));
    host_start(vm_start(1, NULL));
    guest_writes(1, 1);
    guest_writes(2, 2);
}

/* Earlier versions called a file so for a moment. */
static void a_snapshot_has_the_name_of_a_former_temporary_file(void **state)
{
    char *name, *second;

    (void)state;
    start();
    name = beside_disk(".xls-tmp");
    if (snapshot_xvda_as(name))
        fail_msg("%s", vm_logged());
    guest_writes(3, 3);
    assert_true(is_protected(name));
    host_reboot();
    guest_reads_its_data();
    second = beside_disk(".2");
    assert_int_equal(snapshot_xvda_as(second), 0);
    /* Backward, so that a layer takes over a path. */
    if (commit(NULL, second, 0))
        fail_msg("%s", vm_logged());
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    guest_reads_its_data();
    assert_true(is_protected(name));
    free(second);
    free(name);
}

/* A user's second name of the very file, under each step that takes a path. */
static void a_second_name_that_a_user_made_stays(void **state)
{
    char *theirs, *layer;
    ino_t its;

    (void)state;
    start();
    theirs = beside_disk(".xls-tmp");
    layer = layer_path(1);
    assert_int_equal(link(host.disks[0].path, theirs), 0);
    its = inode(theirs);
    if (snapshot(1))
        fail_msg("%s", vm_logged());
    assert_int_equal(inode(theirs), its);
    guest_writes(3, 3);
    if (commit(NULL, layer, 0))
        fail_msg("%s", vm_logged());
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    assert_int_equal(inode(theirs), its);
    assert_int_equal(inode(host.disks[0].path), its);
    guest_reads_its_data();
    free(layer);
    free(theirs);
}

/* --- names that are one --- */

static void refused(int rc, const char *says)
{
    assert_int_equal(rc, ERROR_INVAL);
    if (!strstr(vm_logged(), says))
        fail_msg("not \"%s\": %s", says, vm_logged());
}

static void names_of_one_file_are_refused_before_anything(void **state)
{
    static const char *const both[] = { "xvda", "xvdb" };
    char *paths[2], *before, *after, *alias;

    (void)state;
    host_start(vm_start(2, NULL));
    alias = xls_asprintf("%s/alias", host.images);
    assert_int_equal(symlink(".", alias), 0);
    before = sh_output("ls -i '%s'", host.images);

    /* One directory, by two names. */
    paths[0] = xls_asprintf("%s/new", host.images);
    paths[1] = xls_asprintf("%s/alias/new", host.images);
    refused(snapshot_as(2, both, (const char *const *)paths, false),
            "external_path of disk xvda");
    free(paths[1]);
    paths[1] = xls_asprintf("%s/./new", host.images);
    refused(snapshot_as(2, both, (const char *const *)paths, false),
            "external_path of disk xvdb");

    /* Prepared by the toolstack, but another disk's. */
    refused(snapshot_as(1, both, (const char *const[]){ host.disks[1].path },
                        true), "the file of disk xvdb");
    free(paths[1]);
    paths[1] = xls_asprintf("%s/linked", host.images);
    assert_int_equal(link(host.disks[0].path, paths[1]), 0);
    refused(snapshot_as(1, both, (const char *const[]){ paths[1] }, true),
            "the file of disk xvda");
    unlink(paths[1]);

    after = sh_output("ls -i '%s'", host.images);
    assert_string_equal(before, after);
    assert_int_equal(host.pauses, 0);
    free(before);
    free(after);
    free(paths[0]);
    free(paths[1]);
    free(alias);
}

/* --- what an administrator has protected --- */

/* The active layer's data goes down into the layer. */
static int delete_down(char *layer)
{
    libxl_disk_snapshot disk = {
        .disk.vdev = (char *)"xvda", .external_path = layer,
        .method = LIBXL_SNAPSHOT_METHOD_EXTERNAL,
        .merge = LIBXL_SNAPSHOT_MERGE_BACKWARD, .force = true,
    };
    libxl_domain_snapshot_args args = { .disks = &disk, .num_disks = 1 };

    return host_call(libxl_domain_snapshot_delete(host_ctx, host.domid, &args,
                                                  &host_how, NULL));
}

static void a_path_by_the_directory_of_a_start_is_refused(void **state)
{
    (void)state;
    start();
    strcpy(host.disks[0].path, "disk.qcow2");
    assert_int_equal(snapshot_xvda_as("/tmp/disk.qcow2.s1"),
                     ERROR_SNAPSHOT_DISK_UNSUPPORTED);
    assert_non_null(strstr(vm_logged(), "give the absolute one"));
}

static void an_administrators_protection_is_not_lifted(void **state)
{
    char *layer, *before, *after;

    (void)state;
    start();
    layer = layer_path(1);
    assert_int_equal(snapshot(1), 0);
    guest_writes(3, 3);
    sh("chattr -i '%s'", layer);
    assert_int_equal(removexattr(layer, "trusted.xlsnapshot"), 0);
    sh("chattr +i '%s'", layer);
    before = sh_output("md5sum '%s'", layer);
    assert_int_equal(delete_down(layer), ERROR_SNAPSHOT_STORAGE);
    assert_non_null(strstr(vm_logged(), "not by a snapshot"));
    after = sh_output("md5sum '%s'", layer);
    assert_string_equal(before, after);
    assert_true(is_protected(layer));
    guest_reads_its_data();
    /* Once it may be changed. */
    sh("chattr -i '%s'", layer);
    if (delete_down(layer))
        fail_msg("%s", vm_logged());
    all_is_right(1);
    free(layer);
    free(before);
    free(after);
}

/* --- where the files are --- */

static void without_hard_links_nothing_is_done(void **state)
{
    static const char *const vdev = "xvda";
    char *before, *after, *path;

    (void)state;
    start();
    before = sh_output("ls -i '%s'", host.images);
    host.no_links = true;
    assert_int_equal(snapshot(1), ERROR_SNAPSHOT_STORAGE);
    if (!strstr(vm_logged(), "without hard links") ||
        !strstr(vm_logged(), "--disk VDEV,path=FILE"))
        fail_msg("%s", vm_logged());
    after = sh_output("ls -i '%s'", host.images);
    assert_string_equal(before, after);
    assert_int_equal(host.pauses, 0);
    all_is_right(1);

    /* The way out. */
    path = layer_path(2);
    assert_int_equal(snapshot_as_plain(vdev, path), 0);
    guest_writes(3, 3);
    assert_string_equal(host.disks[0].path, path);
    all_is_right(2);
    if (pull(NULL, 0))
        fail_msg("%s", vm_logged());
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    all_is_right(1);
    free(path);
    free(before);
    free(after);
}

/* The disk's path is a symlink, into a directory where its file is. */
static void a_snapshot_of_a_symlinked_disk_is_beside_its_file(void **state)
{
    char *real, *elsewhere = xls_strdup("/dev/shm/xls-elsewhere-XXXXXX");
    char *other = NULL, *layer;
    struct stat st, st_here;

    (void)state;
    start();
    real = xls_asprintf("%s/real/disk", host.images);
    sh("mkdir '%s/real'", host.images);
    sh("mv '%s' '%s'", host.disks[0].path, real);
    assert_int_equal(symlink(real, host.disks[0].path), 0);
    host_reboot();

    layer = xls_asprintf("%s.s1", real);
    if (snapshot_xvda_as(layer))
        fail_msg("%s", vm_logged());
    guest_writes(3, 3);
    guest_reads_its_data();
    assert_true(is_protected(layer));
    assert_int_equal(lstat(host.disks[0].path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    if (commit(NULL, layer, 0))
        fail_msg("%s", vm_logged());
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    guest_reads_its_data();
    assert_int_equal(lstat(host.disks[0].path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(access(layer, F_OK), -1);

    assert_non_null(mkdtemp(elsewhere));
    other = xls_asprintf("%s/s2", elsewhere);
    if (!stat(elsewhere, &st) && !stat(host.images, &st_here) &&
        st.st_dev != st_here.st_dev) {
        refused(snapshot_xvda_as(other), "on another file system");
        guest_reads_its_data();
    }
    assert_int_equal(rmdir(elsewhere), 0);
    free(elsewhere);
    free(other);
    free(layer);
    free(real);
}

/* Whoever may write the directory puts a symlink there. */
static char *swapped, *victim;

static void swap(void)
{
    char *away = xls_asprintf("%s.away", swapped);

    assert_int_equal(rename(swapped, away), 0);
    assert_int_equal(symlink(victim, swapped), 0);
    free(away);
}

static void an_overlay_that_is_swapped_leads_nowhere(void **state)
{
    (void)state;
    start();
    swapped = layer_path(1);
    victim = beside_disk(".victim");
    sh("echo victim > '%s'", victim);
    host.before = swap;
    assert_int_not_equal(snapshot_as_plain("xvda", swapped), 0);
    assert_null(host.before);
    sh("test \"$(cat '%s')\" = victim", victim);
    assert_int_equal(unlink(victim), 0);
    sh("rm -f '%s' '%s.away'", swapped, swapped);
    all_is_right(1);
    free(swapped);
    free(victim);
}

/* --- what cannot be put back --- */

static ino_t disk_inode;

/* The file system becomes read-only while the disk's path names the overlay. */
static void fail_when_moved(void)
{
    if (inode(host.disks[0].path) == disk_inode)
        host.before = fail_when_moved;
    else
        host.read_only = true;
}

/* The same, while the overlay is there and nothing else has changed. */
static void fail_when_made(void)
{
    char *out = sh_output("ls '%s' | grep xls-new || true", host.images);

    if (out[0])
        host.read_only = true;
    else
        host.before = fail_when_made;
    free(out);
}

static void the_next_command_puts_back_what_could_not_be(void **state)
{
    void (*const when[])(void) = { fail_when_moved, fail_when_made };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(when) / sizeof(when[0]); i++) {
        start();
        disk_inode = inode(host.disks[0].path);
        host.before = when[i];
        assert_int_equal(snapshot(1), ERROR_SNAPSHOT_INCOMPLETE);
        assert_null(host.before);
        assert_true(host.read_only);
        assert_non_null(strstr(vm_logged(), "the next snapshot command"));
        guest_writes(3, 3);
        /* As long as it is so, nothing goes on. */
        assert_int_equal(snapshot(2), ERROR_SNAPSHOT_INCOMPLETE);
        guest_writes(4, 4);
        host.read_only = false;
        vm_log_clear();
        if (snapshot(2))
            fail_msg("%s", vm_logged());
        guest_writes(5, 5);
        all_is_right(2);
        host_reboot();
        guest_reads_its_data();
        host_teardown(NULL);
    }
}

/* --- what a killed process has left --- */

/* Killed before it made anything: a file that a user makes then stays. */
static void a_users_file_is_not_taken_for_what_was_killed(void **state)
{
    char *layer, *disk;
    int status;
    pid_t pid;

    (void)state;
    start();
    layer = layer_path(1);
    disk = xls_strdup(host.disks[0].path);
    host_away();
    fflush(NULL);
    pid = fork();
    if (!pid) {
        host_kill_after(1);     /* the journal has its name */
        _exit(snapshot(1) ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 99);
    host_back(0);
    sh("echo theirs > '%s'", layer);
    assert_int_equal(snapshot(2), 0);
    sh("grep -q theirs '%s'", layer);
    guest_writes(3, 3);
    assert_string_equal(disk, host.disks[0].path);
    all_is_right(2);
    free(disk);
    free(layer);
}

/* Kills the snapshot after each of its changes; what it recorded is found. */
static void second_names_are_found_again_after_a_kill(void **state)
{
    int n, status = 0, killed = 0;

    (void)state;
    for (n = 1; ; n++) {
        char *layer;
        pid_t pid;

        start();
        host_away();
        fflush(NULL);
        pid = fork();
        if (!pid) {
            host_kill_after(n);
            _exit(snapshot(1) ? 1 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        host_back(0);
        if (WEXITSTATUS(status) != 99)
            break;
        killed++;
        host.paused = false;
        assert_int_equal(snapshot(2), 0);
        guest_writes(3, 3);
        layer = layer_path(1);
        /* Undone, or killed when all was done. */
        all_is_right(access(layer, F_OK) ? 2 : 3);
        free(layer);
        host_teardown(NULL);
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(killed > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            a_snapshot_has_the_name_of_a_former_temporary_file, host_teardown),
        cmocka_unit_test_teardown(a_second_name_that_a_user_made_stays,
                                  host_teardown),
        cmocka_unit_test_teardown(
            names_of_one_file_are_refused_before_anything, host_teardown),
        cmocka_unit_test_teardown(a_path_by_the_directory_of_a_start_is_refused,
                                  host_teardown),
        cmocka_unit_test_teardown(an_administrators_protection_is_not_lifted,
                                  host_teardown),
        cmocka_unit_test_teardown(without_hard_links_nothing_is_done,
                                  host_teardown),
        cmocka_unit_test_teardown(
            a_snapshot_of_a_symlinked_disk_is_beside_its_file, host_teardown),
        cmocka_unit_test_teardown(an_overlay_that_is_swapped_leads_nowhere,
                                  host_teardown),
        cmocka_unit_test_teardown(the_next_command_puts_back_what_could_not_be,
                                  host_teardown),
        cmocka_unit_test_teardown(
            a_users_file_is_not_taken_for_what_was_killed, host_teardown),
        cmocka_unit_test_teardown(second_names_are_found_again_after_a_kill,
                                  host_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
