/* SPDX-License-Identifier: LGPL-2.1-only */
/* Names of files: how one takes another's place, and what is never removed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>
#include <libxl_snapshot.h>

#include "common/alloc.h"
#include "common/files.h"
#include "common/json/file_id.h"
#include "log.h"

static char dir[] = "/tmp/xls-files-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    test_logged[0] = '\0';
    strcpy(strrchr(dir, '-'), "-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char *command = xls_asprintf("chattr -f -R -i '%s'; rm -rf '%s'", dir, dir);
    int r = system(command);

    (void)state;
    free(command);
    return r;
}

/* For the test's time. */
static const char *at(const char *name)
{
    static char paths[8][256];
    static int next;

    next = (next + 1) % 8;
    snprintf(paths[next], sizeof(paths[next]), "%s/%s", dir, name);
    return paths[next];
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static bool has(const char *name, const char *text)
{
    char read[64] = "";
    FILE *f = fopen(at(name), "r");

    if (!f)
        return false;
    read[fread(read, 1, sizeof(read) - 1, f)] = '\0';
    fclose(f);
    return !strcmp(read, text);
}

static bool is_there(const char *name)
{
    struct stat st;

    return !lstat(at(name), &st);
}

/* --- taking a path --- */

static void a_path_is_taken_and_no_second_name_is_left(void **state)
{
    char *name;

    (void)state;
    put("layer", "layer");
    put("top", "top");
    put("top.xls-tmp", "theirs");
    name = xls_file_second_name(at("top"));
    assert_int_equal(xls_file_take_path_prepare(&test_log, at("layer"),
                                                name, NULL), 0);
    assert_true(xls_is_second_name(name, at("layer")));
    assert_int_equal(xls_file_take_path(&test_log, at("layer"), at("top"),
                                        name, NULL), 0);
    assert_true(has("top", "layer"));
    assert_true(has("layer", "layer"));
    assert_true(has("top.xls-tmp", "theirs"));
    assert_int_equal(access(name, F_OK), -1);
    /* Once more, as recovery does. */
    assert_int_equal(xls_file_take_path(&test_log, at("layer"), at("top"),
                                        name, NULL), 0);
    assert_int_equal(access(name, F_OK), -1);
    free(name);
}

static void two_second_names_are_different_ones(void **state)
{
    char *a = xls_file_second_name(at("top"));
    char *b = xls_file_second_name(at("top"));

    (void)state;
    assert_string_not_equal(a, b);
    assert_memory_equal(a, at("top.xls-new-"), strlen(at("top.xls-new-")));
    free(a);
    free(b);
}

static void a_file_that_has_the_second_name_is_no_obstacle_to_be_removed(
    void **state)
{
    const char *name = at("name");

    (void)state;
    put("layer", "layer");
    put("top", "top");
    put("name", "theirs");
    assert_int_equal(xls_file_take_path(&test_log, at("layer"), at("top"),
                                        name, NULL), ERROR_SNAPSHOT_EXISTS);
    assert_true(has("name", "theirs"));
    assert_true(has("top", "top"));
}

static void only_a_second_name_is_dropped(void **state)
{
    (void)state;
    put("layer", "layer");
    put("other", "other");
    xls_file_drop_second_name(&test_log, at("layer"), at("layer"));
    assert_true(is_there("layer"));     /* the only one */
    assert_int_equal(link(at("other"), at("other2")), 0);
    xls_file_drop_second_name(&test_log, at("other2"), at("layer"));
    assert_true(is_there("other2"));    /* of another file */
    assert_int_equal(symlink("layer", at("link")), 0);
    xls_file_drop_second_name(&test_log, at("link"), at("layer"));
    assert_true(is_there("link"));
    xls_file_drop_second_name(&test_log, at("other2"), at("other"));
    assert_false(is_there("other2"));
    assert_true(has("other", "other"));
}

/* What a killed process of an earlier version has left. */
static void the_name_of_earlier_versions_is_found(void **state)
{
    char *name;

    (void)state;
    put("layer", "layer");
    put("top", "top");
    assert_int_equal(link(at("layer"), at("top.xls-tmp")), 0);
    name = xls_file_second_name_unrecorded(at("layer"), at("top"));
    assert_string_equal(name, at("top.xls-tmp"));
    xls_file_drop_second_name(&test_log, name, at("layer"));
    assert_false(is_there("top.xls-tmp"));
    free(name);

    /* A file of that name, or a name of another file, is the user's. */
    put("top.xls-tmp", "theirs");
    name = xls_file_second_name_unrecorded(at("layer"), at("top"));
    assert_string_not_equal(name, at("top.xls-tmp"));
    free(name);
    assert_int_equal(link(at("top.xls-tmp"), at("theirs")), 0);
    name = xls_file_second_name_unrecorded(at("layer"), at("top"));
    assert_string_not_equal(name, at("top.xls-tmp"));
    free(name);
}

/* --- which file it is --- */

static void another_file_is_not_taken(void **state)
{
    struct xls_file_id id;

    (void)state;
    put("layer", "layer");
    put("top", "top");
    assert_int_equal(xls_identify(at("layer"), &id), 0);
    assert_int_equal(rename(at("layer"), at("away")), 0);
    put("layer", "another");
    assert_int_equal(xls_file_take_path(&test_log, at("layer"), at("top"),
                                        at("name"), &id),
                     ERROR_SNAPSHOT_STORAGE);
    assert_non_null(strstr(test_logged, "not the file any more"));
    assert_true(has("top", "top"));
    assert_true(has("layer", "another"));
    assert_false(is_there("name"));
    assert_int_equal(xls_file_check_id(&test_log, at("away"), &id), 0);
    assert_int_equal(xls_file_check_id(&test_log, at("layer"), &id),
                     ERROR_SNAPSHOT_STORAGE);
}

/* An inode's number is used again, a device's is another after a restart. */
static void a_file_is_known_by_its_birth(void **state)
{
    struct xls_json *o = xls_json_object();
    struct xls_file_id id, later, moved;

    (void)state;
    put("layer", "layer");
    assert_int_equal(xls_identify(at("layer"), &id), 0);
    if (!id.born_ns)
        skip();
    xls_file_id_to_json(o, "id", &id);
    id = xls_file_id_from_json(o, "id");
    xls_json_free(o);
    assert_true(xls_is_file(at("layer"), &id));
    later = moved = id;
    later.born_ns--;
    assert_false(xls_is_file(at("layer"), &later));
    assert_false(xls_was_file(at("layer"), &later));
    moved.dev++;
    assert_true(xls_is_file(at("layer"), &moved));
    /* A file system that does not tell. */
    moved.born_ns = 0;
    assert_false(xls_is_file(at("layer"), &moved));
    assert_true(xls_was_file(at("layer"), &moved));
    moved.dev--;
    assert_true(xls_is_file(at("layer"), &moved));
    assert_false(xls_was_file(at("missing"), &moved));
}

static void a_layer_behind_a_symlink_takes_a_path(void **state)
{
    char *name;

    (void)state;
    put("real", "layer");
    put("top", "top");
    assert_int_equal(symlink("real", at("layer")), 0);
    name = xls_file_second_name(at("top"));
    assert_int_equal(xls_file_take_path_prepare(&test_log, at("layer"), name,
                                                NULL), 0);
    assert_int_equal(xls_file_take_path(&test_log, at("layer"), at("top"),
                                        name, NULL), 0);
    assert_true(has("top", "layer"));
    assert_int_equal(xls_file_drop_former(&test_log, at("layer"), at("top")),
                     0);
    assert_false(is_there("layer") || is_there("real"));
    assert_true(has("top", "layer"));
    free(name);
}

/* --- what is on the disk --- */

static struct xls_file_id synced[8];
static int num_synced;
static bool no_fsync;

int fsync(int fd)
{
    struct stat st;

    if (!fstat(fd, &st) && num_synced < 8)
        synced[num_synced++] =
            (struct xls_file_id){ .dev = st.st_dev, .ino = st.st_ino };
    if (no_fsync) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

/* Since it was last asked. */
static bool was_synced(const char *path)
{
    int i;

    for (i = 0; i < num_synced; i++)
        if (xls_is_file(path, &synced[i]))
            return true;
    return false;
}

static void a_change_of_a_name_is_on_the_disk(void **state)
{
    (void)state;
    put("a", "a");
    assert_int_equal(mkdir(at("d"), 0755), 0);
    num_synced = 0;
    assert_int_equal(xls_file_link(&test_log, at("a"), at("d/b"), NULL), 0);
    assert_true(was_synced(at("d")));
    num_synced = 0;
    assert_int_equal(xls_file_rename(&test_log, at("a"), at("d/a")), 0);
    assert_true(was_synced(at("d")) && was_synced(dir));
    num_synced = 0;
    assert_int_equal(xls_file_rename_new(&test_log, at("d/a"), at("d/c")), 0);
    assert_true(was_synced(at("d")));
    num_synced = 0;
    assert_int_equal(xls_file_unlink(&test_log, at("d/c")), 0);
    assert_true(was_synced(at("d")));
    /* While a guest waits, nothing is. */
    num_synced = 0;
    assert_int_equal(xls_file_rename_now(&test_log, at("d/b"), at("d/e")), 0);
    assert_int_equal(xls_file_unlink_now(&test_log, at("d/e")), 0);
    assert_int_equal(num_synced, 0);
}

static void what_does_not_get_there_is_told(void **state)
{
    (void)state;
    put("a", "a");
    no_fsync = true;
    assert_int_equal(xls_file_link(&test_log, at("a"), at("b"), NULL),
                     ERROR_SNAPSHOT_STORAGE);
    assert_false(is_there("b"));
    assert_int_equal(xls_file_rename(&test_log, at("a"), at("c")),
                     ERROR_SNAPSHOT_STORAGE);
    assert_int_equal(xls_file_unlink(&test_log, at("c")),
                     ERROR_SNAPSHOT_STORAGE);
    no_fsync = false;
}

/* --- directories of another user --- */

#define USER 12345

/* The user's directory "u", with a symlink of his as he likes. */
static void users_link(const char *target, const char *name)
{
    if (!is_there("u"))
        assert_int_equal(mkdir(at("u"), 0755), 0);
    assert_int_equal(chown(at("u"), USER, USER), 0);
    assert_int_equal(symlink(target, at(name)), 0);
    assert_int_equal(lchown(at(name), USER, USER), 0);
}

static void a_users_symlink_leads_nowhere(void **state)
{
    int fd;

    (void)state;
    assert_int_equal(mkdir(at("etc"), 0755), 0);
    put("etc/shadow", "secret");
    users_link("../etc/shadow", "u/disk");
    users_link("../etc", "u/dir");

    assert_int_equal(xls_file_link(&test_log, at("u/disk"), at("copy"), NULL),
                     ERROR_SNAPSHOT_STORAGE);
    assert_non_null(strstr(test_logged, "symlink of another user"));
    assert_int_equal(xls_file_link(&test_log, at("u/dir/shadow"), at("copy"),
                                   NULL), ERROR_SNAPSHOT_STORAGE);
    assert_false(is_there("copy"));
    assert_int_equal(xls_file_create(&test_log, at("u/dir/new"), NULL, &fd),
                     ERROR_SNAPSHOT_STORAGE);
    assert_int_equal(xls_file_create(&test_log, at("u/disk"), NULL, &fd),
                     ERROR_SNAPSHOT_EXISTS);
    assert_false(is_there("etc/new"));
    assert_int_equal(xls_file_headroom(&test_log, at("u/disk"), 1 << 20),
                     ERROR_SNAPSHOT_STORAGE);
    assert_int_equal(xls_file_unlink(&test_log, at("u/dir/shadow")),
                     ERROR_SNAPSHOT_STORAGE);
    put("etc/own", "own");
    assert_int_equal(xls_file_rename(&test_log, at("etc/own"),
                                     at("u/dir/shadow")),
                     ERROR_SNAPSHOT_STORAGE);
    assert_int_equal(xls_file_take_path(&test_log, at("etc/own"),
                                        at("u/disk"), at("etc/second"), NULL),
                     ERROR_SNAPSHOT_STORAGE);
    assert_true(has("etc/shadow", "secret"));
    /* The link itself may go. */
    assert_int_equal(xls_file_unlink(&test_log, at("u/disk")), 0);
    assert_true(has("etc/shadow", "secret"));
}

static void a_symlink_is_followed_where_its_owner_may(void **state)
{
    (void)state;
    /* Of the user's own file, … */
    users_link("real", "u/disk");
    put("u/real", "layer");
    assert_int_equal(chown(at("u/real"), USER, USER), 0);
    assert_int_equal(xls_file_link(&test_log, at("u/disk"), at("u/copy"),
                                   NULL), 0);
    assert_true(has("u/copy", "layer"));
    /* … and one that root made there. */
    put("elsewhere", "root's");
    assert_int_equal(symlink("../elsewhere", at("u/roots")), 0);
    assert_int_equal(xls_file_link(&test_log, at("u/roots"), at("u/copy2"),
                                   NULL), 0);
    assert_true(has("u/copy2", "root's"));
}

/* Swaps names as fast as it can while root works; nothing of root's changes. */
static void a_user_who_swaps_names_gets_nothing(void **state)
{
    int i, fd, status;
    pid_t pid;

    (void)state;
    assert_int_equal(mkdir(at("etc"), 0755), 0);
    put("etc/shadow", "secret");
    users_link("../etc", "u/evil");
    assert_int_equal(mkdir(at("u/dir"), 0755), 0);
    assert_int_equal(chown(at("u/dir"), USER, USER), 0);
    fflush(NULL);
    pid = fork();
    if (!pid) {
        const char *a = xls_strdup(at("u/dir")), *b = xls_strdup(at("u/evil"));

        for (;;)
            renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
    }
    for (i = 0; i < 2000; i++) {
        if (!xls_file_create(&test_log, at("u/dir/new"), NULL, &fd))
            close(fd);
        xls_file_unlink(&test_log, at("u/dir/new"));
        xls_file_unlink(&test_log, at("u/dir/shadow"));
        xls_file_freeze(&test_log, at("u/dir/shadow"));
        test_logged[0] = '\0';
        assert_true(has("etc/shadow", "secret"));
        assert_false(is_there("etc/new"));
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    assert_int_equal(unlink(at("etc/shadow")), 0);     /* not immutable */
}

/* --- a file like another --- */

static void a_new_file_is_like_the_other(void **state)
{
    /* user::rw-, user:12345:rw-, group::---, mask::rw-, other::--- */
    static const unsigned char acl[] = {
        2, 0, 0, 0,
        0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,
        0x02, 0, 6, 0, 0x39, 0x30, 0, 0,
        0x04, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
        0x10, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,
        0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
    };
    static const char label[] = "system_u:object_r:xen_image_t:s0";
    char got[sizeof(label)];
    unsigned char got_acl[sizeof(acl)];
    struct stat st;
    int fd;

    (void)state;
    put("model", "");
    assert_int_equal(chmod(at("model"), 0600), 0);
    if (setxattr(at("model"), "system.posix_acl_access", acl, sizeof(acl), 0) ||
        setxattr(at("model"), "security.selinux", label, sizeof(label), 0)) {
        print_message("/tmp: no ACLs or labels\n");
        skip();
    }
    assert_int_equal(chown(at("model"), USER, USER + 1), 0);
    assert_int_equal(xls_file_create(&test_log, at("new"), at("model"), &fd),
                     0);
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    assert_int_equal(st.st_uid, USER);
    assert_int_equal(st.st_gid, USER + 1);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(getxattr(at("new"), "security.selinux", got, sizeof(got)),
                     sizeof(label));
    assert_memory_equal(got, label, sizeof(label));
    assert_int_equal(getxattr(at("new"), "system.posix_acl_access", got_acl,
                              sizeof(got_acl)), sizeof(acl));
    assert_memory_equal(got_acl, acl, sizeof(acl));

    /* Nothing that the directory gives its files by default. */
    assert_int_equal(setxattr(dir, "system.posix_acl_default", acl,
                              sizeof(acl), 0), 0);
    assert_int_equal(removexattr(at("model"), "system.posix_acl_access"), 0);
    assert_int_equal(chmod(at("model"), 0640), 0);
    assert_int_equal(xls_file_create(&test_log, at("new2"), at("model"), &fd),
                     0);
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(getxattr(at("new2"), "system.posix_acl_access", NULL, 0),
                     -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_path_is_taken_and_no_second_name_is_left),
        TEST(two_second_names_are_different_ones),
        TEST(a_file_that_has_the_second_name_is_no_obstacle_to_be_removed),
        TEST(only_a_second_name_is_dropped),
        TEST(another_file_is_not_taken),
        TEST(a_file_is_known_by_its_birth),
        TEST(a_layer_behind_a_symlink_takes_a_path),
        TEST(a_change_of_a_name_is_on_the_disk),
        TEST(what_does_not_get_there_is_told),
        TEST(a_users_symlink_leads_nowhere),
        TEST(a_symlink_is_followed_where_its_owner_may),
        TEST(a_user_who_swaps_names_gets_nothing),
        TEST(a_new_file_is_like_the_other),
        TEST(the_name_of_earlier_versions_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
