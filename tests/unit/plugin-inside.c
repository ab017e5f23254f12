/* SPDX-License-Identifier: LGPL-2.1-only */
/* Snapshots inside an image, by the real qemu-img: the one that is named is
 * meant, whatever the IDs of others are. */
#include "plugin.h"

#include "layers/image.h"

static char *dir, *path, *copy;

static int setup(void **state)
{
    (void)state;
    dir = test_dir_make();
    path = xls_asprintf("%s/a,b=c.qcow2", dir);
    copy = xls_asprintf("%s/copy.qcow2", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(path);
    free(copy);
    test_dir_remove(dir);
    return 0;
}

static int shell(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

static int shell(const char *fmt, ...)
{
    char *body, *command;
    va_list ap;
    int status;

    va_start(ap, fmt);
    assert_true(vasprintf(&body, fmt, ap) > 0);
    va_end(ap);
    command = xls_asprintf("exec >/dev/null; cd %s && %s", dir, body);
    status = system(command);
    free(command);
    free(body);
    return status;
}

static void write_value(int value)
{
    assert_int_equal(shell("qemu-io -f qcow2 '%s' -c 'write -P %d 0 64k'",
                           path, value), 0);
}

static bool holds(const char *file, int value)
{
    return shell("! qemu-io -r -f qcow2 '%s' -c 'read -P %d 0 64k' "
                 "| grep -q 'Pattern verif'", file, value) == 0;
}

/* IDs 1, 2, 3 in this order, and what each holds. */
static void make(const char *one, const char *two, const char *three)
{
    const char *names[] = { one, two, three };
    int i;

    assert_int_equal(shell("qemu-img create -q -f qcow2 '%s' 1M", path), 0);
    for (i = 0; i < 3; i++) {
        write_value(11 + i);
        assert_int_equal(shell("qemu-img snapshot -c '%s' '%s'", names[i],
                               path), 0);
    }
    write_value(99);
}

static void a_snapshot_named_like_anothers_id_is_the_one_that_is_meant(
    void **state)
{
    struct error e = { 0 };
    struct image image;

    (void)state;
    make("3", "1", "2");
    assert_good(image_internal_extract(path, "2", copy, &e), &e);
    assert_true(holds(copy, 13));
    assert_good(image_internal_apply(path, "2", &e), &e);
    assert_true(holds(path, 13));
    assert_good(image_internal_apply(path, "3", &e), &e);
    assert_true(holds(path, 11));
    assert_good(image_internal_delete(path, "2", &e), &e);
    assert_good(image_info(path, LIBXL_DISK_FORMAT_QCOW2, &image, &e), &e);
    assert_int_equal(image.internal.num, 2);
    assert_string_equal(image.internal.v[0], "3");
    assert_string_equal(image.internal.v[1], "1");
    image_dispose(&image);
    assert_good(image_internal_apply(path, "1", &e), &e);
    assert_true(holds(path, 12));
}

static void a_name_that_two_have_is_refused(void **state)
{
    struct error e = { 0 };

    (void)state;
    make("a", "b", "a");
    assert_error(image_internal_apply(path, "a", &e), &e, "2 internal");
    assert_error(image_internal_delete(path, "a", &e), &e, "2 internal");
    assert_error(image_internal_extract(path, "a", copy, &e), &e,
                 "2 internal");
    assert_true(access(copy, F_OK));
    /* An ID is no name. */
    assert_error(image_internal_apply(path, "1", &e), &e, "holds no");
    assert_true(holds(path, 99));
    assert_good(image_internal_apply(path, "b", &e), &e);
    assert_true(holds(path, 12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_snapshot_named_like_anothers_id_is_the_one_that_is_meant, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_name_that_two_have_is_refused, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
