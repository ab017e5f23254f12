/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A command is killed after each of its changes; then an admin does what admins
 * do, and only after that comes our next command: nothing that the guest wrote is
 * lost.
 */
#include "qmp/job_support.h"

/* What the guest writes after the kill. */
#define LATER_BLOCK 20
#define LATER 0x77

static void create(void)
{
    libxl_domain_snapshot_args args;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL, layer_path(1));
    args.disks->keep_path = true;
    libxl_domain_snapshot_create(host_ctx, host.domid, &args, &host_how, NULL);
    libxl_domain_snapshot_args_dispose(&args);
}

static void create_internal(void)
{
    libxl_domain_snapshot_args args;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_INTERNAL, NULL);
    args.disks->name = xls_strdup("s1");
    libxl_domain_snapshot_create(host_ctx, host.domid, &args, &host_how, NULL);
    libxl_domain_snapshot_args_dispose(&args);
}

static void delete(void)
{
    libxl_domain_snapshot_args args;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL, layer_path(1));
    args.disks->merge = LIBXL_SNAPSHOT_MERGE_BACKWARD;
    libxl_domain_snapshot_delete(host_ctx, host.domid, &args, &host_how, NULL);
    libxl_domain_snapshot_args_dispose(&args);
}

/* --- what the user is warned of --- */

static char warned[4096];

static void __attribute__((format(printf, 5, 0)))
keep_warning(xentoollog_logger *l, xentoollog_level level, int errnoval,
             const char *context, const char *format, va_list al)
{
    size_t at = strlen(warned);

    (void)l, (void)errnoval, (void)context;
    if (level == XTL_WARN)
        vsnprintf(warned + at, sizeof(warned) - at, format, al);
}

static xentoollog_logger warnings = { .vmessage = keep_warning };

static void recover_warned(void)
{
    libxl_snapshot_how how = { .logger = &warnings };

    warned[0] = '\0';
    if (host_call(libxl_domain_snapshot_recover(host_ctx, host.domid, &how)))
        fail_msg("%s", warned);
}

static void recover(void)
{
    if (host_call(libxl_domain_snapshot_recover(host_ctx, host.domid,
                                                &host_how)))
        fail_msg("%s", vm_logged());
}

static int num_layers(void)
{
    libxl_disk_chain chain;
    int n;

    vm_chain(host.vm, "xvda", &chain);
    n = chain.num_layers;
    libxl_disk_chain_dispose(&chain);
    return n;
}

/* Some image of the directory shows what was written after the kill. */
static bool is_in_some_image(void)
{
    char *out = sh_output(
        "for f in '%s'/*; do qemu-io -U -r -f qcow2 -c 'read -P %d %d %d' $f "
        "2>&1 | grep -v failed | grep -q '^read ' && "
        "! qemu-io -U -r -f qcow2 -c 'read -P %d %d %d' $f 2>&1 | "
        "grep -q 'verification failed' && echo $f; done; true",
        host.images, LATER, LATER_BLOCK * BLOCK, BLOCK, LATER,
        LATER_BLOCK * BLOCK, BLOCK);
    bool is = out[0] != '\0';

    free(out);
    return is;
}

static bool journal_is_there(void)
{
    char *out = sh_output("ls '%s/lib/xlsnapshot' 2>/dev/null | grep json || "
                          "true", HOST_DIR);
    bool is = out[0] != '\0';

    free(out);
    return is;
}

static void journals_are_gone(void)
{
    assert_false(journal_is_there());
}

static void no_file_stays_passed(void)
{
    struct xls_json *sets = vm_run(host.vm, "query-fdsets", NULL);

    assert_int_equal(xls_json_len(sets), 0);
    xls_json_free(sets);
}

static void an_admin_unpauses_after_a_kill(void **state)
{
    bool killed, complete;
    long n;

    (void)state;
    for (n = 1, killed = true; killed; n++) {
        chain_start(1, 1);
        killed = host_killed_in(create, n);
        complete = n > 1 && !journal_is_there();
        guest_writes(LATER_BLOCK, LATER);
        /* Only a QEMU that runs closes them. */
        vm_do(host.vm, "cont", NULL);
        recover();
        no_file_stays_passed();
        guest_writes(LATER_BLOCK + 1, LATER);
        all_is_right(complete ? 2 : 1);
        host_teardown(NULL);
    }
    assert_true(n > 8);
}

/* after: host_reboot or host_power_cycle. */
static void power_cycle_after_a_kill(void (*after)(void))
{
    int kept = 0;
    bool killed;
    long n;

    for (n = 1, killed = true; killed; n++) {
        chain_start(1, 1);
        killed = host_killed_in(create, n);
        guest_writes(LATER_BLOCK, LATER);
        after();
        recover_warned();
        if (!vm_holds(host.vm, "xvda", LATER_BLOCK * BLOCK, BLOCK, LATER)) {
            written[LATER_BLOCK] = 0;
            kept++;
            if (!strstr(warned, "is kept: it holds data"))
                fail_msg("change %ld: %s", n, warned);
        }
        if (!is_in_some_image())
            fail_msg("change %ld: what the guest wrote is gone", n);
        guest_writes(LATER_BLOCK + 1, LATER);
        guest_reads_its_data();
        journals_are_gone();
        /* What is below the active layer is protected. */
        if (num_layers() == 2) {
            char *path = layer_path(1);

            assert_true(is_protected(path));
            free(path);
        }
        host_teardown(NULL);
    }
    assert_true(n > 8);
    /* Between QEMU's switch and the change of names. */
    assert_true(kept > 0);
}

static void a_domain_is_restarted_after_a_kill(void **state)
{
    (void)state;
    power_cycle_after_a_kill(host_reboot);
}

static void a_domain_has_a_new_uuid_after_a_kill(void **state)
{
    (void)state;
    power_cycle_after_a_kill(host_power_cycle);
}

/* The domain was made anew, with files of the same names. */
/* The domain is made anew, with files of the same names. */
static void others_get_the_names(void)
{
    sh("cd '%s' && chattr -f -i *; for f in *.qcow2* layer*; do "
       "test -f $f && cp $f again && rm $f && mv again $f; done; true",
       host.images);
}

static void what_was_killed_is_no_business_of_other_files(void **state)
{
    bool killed;
    long n;

    (void)state;
    for (n = 1, killed = true; killed; n++) {
        char *before, *after;

        chain_start(1, 1);
        killed = host_killed_in(create, n);
        vm_kill(host.vm);
        others_get_the_names();
        before = sh_output("cd '%s' && md5sum *.qcow2* layer* 2>/dev/null; true",
                           host.images);
        host_power_cycle();
        recover();
        vm_kill(host.vm);
        after = sh_output("cd '%s' && md5sum *.qcow2* layer* 2>/dev/null; true",
                          host.images);
        assert_string_equal(before, after);
        free(before);
        free(after);
        sh("! lsattr '%s' 2>/dev/null | grep -q '^....i'", host.images);
        host_teardown(NULL);
    }
    assert_true(n > 8);
}

/* Else each later command on any domain reads its file. */
static void a_job_of_images_that_are_gone_is_forgotten(void **state)
{
    (void)state;
    chain_start(1, 3);
    assert_int_equal(pull(NULL, 1000), 0);
    sh("ls '%s/lib/xlsnapshot' | grep -q '[.]job$'", HOST_DIR);
    vm_kill(host.vm);
    others_get_the_names();
    host_power_cycle();
    recover();
    sh("! ls '%s/lib/xlsnapshot' | grep -q '[.]job$'", HOST_DIR);
}

static void a_merge_is_killed_and_the_domain_has_a_new_uuid(void **state)
{
    bool killed;
    long n;

    (void)state;
    for (n = 1, killed = true; killed; n++) {
        chain_start(1, 3);
        killed = host_killed_in(delete, n);
        guest_writes(LATER_BLOCK, LATER);
        host_power_cycle();
        recover();
        guest_reads_its_data();
        guest_writes(LATER_BLOCK + 1, LATER);
        all_is_right(num_layers());
        host_teardown(NULL);
    }
    assert_true(n > 4);
}

/* block-detach, and block-attach of another file as the same vdev. */
static void exchange_disk(void)
{
    char *other = xls_asprintf("%s/other", host.images);

    sh("qemu-img create -q -f qcow2 '%s' 16M", other);
    vm_do(host.vm, "device_del", json("{'id':'xvda'}"));
    xls_json_free(vm_event(host.vm, "DEVICE_DELETED"));
    vm_do(host.vm, "blockdev-add",
          json("{'driver':'qcow2','node-name':'other','file':"
               "{'driver':'file','filename':'%s'}}", other));
    vm_do(host.vm, "device_add",
          json("{'driver':'scsi-hd','id':'xvda','drive':'other',"
               "'bus':'b0.0'}"));
    snprintf(host.disks[0].path, sizeof(host.disks[0].path), "%s", other);
    memset(written, 0, sizeof(written));
    free(other);
}

static void the_disk_is_exchanged_after_a_kill(void **state)
{
    void (*const commands[])(void) = { create, create_internal, delete };
    bool killed;
    size_t i;
    long n;

    (void)state;
    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        for (n = 1, killed = true; killed; n++) {
            chain_start(1, commands[i] == delete ? 3 : 1);
            killed = host_killed_in(commands[i], n);
            guest_writes(LATER_BLOCK, LATER);
            exchange_disk();
            recover();
            assert_true(is_in_some_image());
            guest_writes(LATER_BLOCK + 1, LATER);
            guest_reads_its_data();
            journals_are_gone();
            if (commands[i] == delete) {
                char *path = layer_path(2);

                assert_true(is_protected(path));
                free(path);
            }
            host_teardown(NULL);
        }
}

static void a_killed_internal_snapshot_is_deleted(void **state)
{
    void (*const after[])(void) = { NULL, host_reboot, host_power_cycle };
    bool killed;
    size_t i;
    long n;

    (void)state;
    for (i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
        for (n = 1, killed = true; killed; n++) {
            bool complete;
            char *num;

            chain_start(1, 1);
            killed = host_killed_in(create_internal, n);
            complete = n > 2 && !journal_is_there();
            guest_writes(LATER_BLOCK, LATER);
            if (after[i])
                after[i]();
            recover();
            num = sh_output("qemu-img snapshot -U -l '%s' | grep -c s1 || true",
                            host.disks[0].path);
            if (strcmp(num, complete ? "1" : "0"))
                fail_msg("case %zu, change %ld: %s internal snapshots", i, n,
                         num);
            free(num);
            guest_reads_its_data();
            journals_are_gone();
            host_teardown(NULL);
        }
        assert_true(n > 3);
    }
}

/* --- QEMU ends while a create that failed is undone --- */

static bool is_switched;

/* The guest writes to the overlay, through a monitor of its own. */
static int fails_when_written(void *user, libxl_snapshot_storage_step step,
                              uint32_t domid, const libxl_disk_snapshot *disk)
{
    struct qmp_vm guest = *host.vm;

    (void)user, (void)domid, (void)disk;
    if (step != LIBXL_SNAPSHOT_STORAGE_SNAPSHOT)
        return 0;
    assert_int_equal(xls_qmp_open(&vm_log, guest.guest, NULL, VM_TIMEOUT_MS,
                                  &guest.qmp), 0);
    vm_write(&guest, "xvda", LATER_BLOCK * BLOCK, BLOCK, LATER);
    written[LATER_BLOCK] = LATER;
    xls_qmp_close(guest.qmp);
    is_switched = true;
    return ERROR_SNAPSHOT_STORAGE;
}

/* As soon as the base may be written again. */
static void kill_when_thawed(void)
{
    if (is_switched && !is_protected(host.configured[0].path))
        vm_kill(host.vm);
    else
        host.before = kill_when_thawed;
}

static int create_that_fails(void)
{
    libxl_domain_snapshot_args args;
    int i, rc;

    libxl_domain_snapshot_args_init(&args);
    args.num_disks = 2;
    args.disks = xls_calloc(2, sizeof(*args.disks));
    for (i = 0; i < 2; i++) {
        libxl_disk_snapshot_init(&args.disks[i]);
        args.disks[i].disk.vdev = xls_strdup(host.disks[i].vdev);
        args.disks[i].method = i ? LIBXL_SNAPSHOT_METHOD_CALLER
                                 : LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    }
    args.disks[0].external_path = layer_path(1);
    rc = libxl_domain_snapshot_create(host_ctx, host.domid, &args, &host_how,
                                      NULL);
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

static void qemu_ends_while_a_raw_disk_gets_its_overlay_back(void **state)
{
    static const struct vm_disk disks[] = { { .format = "raw" }, { 0 } };
    char *overlay;

    (void)state;
    memset(written, 0, sizeof(written));
    is_switched = false;
    host_start(vm_start(2, disks));
    overlay = layer_path(1);
    guest_writes(1, 1);
    host_how.storage = fails_when_written;
    host.before = kill_when_thawed;
    host_away();
    assert_int_equal(create_that_fails(), ERROR_SNAPSHOT_INCOMPLETE);
    assert_true(is_switched);
    assert_null(host.before);
    host_how.storage = NULL;
    /* The guest is started again, by the records. */
    assert_string_equal(host.disks[0].path, overlay);
    host_power_cycle();
    guest_reads_its_data();
    recover();
    guest_writes(LATER_BLOCK + 1, LATER);
    all_is_right(2);
    free(overlay);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_disk_is_exchanged_after_a_kill),
        TEST(an_admin_unpauses_after_a_kill),
        TEST(a_domain_is_restarted_after_a_kill),
        TEST(a_domain_has_a_new_uuid_after_a_kill),
        TEST(what_was_killed_is_no_business_of_other_files),
        TEST(a_job_of_images_that_are_gone_is_forgotten),
        TEST(a_merge_is_killed_and_the_domain_has_a_new_uuid),
        TEST(a_killed_internal_snapshot_is_deleted),
        TEST(qemu_ends_while_a_raw_disk_gets_its_overlay_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
