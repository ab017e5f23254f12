/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A process is killed after each change that it makes; then an admin does
 * something else to the domain, and only then comes the next call. No flushed
 * write is lost, no file in use is removed or protected, and the layers of
 * other snapshots hold what they held.
 */
#include "qmp/job_support.h"

#include <dirent.h>
#include <sys/stat.h>

#define DISKS 2
#define NEW_IMAGE 0x66

static unsigned char data[DISKS][BLOCKS];
static const char *const vdevs[DISKS] = { "xvda", "xvdb" };
static bool replaced;           /* xvda is another image now */
static int cases, not_started, stale, refused;

static void put(int disk, int block, unsigned char value)
{
    vm_write(host.vm, vdevs[disk], (uint64_t)block * BLOCK, BLOCK, value);
    data[disk][block] = value;
}

static void both_write(int block, unsigned char value)
{
    put(0, block, value);
    put(1, block, value + 1);
}

/* The first block that a disk does not hold; -1: none. */
static int missing(int disk)
{
    int i;

    for (i = 0; i < BLOCKS; i++)
        if (!vm_holds(host.vm, vdevs[disk], (uint64_t)i * BLOCK, BLOCK,
                      data[disk][i]))
            return i;
    return -1;
}

static void both_read(const char *when)
{
    int d, i;

    for (d = replaced; d < DISKS; d++) {
        i = missing(d);
        if (i >= 0)
            fail_msg("%s: block %d of %s does not hold 0x%x (%s)", when, i,
                     vdevs[d], data[d][i], vm_logged());
    }
}

static char *frozen_path(int disk, int number)
{
    return xls_asprintf("%s/%s.frozen%d", host.images, vdevs[disk], number);
}

static int freeze_both(int number)
{
    libxl_domain_snapshot_args args;
    int i, rc;

    libxl_domain_snapshot_args_init(&args);
    args.num_disks = DISKS - replaced;
    args.disks = xls_calloc(DISKS, sizeof(*args.disks));
    for (i = replaced; i < DISKS; i++) {
        libxl_disk_snapshot *d = &args.disks[i - replaced];

        libxl_disk_snapshot_init(d);
        d->disk.vdev = xls_strdup(vdevs[i]);
        d->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
        d->external_path = frozen_path(i, number);
        d->keep_path = true;
    }
    rc = libxl_domain_snapshot_create(host_ctx, host.domid, &args, &host_how,
                                      NULL);
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

/* --- what is killed --- */

static void create(void)
{
    freeze_both(2);
}

static void delete(libxl_snapshot_merge merge)
{
    libxl_domain_snapshot_args args;
    int i;

    libxl_domain_snapshot_args_init(&args);
    args.num_disks = DISKS;
    args.disks = xls_calloc(DISKS, sizeof(*args.disks));
    for (i = 0; i < DISKS; i++) {
        libxl_disk_snapshot *d = &args.disks[i];

        libxl_disk_snapshot_init(d);
        d->disk.vdev = xls_strdup(vdevs[i]);
        d->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
        d->external_path = frozen_path(i, 2);
        d->keep_path = true;
        d->merge = merge;
    }
    libxl_domain_snapshot_delete(host_ctx, host.domid, &args, &host_how, NULL);
    libxl_domain_snapshot_args_dispose(&args);
}

static void delete_forward(void)
{
    delete(LIBXL_SNAPSHOT_MERGE_FORWARD);
}

static void delete_backward(void)
{
    delete(LIBXL_SNAPSHOT_MERGE_BACKWARD);
}

static void wait_for_job(void)
{
    libxl_disk_job job;

    libxl_disk_job_init(&job);
    libxl_disk_job_wait(host_ctx, host.domid, "xvda", &host_how, &job);
    if (job.phase == LIBXL_DISK_JOB_PHASE_READY)
        libxl_disk_job_abort(host_ctx, host.domid, "xvda",
                             LIBXL_DISK_JOB_ABORT_PIVOT, &host_how, NULL);
    libxl_disk_job_dispose(&job);
}

static void commit_active(void)
{
    char *base = frozen_path(0, 2);
    libxl_disk_commit_args args = { .vdev = (char *)"xvda", .base = base };

    if (!libxl_disk_commit(host_ctx, host.domid, &args, &host_how))
        wait_for_job();
    free(base);
}

static void pull_into_active(void)
{
    char *base = frozen_path(0, 1);
    libxl_disk_pull_args args = { .vdev = (char *)"xvda", .base = base };

    if (!libxl_disk_pull(host_ctx, host.domid, &args, &host_how))
        wait_for_job();
    free(base);
}

static const struct operation {
    const char *name;
    void (*run)(void);
    bool has_second;            /* there is a second snapshot before */
} operations[] = {
    { "create", create, false },
    { "delete forward", delete_forward, true },
    { "delete backward", delete_backward, true },
    { "commit", commit_active, true },
    { "pull", pull_into_active, true },
};

/* --- what is seen of files --- */

/* Some file holds, with what is below it by its header, all of it. */
static bool in_some_file(const unsigned char *expected)
{
    DIR *dir = opendir(host.images);
    struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir))) {
        char *path = xls_asprintf("%s/%s", host.images, entry->d_name);
        char *magic = sh_output("head -c 3 '%s' 2>/dev/null | tr -d '\\0'",
                                path);
        int i;

        found = !strcmp(magic, "QFI");
        for (i = 0; found && i < BLOCKS; i++)
            found = image_holds(path, "qcow2", (uint64_t)i * BLOCK, BLOCK,
                                expected[i]);
        free(magic);
        free(path);
    }
    if (dir)
        closedir(dir);
    return found;
}

static void all_is_in_files(const char *when)
{
    int i;

    for (i = 0; i < DISKS; i++)
        if (!in_some_file(data[i]))
            fail_msg("%s: no file holds what %s has written", when, vdevs[i]);
}

/* What the guest writes to is not protected. */
static void active_layers_are_writable(const char *when)
{
    int i;

    for (i = replaced; i < DISKS; i++)
        if (is_protected(vm_top_file(host.vm, vdevs[i])))
            fail_msg("%s: %s is protected (%s)", when,
                     vm_top_file(host.vm, vdevs[i]), vm_logged());
}

/* Each by itself: what an overlay that never came to use is on may be gone.
 * Clusters that a killed QEMU has leaked are no harm. */
static void images_are_clean(const char *when)
{
    char *out = sh_output(
        "for f in '%s'/*; do [ \"$(head -c 3 \"$f\" 2>/dev/null)\" = QFI ] || "
        "continue; qemu-img check -q -U 'json:{\"driver\":\"qcow2\","
        "\"backing\":null,\"file\":{\"driver\":\"file\",\"filename\":\"'"
        "\"$f\"'\"}}' >/dev/null 2>&1; "
        "r=$?; [ $r -eq 0 ] || [ $r -eq 3 ] || echo $f: $r; done; true",
        host.images);

    if (out[0])
        fail_msg("%s: %s", when, out);
    free(out);
}

/* --- what happens then --- */

static void then_it_runs(void)
{
    host.paused = false;
    both_write(20, 0xa0);
}

static bool configured_is_protected(void)
{
    int i;

    for (i = 0; i < DISKS; i++)
        if (is_protected(host.configured[i].path))
            return true;
    return false;
}

static bool power_cycle(uint8_t uuid)
{
    if (configured_is_protected()) {
        vm_kill(host.vm);
        return false;
    }
    host_cold_start(uuid);
    return true;
}

static bool then_power(void)
{
    return power_cycle(host.uuid);
}

static bool then_power_new_uuid(void)
{
    return power_cycle(host.uuid + 1);
}

static bool then_run_and_power(void)
{
    then_it_runs();
    return power_cycle(host.uuid + 1);
}

static bool then_run(void)
{
    then_it_runs();
    return true;
}

static bool then_replace(void)
{
    char *path = xls_asprintf("%s/new.qcow2", host.images);

    sh("qemu-img create -q -f qcow2 '%s' 16M && "
       "qemu-io -f qcow2 -c 'write -P 0x%x 0 64k' '%s' >/dev/null", path,
       NEW_IMAGE, path);
    host.paused = false;
    vm_do(host.vm, "device_del", json("{'id':'xvda'}"));
    vm_do(host.vm, "blockdev-add",
          json("{'driver':'qcow2','node-name':'new','file':"
               "{'driver':'file','filename':'%s'}}", path));
    vm_plug(host.vm, "xvda", "new");
    strcpy(host.disks[0].path, path);
    replaced = true;
    put(1, 20, 0xa1);
    free(path);
    return true;
}

static const struct follow_up {
    const char *name;
    bool (*run)(void);          /* false: it was not to be started */
} follow_ups[] = {
    { "it runs on", then_run },
    { "it is powered off and on", then_power },
    { "it is powered off and on with a new uuid", then_power_new_uuid },
    { "it runs on, is powered off, and on", then_run_and_power },
    { "its disk is replaced", then_replace },
};

static void prepare(const struct operation *o, char *sums[DISKS])
{
    int i;

    memset(data, 0, sizeof(data));
    replaced = false;
    host_start(vm_start(DISKS, NULL));
    both_write(0, 0x10);
    both_write(1, 0x20);
    assert_int_equal(host_call(freeze_both(1)), 0);
    for (i = 0; i < DISKS; i++) {
        char *path = frozen_path(i, 1);

        sums[i] = image_sum(path, "qcow2");
        free(path);
    }
    both_write(1, 0x30);
    both_write(2, 0x40);
    if (o->has_second)
        assert_int_equal(host_call(freeze_both(2)), 0);
    both_write(3, 0x50);
}

static void first_layers_are_unchanged(const char *when, char *sums[DISKS])
{
    int i;

    for (i = 0; i < DISKS; i++) {
        char *path = frozen_path(i, 1), *sum = image_sum(path, "qcow2");

        if (strcmp(sum, sums[i]))
            fail_msg("%s: %s has changed", when, path);
        free(sum);
        free(path);
    }
}

static void next_call(const char *when, int number)
{
    vm_log_clear();
    host_away();
    if (freeze_both(number)) {
        refused++;
        if (!vm_logged()[0])
            fail_msg("%s: refused without a word", when);
        printf("%s: refused: %s\n", when, vm_logged());
    }
    host_back(0);
}

/*
 * A plain start on the layer that was the active one: killed between QEMU's
 * switch and the protection of the layer, of which a guest that is unpaused by
 * an admin writes the overlay under its temporary name. What it wrote is kept.
 */
static void is_kept(const char *when)
{
    stale++;
    all_is_in_files(when);
    next_call(when, 5);
    all_is_in_files(when);
}

/* True: the process was killed at its n-th change. */
static bool killed_then(const struct operation *o, const struct follow_up *f,
                        long n)
{
    char *sums[DISKS];
    char *when = xls_asprintf("%s, killed at %ld, then %s", o->name, n,
                              f->name);
    bool killed;
    int i;

    prepare(o, sums);
    killed = host_killed_in(o->run, n);
    if (!killed) {
        /* Whatever of it is not killed comes to a good end. */
        both_read(when);
        goto out;
    }
    cases++;
    if (!f->run()) {
        not_started++;
        all_is_in_files(when);
        images_are_clean(when);
        first_layers_are_unchanged(when, sums);
        goto out;
    }
    if (!replaced && (missing(0) >= 0 || missing(1) >= 0)) {
        is_kept(when);
        goto out;
    }
    active_layers_are_writable(when);
    next_call(when, 5);
    both_read(when);
    active_layers_are_writable(when);
    put(1, 21, 0xb1);
    if (!replaced)
        put(0, 21, 0xb0);
    next_call(when, 6);
    both_read(when);
    active_layers_are_writable(when);
    if (replaced) {
        assert_true(vm_holds(host.vm, "xvda", 0, BLOCK, NEW_IMAGE));
        vm_kill(host.vm);
        all_is_in_files(when);
    } else if (then_power_new_uuid()) {
        both_read(when);
        active_layers_are_writable(when);
        vm_kill(host.vm);
    } else {
        all_is_in_files(when);
    }
    images_are_clean(when);
    first_layers_are_unchanged(when, sums);

out:
    for (i = 0; i < DISKS; i++)
        free(sums[i]);
    free(when);
    host_teardown(NULL);
    return killed;
}

/*
 * In the environment: STEP, kill after so many changes more each time;
 * ONLY="operation:follow-up:change", numbers from 0, of the change from 1.
 */
static void each_change(const struct operation *o)
{
    const char *only = getenv("ONLY"), *text = getenv("STEP");
    int op = -1, follow = -1;
    size_t i;
    long at = 0, n, step = text ? atol(text) : 19;

    if (only)
        sscanf(only, "%d:%d:%ld", &op, &follow, &at);
    if (op >= 0 && o != &operations[op])
        return;
    for (i = 0; i < sizeof(follow_ups) / sizeof(follow_ups[0]); i++) {
        if (follow >= 0 && (size_t)follow != i)
            continue;
        /* Each follow-up begins with another change. */
        for (n = at ? at : 1 + (long)i % step;
             killed_then(o, &follow_ups[i], n) && !at; n += step)
            ;
    }
    printf("%s: so far %d cases, %d of them could not be started as "
           "configured, %d came up without an overlay that was kept, %d calls "
           "were refused\n", o->name, cases, not_started, stale, refused);
    /* Two disks, in the moment between switch and rename. */
    assert_in_range(stale, 0, 2);
}

static void a_create(void **state)
{
    (void)state;
    each_change(&operations[0]);
}

static void a_delete_forward(void **state)
{
    (void)state;
    each_change(&operations[1]);
}

static void a_delete_backward(void **state)
{
    (void)state;
    each_change(&operations[2]);
}

static void a_commit(void **state)
{
    (void)state;
    each_change(&operations[3]);
}

static void a_pull(void **state)
{
    (void)state;
    each_change(&operations[4]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_create, host_teardown),
        cmocka_unit_test_teardown(a_delete_forward, host_teardown),
        cmocka_unit_test_teardown(a_delete_backward, host_teardown),
        cmocka_unit_test_teardown(a_commit, host_teardown),
        cmocka_unit_test_teardown(a_pull, host_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
