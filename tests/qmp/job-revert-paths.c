/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A revert is killed while the new layers of two disks take the paths of the old
 * ones. Whoever starts the domain then gets disks of one moment, or none.
 */
#include "qmp/job_support.h"

#include "common/unique.h"
#include "intent/journal.h"
#include "ops/revert/revert.h"
#include "xen/domain.h"

#define DISKS 2
#define REPLACED_DOMID 5
#define OLD 0x0d
#define NEW 0x17
#define LATER 0x2b

/* What each byte of the old domain's uuid is: xl create gives a new one, and a
 * revert that of the snapshot's configuration. */
static unsigned char old_uuid;

static libxl_domain_snapshot_args args;
static char *paths[DISKS];      /* that the new layers take */

static char dir[32];

/* The new domain's QEMU, on new layers, over those of the snapshot, that are to
 * take the old ones' paths. */
static void stand(void)
{
    struct vm_disk disks[DISKS] = { { 0 } };
    char *layers[DISKS];
    int i;

    strcpy(dir, "/tmp/xls-names-XXXXXX");
    assert_non_null(mkdtemp(dir));
    libxl_domain_snapshot_args_init(&args);
    args.num_disks = DISKS;
    args.disks = xls_calloc(DISKS, sizeof(*args.disks));
    for (i = 0; i < DISKS; i++) {
        libxl_disk_snapshot *a = &args.disks[i];

        layers[i] = xls_asprintf("%s/new%d.qcow2", dir, i);
        paths[i] = xls_asprintf("%s/old%d.qcow2", dir, i);
        sh("cd %s && for f in old snapshot; do qemu-img create -q -f qcow2 "
           "${f}%d.qcow2 16M; done && "
           "qemu-io -f qcow2 -c 'write -P %d 0 %d' old%d.qcow2 >/dev/null && "
           "qemu-io -f qcow2 -c 'write -P %d 0 %d' snapshot%d.qcow2 >/dev/null "
           "&& qemu-img create -q -f qcow2 -b %s/snapshot%d.qcow2 -F qcow2 '%s'",
           dir, i, OLD, BLOCK, i, NEW, BLOCK, i, dir, i, layers[i]);
        disks[i].path = layers[i];
        libxl_disk_snapshot_init(a);
        a->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
        a->keep_path = true;
        a->external_path = xls_strdup(layers[i]);
        a->disk.vdev = xls_strdup(i ? "xvdb" : "xvda");
        a->disk.pdev_path = xls_strdup(paths[i]);
    }
    host_start(vm_start(DISKS, disks));
    strcpy(host.images, dir);
    host.paused = true;
    old_uuid = host.uuid + 1;
    for (i = 0; i < DISKS; i++)
        free(layers[i]);
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
    sh("rm -rf '%s'", dir);
}

static void make_uuid(libxl_uuid *uuid, unsigned char of)
{
    memset(uuid->uuid, of, sizeof(uuid->uuid));
}

static void of_one_uuid(void)
{
    old_uuid = host.uuid;
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

    xls_op_open_inactive(&r.op, "revert", host_ctx, &host_how);
    make_uuid(&r.op.info.uuid, old_uuid);
    r.op.uuid = xls_asprintf(LIBXL_UUID_FMT,
                             LIBXL_UUID_BYTES(r.op.info.uuid));
    r.op.name = xls_strdup("guest");
    r.op.domid = REPLACED_DOMID;
    xls_revert_set_name(&r, "guest");
    libxl_domain_config_init(&r.config);
    libxl_domain_config_init(&r.aside.config);
    make_uuid(&r.config.c_info.uuid, host.uuid);
    libxl_retrieve_domain_configuration(host_ctx, host.domid, &r.config, NULL);
    r.disks = xls_calloc(DISKS, sizeof(*r.disks));
    for (i = 0; i < DISKS; i++)
        libxl_disk_snapshot_result_init(&r.disks[i]);
    xls_revert_plan_paths(&r);
    r.phase = XLS_REVERT_REPLACED;
    xls_revert_journal(&r);
    if (xls_revert_make_names(&r)) {
        xls_revert_drop_names(&r);
    } else {
        xls_revert_take_paths(&r);
        libxl_domain_unpause(host_ctx, host.domid, NULL);
    }
    if (!r.paths_left)
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

    make_uuid(&uuid, old_uuid);
    assert_int_equal(libxl_domain_snapshot_recover_uuid(host_ctx, &uuid,
                                                        &host_how), 0);
}

static void recover_the_domain(void)
{
    if (host_call(libxl_domain_snapshot_recover(host_ctx, host.domid,
                                                &host_how)))
        fail_msg("%s", vm_logged());
}

/* Whether the killed process came to change a path. */
static bool began(void)
{
    char *out = sh_output("ls -R '%s' | grep -c xls-old || true", host.images);
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
    both_domains_are_gone(NULL, of_one_uuid);
}

static void a_path_that_is_a_symlink_stays_one(void **state)
{
    (void)state;
    both_domains_are_gone(another_boot, through_a_symlink);
}

/* as_well: what happens to the new domain before the next command. */
static void the_new_one_is_there(void (*as_well)(void), void (*before)(void))
{
    bool killed = true;
    int n, i;

    for (n = 2; killed; n++) {
        stand();
        if (before)
            before();
        killed = host_killed_in(swap, n);
        if (as_well)
            as_well();
        if (killed)
            recover_the_domain();
        for (i = 0; i < DISKS; i++) {
            assert_string_equal(host.disks[i].path, paths[i]);
            assert_true(vm_holds(host.vm, host.disks[i].vdev, 0, BLOCK, NEW));
            vm_write(host.vm, host.disks[i].vdev, BLOCK, BLOCK, NEW);
        }
        assert_false(host.paused);
        host_destroy();
        assert_int_equal(moment(), NEW);
        no_names_are_left();
        fell();
    }
    assert_true(n > 8);
}

static void the_new_domain_goes_on_after_a_kill(void **state)
{
    (void)state;
    the_new_one_is_there(NULL, of_one_uuid);
}

static void unpause(void)
{
    libxl_domain_unpause(host_ctx, host.domid, NULL);
    vm_write(host.vm, host.disks[0].vdev, 2 * BLOCK, BLOCK, LATER);
}

/* xl unpause, by somebody who finds it paused. */
static void the_new_domain_runs_before_the_next_command(void **state)
{
    (void)state;
    the_new_one_is_there(unpause, NULL);
}

/* The new one is gone: the old one may go on only on files that it has, and
 * only if the new one has never run. */
static void the_old_one_is_there(bool ran)
{
    bool killed = true;
    int n, back = 0;

    for (n = 2; killed; n++) {
        bool went;

        stand();
        killed = host_killed_in(swap, n) && journal_is_there();
        went = ran || began() || moment() == NEW;
        if (ran)
            unpause();
        host_destroy();
        host.domid = REPLACED_DOMID;
        host.uuid = old_uuid;
        strcpy(host.name, "guest--outgoing");
        if (killed)
            libxl_domain_snapshot_recover(host_ctx, host.domid, &host_how);
        if (killed && !went) {
            assert_int_equal(host.domid, REPLACED_DOMID);
            assert_string_equal(host.name, "guest");
            back++;
        } else if (killed) {
            assert_int_equal(host.domid, XLS_NO_DOMID);
            recover_without_a_domain();
        }
        assert_int_equal(moment(), went ? NEW : OLD);
        no_names_are_left();
        host.domid = XLS_NO_DOMID;
        fell();
    }
    assert_true(ran || back > 0);
}

static void the_old_domain_goes_on_only_on_its_files(void **state)
{
    (void)state;
    the_old_one_is_there(false);
}

static void the_old_domain_is_over_once_the_new_one_has_run(void **state)
{
    (void)state;
    the_old_one_is_there(true);
}

static char *content(const char *path)
{
    return sh_output("sha256sum < '%s'", path);
}

/* Somebody has put a file of his own at a path that is not there, and works on
 * with both disks. */
static void what_is_put_at_a_path_meanwhile_stays(void **state)
{
    char *before[DISKS], *after;
    bool killed = true;
    int n, i, tried = 0;

    (void)state;
    for (n = 2; killed; n++) {
        stand();
        killed = host_killed_in(swap, n);
        host_destroy();
        if (killed && !moment()) {
            for (i = 0; i < DISKS; i++) {
                if (access(paths[i], F_OK))
                    sh("cp '%s'.xls-old-* '%s'", paths[i], paths[i]);
                sh("qemu-io -f qcow2 -c 'write -P %d 0 %d' '%s' >/dev/null",
                   LATER, BLOCK, paths[i]);
                before[i] = content(paths[i]);
            }
            for (i = 0; i < 2; i++)
                recover_without_a_domain();
            for (i = 0; i < DISKS; i++) {
                after = content(paths[i]);
                assert_string_equal(after, before[i]);
                free(before[i]);
                free(after);
            }
            tried++;
        }
        fell();
    }
    assert_true(tried > 2);
}

/* Somebody has started a domain on one of the files meanwhile. */
static void a_file_in_use_keeps_its_name(void **state)
{
    bool killed = true;
    int n, tried = 0;

    (void)state;
    for (n = 2; killed; n++) {
        stand();
        killed = host_killed_in(swap, n);
        host_destroy();
        if (killed && !moment() && !access(args.disks[1].external_path, F_OK)) {
            bool taken = !access(paths[1], F_OK) && shows(paths[1], NEW);

            strcpy(host.other_disk, args.disks[1].external_path);
            recover_without_a_domain();
            if (!taken)
                assert_int_equal(moment(), 0);
            assert_true(taken || !access(host.other_disk, F_OK));
            tried++;
        }
        fell();
    }
    assert_true(tried > 2);
}

/* A file system without hard links, say: nothing has been done by then. */
static void without_second_names_no_path_is_touched(void **state)
{
    (void)state;
    stand();
    host.no_links = true;
    assert_false(host_killed_in(swap, 0));
    assert_int_equal(moment(), OLD);
    assert_true(host.paused);
    fell();
}

static int revert_off(void)
{
    libxl_domain_config config;
    int rc;

    libxl_domain_config_init(&config);
    libxl_retrieve_domain_configuration(host_ctx, host.domid, &config, NULL);
    config.c_info.name = xls_strdup("guest");
    host.domid = XLS_NO_DOMID;
    rc = libxl_domain_snapshot_revert(host_ctx, XLS_NO_DOMID, &config, &args,
                                      &host_how, NULL);
    libxl_domain_config_dispose(&config);
    return rc;
}

static void a_layer_does_not_take_over_its_own_path(void **state)
{
    (void)state;
    stand();
    free(args.disks[0].external_path);
    args.disks[0].external_path = xls_strdup(paths[0]);
    assert_int_equal(revert_off(), ERROR_INVAL);
    assert_non_null(strstr(vm_logged(), "is the file at the path"));
    assert_int_equal(moment(), OLD);
    fell();
}

/* Another domain runs on its disk by now. */
static void what_was_put_aside_comes_back_on_its_own_disks_only(void **state)
{
    struct xls_revert r = { .args = &args, .aside.fd = -1,
                            .domid = XLS_NO_DOMID };

    (void)state;
    stand();
    host_away();
    xls_op_open_inactive(&r.op, "revert", host_ctx, &host_how);
    r.op.uuid = xls_strdup("22222222-2222-2222-2222-222222222222");
    r.op.domid = REPLACED_DOMID;
    xls_revert_set_name(&r, "guest");
    libxl_domain_config_init(&r.config);
    libxl_domain_config_init(&r.aside.config);
    libxl_retrieve_domain_configuration(host_ctx, host.domid, &r.aside.config,
                                        NULL);
    host.domid = XLS_NO_DOMID;
    strcpy(host.other_disk, host.disks[1].path);
    xls_revert_plan_paths(&r);
    r.aside.path = xls_asprintf("%s/memory", host.images);
    r.phase = XLS_REVERT_GONE;
    assert_int_equal(xls_revert_aside_bring_back(&r),
                     ERROR_SNAPSHOT_INCOMPLETE);
    assert_non_null(strstr(vm_logged(), "is in use by domain"));
    free(r.op.uuid);
    xls_revert_dispose(&r);
    fell();
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_power_cut_leaves_disks_of_one_moment),
        TEST(both_domains_end_after_a_kill),
        TEST(a_path_that_is_a_symlink_stays_one),
        TEST(the_new_domain_goes_on_after_a_kill),
        TEST(the_new_domain_runs_before_the_next_command),
        TEST(the_old_domain_goes_on_only_on_its_files),
        TEST(the_old_domain_is_over_once_the_new_one_has_run),
        TEST(what_is_put_at_a_path_meanwhile_stays),
        TEST(without_second_names_no_path_is_touched),
        TEST(a_layer_does_not_take_over_its_own_path),
        TEST(what_was_put_aside_comes_back_on_its_own_disks_only),
        TEST(a_file_in_use_keeps_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
