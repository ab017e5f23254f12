/* SPDX-License-Identifier: LGPL-2.1-only */
/* Image headers, as qemu-img writes them, and as somebody hostile may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libxl_snapshot.h>

#include "common/alloc.h"
#include "diskimage/header.h"
#include "log.h"

static char dir[] = "/tmp/xls-header-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/image", dir);
    return 0;
}

static int remove_dir(void **state)
{
    char *data = xls_asprintf("%s/data", dir);

    (void)state;
    unlink(path);
    unlink(data);
    free(data);
    return rmdir(dir);
}

static void create(const char *args)
{
    char *line = xls_asprintf("cd %s && qemu-img create -q %s %s 1M", dir, args,
                             path);
    int status;

    unlink(path);
    status = system(line);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    free(line);
}

static int try_read(const char *driver, struct xls_header *h)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

    assert_true(fd >= 0);
    test_logged[0] = '\0';
    rc = xls_header_read(&test_log, fd, path, driver, h);
    if (rc)
        assert_true(test_logged[0]);
    close(fd);
    return rc;
}

static void same_or_null(const char *a, const char *b)
{
    if (b)
        assert_string_equal(a ? a : "(none)", b);
    else
        assert_null(a);
}

static void shows(const char *args, const char *driver, const char *backing,
                  const char *format, const char *data)
{
    struct xls_header h;

    create(args);
    if (try_read(driver, &h))
        fail_msg("%s: %s", args, test_logged);
    assert_string_equal(h.driver, driver);
    assert_int_equal(h.size, 1 << 20);
    same_or_null(h.backing, backing);
    same_or_null(h.backing_format, format);
    same_or_null(h.data_file, data);
    xls_header_dispose(&h);
    /* The content says the same. */
    assert_int_equal(try_read(NULL, &h), 0);
    assert_string_equal(h.driver, driver);
    same_or_null(h.backing, backing);
    xls_header_dispose(&h);
}

static void headers_of_qemu_img_are_read(void **state)
{
    (void)state;
    shows("-f qcow2", "qcow2", NULL, NULL, NULL);
    shows("-f qcow2 -o compat=0.10", "qcow2", NULL, NULL, NULL);
    shows("-f qcow2 -u -b /dir/base -F raw", "qcow2", "/dir/base", "raw",
          NULL);
    shows("-f qcow2 -o compat=0.10 -u -b base.qcow2 -F qcow2", "qcow2",
          "base.qcow2", "qcow2", NULL);
    shows("-f qcow2 -o cluster_size=512 -u -b nbd://h:1/x -F raw", "qcow2",
          "nbd://h:1/x", "raw", NULL);
    shows("-f qcow -u -b /dir/base -F raw", "qcow", "/dir/base", NULL, NULL);
    shows("-f qcow", "qcow", NULL, NULL, NULL);
    shows("-f qed -u -b /dir/base -F raw", "qed", "/dir/base", "raw", NULL);
    shows("-f qed", "qed", NULL, NULL, NULL);
    shows("-f qcow2 -o data_file=data", "qcow2", NULL, NULL, "data");
}

static void other_formats_have_no_backing_file(void **state)
{
    struct xls_header h;

    (void)state;
    create("-f vmdk");
    assert_int_equal(try_read("vmdk", &h), ERROR_SNAPSHOT_DISK_UNSUPPORTED);
    assert_int_equal(try_read("raw", &h), 0);
    assert_null(h.backing);
    xls_header_dispose(&h);
    create("-f qcow2 -u -b /dir/base -F raw");
    /* What a guest writes to its raw disk means nothing. */
    assert_int_equal(try_read("raw", &h), 0);
    assert_null(h.backing);
    xls_header_dispose(&h);
    assert_int_equal(try_read("qed", &h), ERROR_SNAPSHOT_IMAGE_CORRUPT);
    create("-f raw");
    assert_int_equal(try_read("qcow2", &h), ERROR_SNAPSHOT_IMAGE_CORRUPT);
    assert_int_equal(try_read(NULL, &h), 0);
    assert_string_equal(h.driver, "raw");
    xls_header_dispose(&h);
}

/* --- hostile --- */

static unsigned char good[4096];
static size_t good_len;

static void keep(void)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, good, sizeof(good));

    assert_true(n > 64);
    good_len = n;
    close(fd);
}

static void put(const unsigned char *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

/* Whatever it says, what comes of it is whole and bounded. */
static void is_harmless(const char *driver)
{
    struct xls_header h;

    if (try_read(driver, &h)) {
        assert_null(h.backing);
        assert_null(h.driver);
        return;
    }
    assert_true(!h.backing || strlen(h.backing) <= 1023);
    assert_true(!h.backing_format || strlen(h.backing_format) <= 1023);
    assert_true(!h.data_file || strlen(h.data_file) <= 1023);
    xls_header_dispose(&h);
}

static unsigned next(void)
{
    static unsigned x = 2463534242U;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

static void torture(const char *args, const char *driver)
{
    static const unsigned char values[] = { 0, 1, 0x7f, 0x80, 0xff };
    unsigned char bad[sizeof(good)];
    size_t at, v;
    int i;

    create(args);
    keep();
    for (at = 0; at < 160 && at < good_len; at++) {
        put(good, at);
        is_harmless(driver);
        is_harmless(NULL);
        for (v = 0; v < sizeof(values); v++) {
            memcpy(bad, good, good_len);
            bad[at] = values[v];
            put(bad, good_len);
            is_harmless(driver);
        }
    }
    for (i = 0; i < 3000; i++) {
        int changes = 1 + next() % 8;

        memcpy(bad, good, good_len);
        while (changes--)
            bad[8 + next() % 240] = next() >> 8;
        put(bad, good_len - (next() % 4 ? 0 : next() % good_len));
        is_harmless(driver);
    }
}

static void a_hostile_header_does_no_harm(void **state)
{
    (void)state;
    torture("-f qcow2 -u -b /dir/base -F raw", "qcow2");
    torture("-f qcow2 -o compat=0.10 -u -b /dir/base -F raw", "qcow2");
    torture("-f qcow -u -b /dir/base -F raw", "qcow");
    torture("-f qed -u -b /dir/base -F raw", "qed");
}

static void set_be32(size_t at, uint32_t v)
{
    good[at] = v >> 24;
    good[at + 1] = v >> 16;
    good[at + 2] = v >> 8;
    good[at + 3] = v;
}

static void wrong(const char *what, size_t at, uint32_t value)
{
    struct xls_header h;

    create("-f qcow2 -u -b /dir/base -F raw");
    keep();
    set_be32(at, value);
    put(good, good_len);
    if (try_read("qcow2", &h) != ERROR_SNAPSHOT_IMAGE_CORRUPT)
        fail_msg("%s is taken", what);
    assert_non_null(strstr(test_logged, path));
}

static void what_qemu_refuses_is_refused(void **state)
{
    (void)state;
    wrong("version 4", 4, 4);
    wrong("a name past the first cluster", 12, 1 << 20);
    wrong("a name in the header", 12, 8);
    wrong("a name of 1024 bytes", 16, 1024);
    wrong("a name past the cluster", 16, 65536);
    wrong("clusters of 1 byte", 20, 0);
    wrong("clusters of 2^63 bytes", 20, 63);
    wrong("a header of 8 bytes", 100, 8);
    wrong("a header past the cluster", 100, 1 << 20);
}

/* --- names --- */

static void leads_to(const char *image, const char *name, const char *to)
{
    char *got = xls_header_path(image, name);

    same_or_null(got, to);
    free(got);
}

static void names_lead_where_qemu_goes(void **state)
{
    (void)state;
    leads_to("/a/b", "/c/d", "/c/d");
    leads_to("/a/b", "d", "/a/d");
    leads_to("/a/b", "../d", "/a/../d");
    leads_to("/b", "d", "/d");
    leads_to("/a/b", "./x:y", "/a/./x:y");
    leads_to("/a/b", "file:/c/d", "/c/d");
    leads_to("/a/b", "host_device:/dev/x", "/dev/x");
    leads_to("/a/b", "file:d", NULL);
    leads_to("/a/b", "nbd://h/x", NULL);
    leads_to("/a/b", "nbd:h:1", NULL);
    leads_to("/a/b", "json:{\"file\":{\"filename\":\"/c\"}}", NULL);
    leads_to("nbd://h/x", "d", NULL);
    leads_to("/a/b", "", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_of_qemu_img_are_read),
        cmocka_unit_test(other_formats_have_no_backing_file),
        cmocka_unit_test(a_hostile_header_does_no_harm),
        cmocka_unit_test(what_qemu_refuses_is_refused),
        cmocka_unit_test(names_lead_where_qemu_goes),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
