/* SPDX-License-Identifier: LGPL-2.1-only */
#include "plugin.h"

#include "commands/disk_option.h"

static void check(const char *text, const char *vdev, int method,
                  const char *path, libxl_disk_format format)
{
    struct disk_option o;
    struct error e = { 0 };

    assert_good(disk_option_parse(text, &o, &e), &e);
    assert_string_equal(o.vdev, vdev);
    assert_int_equal(o.method, method);
    if (path)
        assert_string_equal(o.path, path);
    else
        assert_null(o.path);
    assert_int_equal(o.format, format);
    disk_option_dispose(&o);
}

static void refused(const char *text, const char *why)
{
    struct disk_option o;
    struct error e = { 0 };

    assert_error(disk_option_parse(text, &o, &e), &e, why);
}

static void disk_options_are_understood(void **state)
{
    (void)state;
    check("xvda", "xvda", -1, NULL, LIBXL_DISK_FORMAT_UNKNOWN);
    check("xvda,method=none", "xvda", LIBXL_SNAPSHOT_METHOD_NONE, NULL,
          LIBXL_DISK_FORMAT_UNKNOWN);
    check("hda,method=internal", "hda", LIBXL_SNAPSHOT_METHOD_INTERNAL, NULL,
          LIBXL_DISK_FORMAT_UNKNOWN);
    check("xvda,path=/x/y.qcow2,format=qcow2,method=external", "xvda",
          LIBXL_SNAPSHOT_METHOD_EXTERNAL, "/x/y.qcow2",
          LIBXL_DISK_FORMAT_QCOW2);
    check("xvda,path=/a,b=c,d", "xvda", -1, "/a,b=c,d",
          LIBXL_DISK_FORMAT_UNKNOWN);
    check("xvda,path=/a,b,method=external", "xvda",
          LIBXL_SNAPSHOT_METHOD_EXTERNAL, "/a,b", LIBXL_DISK_FORMAT_UNKNOWN);
}

static void the_way_to_merge_is_understood(void **state)
{
    struct disk_option o;
    struct error e = { 0 };

    (void)state;
    assert_good(disk_option_parse("xvda,path=/a,b,on_delete=backward", &o,
                                  &e), &e);
    assert_string_equal(o.path, "/a,b");
    assert_int_equal(o.on_delete, LIBXL_SNAPSHOT_MERGE_BACKWARD);
    disk_option_dispose(&o);
    assert_good(disk_option_parse("xvda", &o, &e), &e);
    assert_int_equal(o.on_delete, LIBXL_SNAPSHOT_MERGE_AUTO);
    disk_option_dispose(&o);
    refused("xvda,on_delete=up", "\"up\"");
    refused("xvda,method=internal,on_delete=forward", "method external only");
    refused("xvda,on_delete=forward,method=none", "method external only");
}

static void wrong_disk_options_are_refused_with_the_value(void **state)
{
    (void)state;
    refused("", "no disk's name");
    refused(",method=none", "no disk's name");
    refused("method=none", "no disk's name");
    refused("/dev/xvda", "\"/dev/xvda\"");
    refused("xvda,", "method=, path=, format=");
    refused("xvda,size=3", "\"size=3\"");
    refused("xvda,method=extern", "\"extern\"");
    refused("xvda,method=caller", "programs that use the library");
    refused("xvda,path=x.qcow2", "not absolute");
    refused("xvda,path=nbd:host:1", "not absolute");
    refused("xvda,format=raw", "use qcow2");
    refused("xvda,method=internal,path=/x", "method external only");
}

static void positional_disks_are_understood(void **state)
{
    struct disk_option o;
    struct error e = { 0 };

    (void)state;
    assert_good(disk_option_parse_positional("/a,b/c,qcow2,xvdb", &o, &e),
                &e);
    assert_string_equal(o.vdev, "xvdb");
    assert_string_equal(o.path, "/a,b/c");
    assert_int_equal(o.format, LIBXL_DISK_FORMAT_QCOW2);
    disk_option_dispose(&o);
    assert_good(disk_option_parse_positional(",,xvdb", &o, &e), &e);
    assert_null(o.path);
    disk_option_dispose(&o);
    assert_error(disk_option_parse_positional("xvdb", &o, &e), &e,
                 "path,format,vdev");
    assert_error(disk_option_parse_positional("/x,vmdk,xvdb", &o, &e), &e,
                 "\"vmdk\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_options_are_understood),
        cmocka_unit_test(the_way_to_merge_is_understood),
        cmocka_unit_test(wrong_disk_options_are_refused_with_the_value),
        cmocka_unit_test(positional_disks_are_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
