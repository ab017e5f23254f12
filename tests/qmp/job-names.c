/* SPDX-License-Identifier: LGPL-2.1-only */
/* Names that are not UTF-8, which neither a journal nor QEMU can hold. */
#include "qmp/job_support.h"

#define BAD "bad\xff\x1b[1mname"
#define SHOWN "bad\\xff\\x1b[1mname"

static void refused(int rc, const char *what)
{
    if (rc != ERROR_INVAL || !strstr(vm_logged(), SHOWN) ||
        !strstr(vm_logged(), what) || strchr(vm_logged(), '\x1b'))
        fail_msg("%d: %s", rc, vm_logged());
    vm_log_clear();
    /* Nothing was begun. */
    sh("test -z \"$(ls '%s/lib/xlsnapshot' 2>/dev/null | grep json)\"",
       HOST_DIR);
    assert_int_equal(host.pauses, 0);
    guest_reads_its_data();
}

/* One string of the arguments, by its place in them. */
static int call(bool create, const char *set)
{
    libxl_domain_snapshot_args args;
    libxl_disk_snapshot *d;
    int rc;

    one_disk(&args, strcmp(set, "vdev") ? "xvda" : BAD,
             LIBXL_SNAPSHOT_METHOD_EXTERNAL,
             xls_asprintf("%s/%s", host.images,
                          strcmp(set, "external_path") ? "good" : BAD));
    d = args.disks;
    if (!strcmp(set, "pdev_path"))
        d->disk.pdev_path = xls_strdup("/" BAD);
    if (!strcmp(set, "name")) {
        d->method = LIBXL_SNAPSHOT_METHOD_INTERNAL;
        d->name = xls_strdup(BAD);
    }
    if (!strcmp(set, "memory_path")) {
        args.memory = true;
        args.memory_path = xls_strdup("/tmp/" BAD);
    }
    rc = host_call(create ? libxl_domain_snapshot_create(host_ctx, host.domid,
                                                         &args, &host_how, NULL)
                          : libxl_domain_snapshot_delete(host_ctx, host.domid,
                                                         &args, &host_how, NULL));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static void names_in_arguments_are_refused_and_shown(void **state)
{
    static const char *const names[] = { "vdev", "pdev_path", "external_path",
                                         "name", "memory_path" };
    libxl_disk_copy_args copy = { .vdev = (char *)"xvda",
                                  .target = (char *)"/tmp/" BAD };
    size_t i;

    (void)state;
    chain_start(1, 1);
    guest_writes(1, 1);
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        refused(call(true, names[i]), names[i]);
        refused(call(false, names[i]), names[i]);
    }
    refused(host_call(libxl_disk_copy(host_ctx, host.domid, &copy,
                                      &host_how)), "target");
}

/* libxl's record has a link's name; the file's own is not UTF-8. */
static void a_file_behind_a_link_is_refused_as_well(void **state)
{
    const char *dir = HOST_DIR "-names";
    char *link = xls_asprintf("%s/link", dir);
    const struct vm_disk disk = { .path = link };

    (void)state;
    memset(written, 0, sizeof(written));
    sh("rm -rf '%s'; mkdir -p '%s' && cd '%s' && "
       "qemu-img create -q -f qcow2 link 16M && mv link '%s' && "
       "ln -s '%s' link", dir, dir, dir, BAD, BAD);
    host_start(vm_start(1, &disk));
    guest_writes(1, 1);
    refused(snapshot(1), "file");
    host_teardown(NULL);
    sh("rm -r '%s'", dir);
    free(link);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_in_arguments_are_refused_and_shown),
        TEST(a_file_behind_a_link_is_refused_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
