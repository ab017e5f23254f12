/* SPDX-License-Identifier: LGPL-2.1-only */
/* Protection of frozen layers: whose it is, and that only ours is lifted. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>
#include <libxl_snapshot.h>

#include "common/files.h"
#include "common/freeze.h"
#include "log.h"

#define MARK "trusted.xlsnapshot"

static char path[] = "/tmp/xls-freeze-XXXXXX";
static bool flags_and_marks;    /* both work in /tmp, for this user */

/* --- what the kernel is asked for, in its order --- */

static char calls[256];
static int no_marks;            /* errno of setting one */
static bool no_fsync, no_leases;

static void called(const char *what)
{
    strncat(calls, what, sizeof(calls) - strlen(calls) - 1);
}

int fsetxattr(int fd, const char *name, const void *value, size_t size,
              int flags)
{
    called("mark ");
    if (no_marks) {
        errno = no_marks;
        return -1;
    }
    return syscall(SYS_fsetxattr, fd, name, value, size, flags);
}

int fremovexattr(int fd, const char *name)
{
    called("unmark ");
    return syscall(SYS_fremovexattr, fd, name);
}

int ioctl(int fd, unsigned long request, ...)
{
    void *arg;
    va_list al;

    va_start(al, request);
    arg = va_arg(al, void *);
    va_end(al);
    if (request == FS_IOC_SETFLAGS)
        called(*(int *)arg & FS_IMMUTABLE_FL ? "set " : "lift ");
    return syscall(SYS_ioctl, fd, request, arg);
}

int fcntl64(int fd, int command, ...);
int fcntl64(int fd, int command, ...)
{
    long arg;
    va_list al;

    va_start(al, command);
    arg = va_arg(al, long);
    va_end(al);
    if (command == F_SETLEASE && no_leases) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_fcntl, fd, command, arg);
}

int fcntl(int fd, int command, ...) __attribute__((alias("fcntl64")));

int fsync(int fd)
{
    called("fsync ");
    if (no_fsync) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_fsync, fd);
}

/* --- */

static bool is_immutable(void)
{
    int fd = open(path, O_RDONLY), flags = 0;

    assert_true(fd >= 0);
    syscall(SYS_ioctl, fd, FS_IOC_GETFLAGS, &flags);
    close(fd);
    return flags & FS_IMMUTABLE_FL;
}

static bool is_marked(void)
{
    return getxattr(path, MARK, NULL, 0) >= 0;
}

static mode_t mode(void)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void set_immutable(bool immutable)
{
    int fd = open(path, O_RDONLY), flags = 0;

    syscall(SYS_ioctl, fd, FS_IOC_GETFLAGS, &flags);
    flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    syscall(SYS_ioctl, fd, FS_IOC_SETFLAGS, &flags);
    close(fd);
}

static int make(void **state)
{
    int fd;

    (void)state;
    strcpy(strrchr(path, '-'), "-XXXXXX");
    fd = mkstemp(path);
    if (fd < 0 || fchmod(fd, 0660))
        return -1;
    flags_and_marks = !syscall(SYS_fsetxattr, fd, MARK, "", 0, 0) &&
                      !syscall(SYS_fremovexattr, fd, MARK);
    close(fd);
    set_immutable(true);
    flags_and_marks = is_immutable() && flags_and_marks;
    set_immutable(false);
    calls[0] = test_logged[0] = '\0';
    no_marks = 0;
    no_fsync = no_leases = false;
    if (!flags_and_marks) {
        print_message("/tmp: no immutable flag, or no trusted attributes\n");
        skip();
    }
    return 0;
}

static int clean(void **state)
{
    (void)state;
    set_immutable(false);
    return unlink(path);
}

static void the_mark_is_set_before_the_flag_and_removed_after_it(void **state)
{
    (void)state;
    assert_int_equal(xls_freeze(path, true, NULL), XLS_FROZEN);
    assert_string_equal(calls, "mark set fsync ");
    assert_true(is_immutable() && is_marked());
    calls[0] = '\0';
    assert_int_equal(xls_thaw(path), XLS_FROZEN);
    assert_string_equal(calls, "lift unmark fsync ");
    assert_false(is_immutable() || is_marked());
    assert_int_equal(mode(), 0660);
}

static void what_was_set_at_once_is_flushed_after(void **state)
{
    (void)state;
    assert_int_equal(xls_freeze(path, false, NULL), XLS_FROZEN);
    assert_string_equal(calls, "mark set ");
    assert_int_equal(xls_freeze(path, true, NULL), XLS_FROZEN);
    assert_string_equal(calls, "mark set fsync ");
}

static void a_flush_that_fails_is_told(void **state)
{
    (void)state;
    no_fsync = true;
    assert_int_equal(xls_freeze(path, true, NULL), XLS_FROZEN_ERROR);
    assert_int_equal(errno, EIO);
    assert_int_equal(xls_thaw(path), XLS_FROZEN_ERROR);
    assert_int_equal(errno, EIO);
}

static void an_administrators_flag_stays(void **state)
{
    (void)state;
    set_immutable(true);
    assert_int_equal(xls_thaw(path), XLS_FROZEN_OTHERS);
    assert_true(is_immutable());
    assert_int_equal(xls_freeze(path, true, NULL), XLS_FROZEN);
    assert_false(is_marked());
    assert_int_equal(xls_file_thaw(&test_log, path), ERROR_SNAPSHOT_STORAGE);
    assert_non_null(strstr(test_logged, "not by a snapshot"));
    assert_non_null(strstr(test_logged, "chattr -i "));
    assert_true(is_immutable());
}

static void an_administrators_permissions_stay(void **state)
{
    (void)state;
    assert_int_equal(chmod(path, 0440), 0);
    assert_int_equal(xls_thaw(path), XLS_FROZEN);
    assert_int_equal(mode(), 0440);
}

static void a_layer_of_an_earlier_version_gets_its_mark(void **state)
{
    (void)state;
    set_immutable(true);
    assert_int_equal(xls_freeze_again(path), XLS_FROZEN);
    assert_true(is_immutable() && is_marked());
    calls[0] = '\0';
    assert_int_equal(xls_freeze_again(path), XLS_FROZEN);
    assert_string_equal(calls, "");
    /* Its flag was lost in a power cut. */
    set_immutable(false);
    assert_int_equal(xls_freeze_again(path), XLS_FROZEN);
    assert_true(is_immutable() && is_marked());
    assert_int_equal(xls_thaw(path), XLS_FROZEN);
    assert_int_equal(mode(), 0660);
}

static void a_layer_that_is_open_for_writing_is_left_alone(void **state)
{
    int fd = open(path, O_RDWR);

    (void)state;
    assert_int_equal(xls_freeze_again(path), XLS_FROZEN);
    assert_false(is_immutable() || is_marked());
    close(fd);
    assert_int_equal(xls_freeze_again(path), XLS_FROZEN);
    assert_true(is_immutable());
}

static void where_nothing_tells_a_layer_is_left_alone(void **state)
{
    (void)state;
    no_leases = true;
    assert_int_equal(xls_freeze_again(path), XLS_FROZEN);
    assert_false(is_immutable() || is_marked());
    /* One that is immutable is written by nobody. */
    set_immutable(true);
    assert_int_equal(xls_freeze_again(path), XLS_FROZEN);
    assert_true(is_immutable() && is_marked());
}

static void without_marks_the_flag_is_not_set(void **state)
{
    int why_not = 0;

    (void)state;
    no_marks = EOPNOTSUPP;
    assert_int_equal(xls_freeze(path, true, &why_not), XLS_FROZEN_WEAKLY);
    assert_int_equal(why_not, EOPNOTSUPP);
    assert_false(is_immutable());
    assert_int_equal(mode(), 0440);
    assert_true(xls_frozen(path));
    assert_int_equal(xls_thaw(path), XLS_FROZEN);
    assert_int_equal(mode(), 0640);
}

/* What was taken from a file without one could not be given back. */
static void without_room_for_a_mark_nothing_is_changed(void **state)
{
    int before = mode();

    (void)state;
    no_marks = ENOSPC;
    assert_int_equal(xls_freeze(path, true, NULL), XLS_FROZEN_ERROR);
    assert_int_equal(errno, ENOSPC);
    assert_false(is_immutable());
    assert_int_equal(mode(), before);
}

static void a_symlink_of_another_user_is_not_followed(void **state)
{
    char dir[] = "/tmp/xls-freeze-dir-XXXXXX", link[64];

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chown(dir, 12345, 12345), 0);
    snprintf(link, sizeof(link), "%s/link", dir);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(lchown(link, 12345, 12345), 0);
    assert_int_equal(xls_freeze(link, true, NULL), XLS_FROZEN_ERROR);
    assert_int_equal(errno, ELOOP);
    assert_false(is_immutable());
    /* To what is the user's own it is, and so is one of root's. */
    assert_int_equal(lchown(link, 0, 0), 0);
    assert_int_equal(xls_freeze(link, true, NULL), XLS_FROZEN);
    assert_true(is_immutable());
    unlink(link);
    rmdir(dir);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_mark_is_set_before_the_flag_and_removed_after_it),
        TEST(what_was_set_at_once_is_flushed_after),
        TEST(a_flush_that_fails_is_told),
        TEST(an_administrators_flag_stays),
        TEST(an_administrators_permissions_stay),
        TEST(a_layer_of_an_earlier_version_gets_its_mark),
        TEST(a_layer_that_is_open_for_writing_is_left_alone),
        TEST(where_nothing_tells_a_layer_is_left_alone),
        TEST(without_marks_the_flag_is_not_set),
        TEST(without_room_for_a_mark_nothing_is_changed),
        TEST(a_symlink_of_another_user_is_not_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
