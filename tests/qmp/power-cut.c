/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The power fails during an operation, after each flush of the disk that the
 * images and journals are on: what the guest had flushed by then is there when
 * the domain is started from its configuration, or that start fails; and it is
 * there after the next command, which leaves nothing to recover.
 *
 * Without POWER_CUTS (power_device.h) the guest either writes or does nothing, at
 * random; else both are tried.
 * POWER_ONLY: this operation alone.
 */
#include "diskimage/format.h"
#include "qmp/guest.h"
#include "qmp/job_support.h"
#include "qmp/power_device.h"

#define UNWRITTEN 0x100

struct operation {
    const char *name;
    const char *format;         /* of the disk */
    int depth;                  /* of its chain before */
    void (*run)(void);
    /* It writes the file that the configuration names while that is not the
     * active layer: nothing can keep a plain start from it, and the domain is
     * started as this package's xl does, which recovers first. */
    bool writes_base;
};

/* --- the operations --- */

static void must(int rc)
{
    if (rc)
        fail_msg("%d: %s", rc, vm_logged());
}

static void create(void)
{
    must(snapshot(7));
}

/* An overlay under a path of its own. */
static void create_beside(void)
{
    libxl_domain_snapshot_args args;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL, layer_path(7));
    must(host_call(libxl_domain_snapshot_create(host_ctx, host.domid, &args,
                                                &host_how, NULL)));
    libxl_domain_snapshot_args_dispose(&args);
}

static int no_storage(void *user, libxl_snapshot_storage_step step,
                      uint32_t domid, const libxl_disk_snapshot *disk)
{
    (void)user, (void)domid, (void)disk;
    return step == LIBXL_SNAPSHOT_STORAGE_SNAPSHOT ? ERROR_FAIL : 0;
}

/* After QEMU's switch the other disk's storage fails. */
static void undo(void)
{
    libxl_snapshot_how how = host_how;
    libxl_domain_snapshot_args args;

    how.storage = no_storage;
    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL, layer_path(7));
    args.disks->keep_path = host.disks[0].format == LIBXL_DISK_FORMAT_QCOW2;
    args.disks = xls_realloc(args.disks, 2, sizeof(*args.disks));
    args.num_disks = 2;
    libxl_disk_snapshot_init(&args.disks[1]);
    args.disks[1].disk.vdev = xls_strdup("xvdb");
    args.disks[1].method = LIBXL_SNAPSHOT_METHOD_CALLER;
    assert_int_equal(host_call(libxl_domain_snapshot_create(
                         host_ctx, host.domid, &args, &how, NULL)),
                     ERROR_FAIL);
    libxl_domain_snapshot_args_dispose(&args);
}

static void delete_layer(int number, libxl_snapshot_merge merge)
{
    libxl_domain_snapshot_args args;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL, layer_path(number));
    args.disks->merge = merge;
    must(host_call(libxl_domain_snapshot_delete(host_ctx, host.domid, &args,
                                                &host_how, NULL)));
    /* As the toolstack does, once the library says that nothing uses it. */
    if (merge == LIBXL_SNAPSHOT_MERGE_FORWARD)
        sh("chattr -i '%s' && rm '%s' && sync '%s'", args.disks->external_path,
           args.disks->external_path, host.images);
    libxl_domain_snapshot_args_dispose(&args);
}

static void delete_forward(void)
{
    delete_layer(2, LIBXL_SNAPSHOT_MERGE_FORWARD);
}

static void delete_backward(void)
{
    delete_layer(2, LIBXL_SNAPSHOT_MERGE_BACKWARD);
}

static void delete_below(void)
{
    delete_layer(1, LIBXL_SNAPSHOT_MERGE_BACKWARD);
}

static void do_pull(void)
{
    must(pull(NULL, 0));
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
}

static void do_commit(void)
{
    must(commit(NULL, NULL, 0));
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    must(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT));
}

static void do_copy(void)
{
    char *target = layer_path(9);
    libxl_disk_copy_args args = { .vdev = (char *)"xvda", .target = target,
                                  .keep_path = true };

    must(host_call(libxl_disk_copy(host_ctx, host.domid, &args, &host_how)));
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    must(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT));
    free(target);
}

static const struct operation operations[] = {
    { "create", "qcow2", 2, create, false },
    { "create on raw", "raw", 1, create_beside, false },
    { "undo", "qcow2", 2, undo, false },
    { "undo on raw", "raw", 1, undo, true },
    { "delete forward", "qcow2", 3, delete_forward, false },
    { "delete backward", "qcow2", 3, delete_backward, false },
    { "delete below", "qcow2", 3, delete_below, false },
    { "pull", "qcow2", 3, do_pull, false },
    { "commit", "qcow2", 3, do_commit, false },
    { "copy", "qcow2", 2, do_copy, false },
};

/* --- what must hold --- */

static char what[160];          /* the case, for messages */
static unsigned char before[BLOCKS];    /* flushed before the operation */
static const struct guest_note *notes;
static int num_notes;
/* What block may hold: the first is the last that was flushed, the second the
 * one after, which may have come to the disk. */
static int expected[BLOCKS][2];

static void expect(uint64_t at)
{
    int i;

    for (i = 0; i < BLOCKS; i++)
        expected[i][0] = before[i], expected[i][1] = UNWRITTEN;
    for (i = 0; i < num_notes; i++) {
        int *e = expected[GUEST_FIRST + notes[i].block];

        if (notes[i].at <= at)
            e[0] = notes[i].value;
        else if (e[1] == UNWRITTEN)
            e[1] = notes[i].value;
    }
}

static bool holds(const char *path, const char *format, int block, int value)
{
    return value != UNWRITTEN &&
           image_holds(path, format, (uint64_t)block * BLOCK, BLOCK, value);
}

static void show_files(void)
{
    sh("cd '%s'; ls -la >&2; lsattr >&2; cd '%s/lib/xlsnapshot' && "
       "head -c 5000 * >&2; true", host.images, HOST_DIR);
}

static void image_is_right(const char *when, const char *path,
                           const char *format)
{
    int i;

    for (i = 0; i < BLOCKS; i++) {
        if (holds(path, format, i, expected[i][0]) ||
            holds(path, format, i, expected[i][1]))
            continue;
        show_files();
        fail_msg("%s, %s: block %d of %s does not hold %#x", what, when, i,
                 path, expected[i][0]);
    }
}

/* Whether a domain could be started on an image, as xl does that. */
static bool can_start(const char *path)
{
    char *out;
    bool can;

    if (access(path, F_OK))
        return false;
    out = sh_output("lsattr -d '%s' | cut -c5", path);
    can = out[0] != 'i';
    free(out);
    return can;
}

/*
 * What the domain is started on: the file that its configuration names, if that
 * can be; or else, as by a toolstack that has recorded it, the layer that the
 * operation makes.
 */
static bool choose_start(const struct host *after)
{
    char *made[] = { xls_strdup(after->disks[0].path), layer_path(7),
                     layer_path(9) };
    bool can = can_start(host.configured[0].path);
    size_t i;

    for (i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        if (!can && can_start(made[i])) {
            snprintf(host.configured[0].path, sizeof(host.configured[0].path),
                     "%s", made[i]);
            host.configured[0].format = LIBXL_DISK_FORMAT_QCOW2;
            can = true;
        }
        free(made[i]);
    }
    return can;
}

static void start_is_right(const char *when)
{
    image_is_right(when, host.configured[0].path,
                   xls_format_driver(host.configured[0].format));
}

static void recover(void)
{
    if (host_call(libxl_domain_snapshot_recover(host_ctx, host.domid,
                                                &host_how)))
        fail_msg("%s: %s", what, vm_logged());
}

/* Without a domain. */
static void recover_off(void)
{
    libxl_uuid uuid;

    memset(uuid.uuid, host.uuid, sizeof(uuid.uuid));
    host.domid = XLS_NO_DOMID;
    if (libxl_domain_snapshot_recover_uuid(host_ctx, &uuid, &host_how))
        fail_msg("%s: %s", what, vm_logged());
}

/* The journals are of an earlier start of the host. */
static void forget_boot(void)
{
    sh("sed -i 's/\"boot_id\": *\"[^\"]*\"/\"boot_id\": \"earlier\"/' "
       "'%s'/lib/xlsnapshot/*.j* 2>/dev/null; true", HOST_DIR);
}

static void nothing_is_left(void)
{
    char *left;

    sh("cd '%s' && for f in *; do qemu-img info -U $f 2>/dev/null | "
       "grep -q 'format: qcow2' || continue; "
       "qemu-img check -q -U -f qcow2 $f >/dev/null 2>&1; "
       "case $? in 0|3) ;; *) echo \"$f is damaged\" >&2; exit 1;; esac; done",
       host.images);
    left = sh_output("ls '%s/lib/xlsnapshot' 2>/dev/null | grep json; true",
                     HOST_DIR);
    if (left[0])
        fail_msg("%s: left are %s", what, left);
    free(left);
}

/* The device is as the cut has left it; host, as the operation has. */
static void check_cut(const struct operation *op)
{
    const struct host after = host;
    uint32_t domid = host.domid;

    forget_boot();
    if (op->writes_base || !choose_start(&after)) {
        recover_off();
        host.domid = domid;
        if (!choose_start(&after)) {
            show_files();
            fail_msg("%s: it cannot be started", what);
        }
    }
    start_is_right("by the configuration");
    host_cold_start((unsigned char)(host.uuid + 1));
    recover();
    vm_kill(host.vm);
    memcpy(host.configured, host.disks, sizeof(host.disks));
    start_is_right("after the next command");
    nothing_is_left();
    vm_stop(host.vm);
    host = after;
}

/* --- one operation --- */

static void start(const struct operation *op)
{
    const struct vm_disk disks[2] = { { .format = op->format },
                                      { .format = "raw" } };
    int i;

    memset(written, 0, sizeof(written));
    host_start(vm_start(2, disks));
    for (i = 1; i <= op->depth; i++) {
        guest_writes(0, i);
        guest_writes(i, 0x10 + i);
        guest_writes(i + 1, 0x20 + i);
        if (i < op->depth)
            must(snapshot(i));
    }
}

/* Runs it with a guest that writes, or does nothing (whose flushes would be more
 * than the operation asks for itself); *begin, *end: when that was. */
static void run(const char *fs, const struct operation *op, bool idle,
                uint64_t *begin, uint64_t *end)
{
    unsigned char values[GUEST_BLOCKS];

    setenv("TMPDIR", power_device_start(fs, HOST_DIR), 1);
    start(op);
    unsetenv("TMPDIR");
    memcpy(before, written, sizeof(before));
    guest_clock = power_device_now;
    /* What it inherits would stay open. */
    host_away();
    guest_start(host.vm);
    host_back(0);
    if (idle)
        guest_stop(values);
    *begin = power_device_now();
    op->run();
    if (!idle)
        guest_stop(values);
    *end = power_device_now();
    guest_clock = NULL;
    notes = guest_notes(&num_notes);
    vm_kill(host.vm);
    /* What is open keeps it from being unmounted. */
    close(host.vm->out);
    host.vm->out = -1;
    power_device_end();
}

struct cutting {
    const char *fs;
    const struct operation *op;
    bool idle;
    uint64_t begin, end;
};

static void check_one(void *user, uint64_t at)
{
    const struct cutting *c = user;

    snprintf(what, sizeof(what), "%s, %s, %s guest, cut at %llu of %llu to %llu",
             c->fs, c->op->name, c->idle ? "idle" : "writing",
             (unsigned long long)at, (unsigned long long)c->begin,
             (unsigned long long)c->end);
    expect(at);
    check_cut(c->op);
}

static void cut(const char *fs, const struct operation *op, bool idle)
{
    struct cutting c = { .fs = fs, .op = op, .idle = idle };
    unsigned cuts;

    run(fs, op, idle, &c.begin, &c.end);
    cuts = power_cut_each(c.begin, c.end, check_one, &c);
    print_message("power cuts: %s, %s, %s guest: %u in %llu writes and "
                  "flushes\n", fs, op->name, idle ? "idle" : "writing", cuts,
                  (unsigned long long)(c.end - c.begin));
}

static void cut_all_on(const char *fs)
{
    const char *only = getenv("POWER_ONLY"), *why = power_impossible(fs);
    size_t i;
    int idle, first = 0, last = 1;

    if (why) {
        print_message("no power cuts on %s: %s\n", fs, why);
        skip();
    }
    power_seed();
    sh("mkdir -p '%s'", HOST_DIR);
    for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (only && strcmp(only, operations[i].name))
            continue;
        if (!getenv("POWER_CUTS"))
            first = last = rand() % 2;
        for (idle = first; idle <= last; idle++) {
            cut(fs, &operations[i], idle);
            host_teardown(NULL);
            power_teardown(NULL);
        }
    }
}

static void on_ext4(void **state)
{
    (void)state;
    cut_all_on("ext4");
}

static void on_xfs(void **state)
{
    (void)state;
    cut_all_on("xfs");
}

static int teardown(void **state)
{
    host_teardown(state);
    return power_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(on_ext4, teardown),
        cmocka_unit_test_teardown(on_xfs, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
