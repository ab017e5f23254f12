/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A revert is killed while the new layers of two disks take the paths of the old
 * ones. Whoever starts the domain then gets disks of one moment, or none.
 */
#include "qmp/job_support.h"

#include "base/unique.h"
#include "domain/domain.h"
#include "journal/journal.h"
#include "revert.h"

#define DISKS 2
#define REPLACED_DOMID 5
#define OLD 0x0d
#define NEW 0x17

static libxl_domain_snapshot_args args;
static char *paths[DISKS];      /* that the new layers take */

/* The new domain's QEMU, on layers that are to take the old ones' paths. */
static void stand(void)
{
    int i;

    host_start(vm_start(DISKS, NULL));
    host.paused = true;
    libxl_domain_snapshot_args_init(&args);
    args.num_disks = DISKS;
    args.disks = xls_calloc(DISKS, sizeof(*args.disks));
    for (i = 0; i < DISKS; i++) {
        libxl_disk_snapshot *a = &args.disks[i];

        vm_write(host.vm, host.disks[i].vdev, 0, BLOCK, NEW);
        paths[i] = xls_asprintf("%s/old%d.qcow2", host.images, i);
        sh("qemu-img create -q -f qcow2 '%s' 16M && qemu-io -f qcow2 "
           "-c 'write -P %d 0 %d' '%s' >/dev/null", paths[i], OLD, BLOCK,
           paths[i]);
        libxl_disk_snapshot_init(a);
        a->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
        a->keep_path = true;
        a->external_path = xls_strdup(host.disks[i].path);
        a->disk.vdev = xls_strdup(host.disks[i].vdev);
        a->disk.pdev_path = xls_strdup(paths[i]);
    }
}

/* The second path is a symlink to where the file is. */
static void through_a_symlink(void)
{
    sh("mkdir '%s/real' && mv '%s' '%s/real/old' && ln -s real/old '%s'",
       host.images, paths[1], host.images, paths[1]);
}

static void fell(void)
{
    int i;

    for (i = 0; i < DISKS; i++)
        free(paths[i]);
    libxl_domain_snapshot_args_dispose(&args);
    host_teardown(NULL);
}

static void uuid_of_all(libxl_uuid *uuid)
{
    memset(uuid->uuid, host.uuid, sizeof(uuid->uuid));
}

/* What a revert does once the new domain stands. */
static void swap(void)
{
    struct xls_revert r = {
        .args = &args,
        .memory_fd = -1,
        .domid = host.domid,
        .aside.fd = -1,
    };
    int i;

    xls_op_begin_inactive(&r.op, "revert", host_ctx, &host_how);
    uuid_of_all(&r.op.info.uuid);
    r.op.uuid = xls_asprintf(LIBXL_UUID_FMT,
                             LIBXL_UUID_BYTES(r.op.info.uuid));
    r.op.name = xls_strdup("guest");
    r.op.domid = REPLACED_DOMID;
    xls_revert_set_name(&r, "guest");
    libxl_domain_config_init(&r.config);
    libxl_domain_config_init(&r.aside.config);
    uuid_of_all(&r.config.c_info.uuid);
    libxl_retrieve_domain_configuration(host_ctx, host.domid, &r.config, NULL);
    r.disks = xls_calloc(DISKS, sizeof(*r.disks));
    for (i = 0; i < DISKS; i++)
        libxl_disk_snapshot_result_init(&r.disks[i]);
    xls_revert_plan_paths(&r);
    xls_revert_journal(&r);
    xls_revert_take_paths(&r);
    libxl_domain_unpause(host_ctx, host.domid, NULL);
    xls_journal_remove(&r.op);
}

static bool shows(const char *path, int value)
{
    char *out = sh_output("qemu-io -r -f qcow2 -c 'read -P %d 0 %d' '%s' 2>&1 "
                          "| grep -c 'verification failed' || true", value,
                          BLOCK, path);
    bool is = !strcmp(out, "0");

    free(out);
    return is;
}

/* What a domain would find that is started by its configuration: OLD or NEW on
 * all disks, or 0 where it does not start. */
static int moment(void)
{
    int i, news = 0;

    for (i = 0; i < DISKS; i++) {
        if (access(paths[i], F_OK))
            return 0;
        if (!shows(paths[i], NEW))
            assert_true(shows(paths[i], OLD));
        else
            news++;
    }
    if (news != 0 && news != DISKS)
        fail_msg("the disks are of two moments");
    return news ? NEW : OLD;
}

static void no_names_are_left(void)
{
    sh("test -z \"$(ls -R '%s' | grep -e xls-new -e xls-old)\"", host.images);
    sh("test -z \"$(ls '%s/lib/xlsnapshot' | grep json)\"", HOST_DIR);
}

static bool journal_is_there(void)
{
    return !system("ls '" HOST_DIR "'/lib/xlsnapshot/*.json >/dev/null 2>&1");
}

/* As after a power cut. */
static void another_boot(void)
{
    if (journal_is_there())
        sh("sed -i 's/\\(\"boot_id\": *\\)\"[^\"]*\"/\\1\"another\"/' "
           "'%s'/lib/xlsnapshot/*.json", HOST_DIR);
}

static void recover_without_a_domain(void)
{
    libxl_uuid uuid;

    uuid_of_all(&uuid);
    assert_int_equal(libxl_domain_snapshot_recover_uuid(host_ctx, &uuid,
                                                        &host_how), 0);
}

/* Whether the killed process came to change any name of the disks. */
static bool began(void)
{
    char *out = sh_output("ls -R '%s' | grep -c -e xls-new -e xls-old || true", host.images);
    bool is = strcmp(out, "0");

    free(out);
    return is;
}

static void both_domains_are_gone(void (*as_well)(void), void (*before)(void))
{
    int refused = 0, n, now, then;
    bool killed = true;

    for (n = 1; killed; n++) {
        stand();
        if (before)
            before();
        killed = host_killed_in(swap, n);
        host_destroy();
        now = moment();
        refused += !now;
        if (as_well)
            as_well();
        recover_without_a_domain();
        then = moment();
        /* It ends in one of the two, and never goes back. */
        assert_int_equal(then, now ? now : NEW);
        if (n > 1)
            no_names_are_left();
        fell();
    }
    assert_true(refused > 2);
}

static void a_power_cut_leaves_disks_of_one_moment(void **state)
{
    (void)state;
    both_domains_are_gone(another_boot, NULL);
}

static void both_domains_end_after_a_kill(void **state)
{
    (void)state;
    both_domains_are_gone(NULL, NULL);
}

static void a_path_that_is_a_symlink_stays_one(void **state)
{
    (void)state;
    both_domains_are_gone(another_boot, through_a_symlink);
}

static void the_new_domain_goes_on_after_a_kill(void **state)
{
    bool killed = true;
    int n, i;

    (void)state;
    for (n = 2; killed; n++) {
        libxl_uuid uuid;

        stand();
        killed = host_killed_in(swap, n);
        uuid_of_all(&uuid);
        if (killed)
            assert_int_equal(host_call(libxl_domain_snapshot_recover(
                host_ctx, host.domid, &host_how)), 0);
        for (i = 0; i < DISKS; i++) {
            assert_string_equal(host.disks[i].path, paths[i]);
            assert_true(vm_holds(host.vm, host.disks[i].vdev, 0, BLOCK, NEW));
            vm_write(host.vm, host.disks[i].vdev, BLOCK, BLOCK, NEW);
        }
        if (killed)
            assert_false(host.paused);
        host_destroy();
        assert_int_equal(moment(), NEW);
        no_names_are_left();
        fell();
    }
    assert_true(n > 8);
}

/* The new one is destroyed: the old one may go on only on files that it has. */
static void the_old_domain_goes_on_only_on_its_files(void **state)
{
    bool killed = true;
    int n, back = 0;

    (void)state;
    for (n = 2; killed; n++) {
        bool taken;

        stand();
        killed = host_killed_in(swap, n) && journal_is_there();
        taken = began() || moment() == NEW;
        host_destroy();
        host.domid = REPLACED_DOMID;
        strcpy(host.name, "guest--outgoing");
        if (killed)
            libxl_domain_snapshot_recover(host_ctx, host.domid, &host_how);
        if (killed && !taken) {
            assert_int_equal(host.domid, REPLACED_DOMID);
            assert_string_equal(host.name, "guest");
            back++;
        } else if (killed) {
            assert_int_equal(host.domid, XLS_NO_DOMID);
            recover_without_a_domain();
        }
        assert_int_equal(moment(), taken ? NEW : OLD);
        host.domid = XLS_NO_DOMID;
        fell();
    }
    assert_true(back > 0);
}

/* Somebody has started a domain on one of the files meanwhile. */
static void a_file_in_use_keeps_its_name(void **state)
{
    int n, refused = 0;
    bool killed = true;
    libxl_uuid uuid;

    (void)state;
    uuid_of_all(&uuid);
    for (n = 2; killed; n++) {
        int now, rc;

        stand();
        uuid_of_all(&uuid);
        killed = host_killed_in(swap, n);
        host_destroy();
        now = moment();
        strcpy(host.other_disk, args.disks[1].external_path);
        rc = libxl_domain_snapshot_recover_uuid(host_ctx, &uuid, &host_how);
        if (rc) {
            refused++;
            assert_int_equal(rc, ERROR_SNAPSHOT_INCOMPLETE);
            assert_int_equal(moment(), now);
            assert_false(access(host.other_disk, F_OK));
            assert_non_null(strstr(vm_logged(), "shut that domain down"));
            host.other_disk[0] = '\0';
            recover_without_a_domain();
            assert_int_equal(moment(), NEW);
            no_names_are_left();
        }
        fell();
    }
    assert_true(refused > 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_power_cut_leaves_disks_of_one_moment),
        TEST(both_domains_end_after_a_kill),
        TEST(a_path_that_is_a_symlink_stays_one),
        TEST(the_new_domain_goes_on_after_a_kill),
        TEST(the_old_domain_goes_on_only_on_its_files),
        TEST(a_file_in_use_keeps_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
