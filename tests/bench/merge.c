/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How fast a layer's data goes into its base (commit) or out of it (pull)
 * while QEMU has the disk open, beside qemu-img, in turn, each on a fresh copy
 * of the same images. Prints the medians of the times, and of the ratios of
 * the throughputs in a round, since the disk's pace changes. With layers that
 * a guest wrote here and there, as it does, and with such in one piece, as an
 * installer leaves them; both on a disk, that of TMPDIR or of /var/tmp, and in
 * memory (/dev/shm), where nothing but the copying itself takes time.
 */
#include "qmp/job_support.h"

#include "bench/median.h"
#include "common/clock.h"

#define ROUNDS 5
#define DATA_MB 1024
#define CHUNK_MB 64

/* How a layer is written: in requests of 4 KiB to 1 MiB anywhere, as many of
 * each doubling of the size, or from its begin on. */
enum pattern { IN_PLACES, IN_ONE_PIECE };

static void write_anywhere(unsigned seed, unsigned char value)
{
    uint64_t put = 0, pages = (2ull * DATA_MB << 20) / 4096, len;

    while (put < (uint64_t)DATA_MB << 20) {
        len = 1 << rand_r(&seed) % 9;
        vm_put(host.vm, "xvda", rand_r(&seed) % (pages - len) * 4096,
               len * 4096, value);
        put += len * 4096;
    }
}

static void fill(enum pattern pattern, int from_mb, unsigned char value)
{
    int mb;

    if (pattern == IN_PLACES)
        write_anywhere(value, value);
    else
        for (mb = from_mb; mb < from_mb + DATA_MB; mb += CHUNK_MB)
            vm_put(host.vm, "xvda", (uint64_t)mb << 20, CHUNK_MB << 20, value);
    vm_write(host.vm, "xvda", 0, 0, 0);     /* flushed */
}

/* Goes to model/, as a layer that names the next one relatively. */
static void keep(const char *path, const char *name, const char *base)
{
    sh("cd '%s/model' && mv '%s' %s", host.images, path, name);
    if (base)
        sh("cd '%s/model' && qemu-img rebase -q -u -f qcow2 -b %s -F qcow2 %s",
           host.images, base, name);
}

/* Two layers of as much data, of which the upper one's hides a part of the
 * lower's, as a guest wrote them; root: below them is a third. They are top,
 * base and root of model/ in the directory of the QEMU that wrote them, which
 * has ended. */
static struct qmp_vm *write_model(enum pattern pattern, bool root)
{
    char *size = xls_asprintf("%dM", 2 * DATA_MB), *layer;
    struct vm_disk disk = { .size = size };
    struct qmp_vm *writer = vm_start(1, &disk);

    host_start(writer);
    if (root) {
        fill(pattern, DATA_MB, 5);
        if (snapshot(1))
            fail_msg("%s", vm_logged());
    }
    fill(pattern, 0, 7);
    if (snapshot(1 + root))
        fail_msg("%s", vm_logged());
    fill(pattern, DATA_MB / 2, 9);
    vm_kill(writer);

    sh("cd '%s' && chattr -f -i layer* && mkdir model", host.images);
    if (root) {
        layer = layer_path(1);
        keep(layer, "root", NULL);
        free(layer);
    }
    layer = layer_path(1 + root);
    keep(layer, "base", root ? "root" : NULL);
    keep(host.disks[0].path, "top", "base");
    free(layer);
    free(size);
    return writer;
}

/* In copy/, by name; to be freed. */
static char *copy_path(const char *name)
{
    return xls_asprintf("%s/copy/%s", host.images, name);
}

static void commit_by_qemu(void)
{
    if (commit(NULL, NULL, 0))
        fail_msg("%s", vm_logged());
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
}

static void commit_base_by_qemu(void)
{
    char *base = copy_path("base");

    if (commit(base, NULL, 0))
        fail_msg("%s", vm_logged());
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    free(base);
}

static void pull_to(const char *base)
{
    if (pull(base, 0))
        fail_msg("%s", vm_logged());
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
}

static void pull_all_by_qemu(void)
{
    pull_to(NULL);
}

static void pull_to_root_by_qemu(void)
{
    char *root = copy_path("root");

    pull_to(root);
    free(root);
}

/* What is left of the copy may be protected. */
static void drop_copy(const struct qmp_vm *writer)
{
    sh("cd '%s' && { chattr -f -R -i copy || true; } && rm -rf copy",
       writer->dir);
}

/* A fresh copy of the model, all of it on the disk. What is written next lands
 * in memory that has been in use: in a virtual machine, memory that has not is
 * much slower, and whoever is measured second would get what the first has
 * freed. */
static void settle(const struct qmp_vm *writer)
{
    drop_copy(writer);
    sh("cd '%s' && cp -r --sparse=always model copy && sync && "
       "head -c %dM /dev/zero >/dev/shm/xls-bench && rm /dev/shm/xls-bench",
       writer->dir, 2 * DATA_MB);
}

/* What is measured: ours, and what is beside it. Both are on the disk when they
 * say that they are done. */
static const struct merge {
    const char *what;
    bool root;
    void (*by_qemu)(void);
    const char *by_qemu_img;
} merges[] = {
    { "commit", false, commit_by_qemu,
      "qemu-img commit -q -d -f qcow2 top && sync -d base && rm top" },
    { "commit below the active layer", true, commit_base_by_qemu,
      "qemu-img commit -q -d -f qcow2 base && sync -d root && rm base && "
      "qemu-img rebase -q -u -f qcow2 -F qcow2 -b root top" },
    { "pull", false, pull_all_by_qemu,
      "qemu-img rebase -q -f qcow2 -b '' top && sync -d top" },
    { "pull to a base", true, pull_to_root_by_qemu,
      "qemu-img rebase -q -f qcow2 -F qcow2 -b root top && sync -d top" },
};

static void put_over(const char *below, const char *name)
{
    char *path = copy_path(name);

    vm_do(host.vm, "blockdev-add",
          json("{'driver':'qcow2','node-name':'%s','backing':null,"
               "'file':{'driver':'file','filename':'%s'}}", name, path));
    vm_do(host.vm, "blockdev-snapshot",
          json("{'node':'%s','overlay':'%s'}", below, name));
    strcpy(host.disks[0].path, path);
    free(path);
}

/* The domain of a QEMU that was started on the lowest image of copy/ and is on
 * the others by snapshots: QEMU 7.2 commits only into what was opened by
 * name. */
static void start(const struct qmp_vm *writer, bool root)
{
    char *lowest = xls_asprintf("%s/copy/%s", writer->dir,
                                root ? "root" : "base");
    struct vm_disk disk = { .path = lowest };
    const char *node;

    host_start(vm_start(1, &disk));
    strcpy(host.images, writer->dir);
    node = host.vm->disks[0].node;
    if (root)
        put_over(node, "base");
    put_over(root ? "base" : node, "top");
    free(lowest);
}

static uint64_t by_qemu(const struct qmp_vm *writer, const struct merge *f)
{
    uint64_t began, took;

    settle(writer);
    start(writer, f->root);
    began = xls_now_us();
    f->by_qemu();
    took = xls_now_us() - began;
    vm_stop(host.vm);
    host.vm = NULL;
    return took;
}

static uint64_t by_qemu_img(const struct qmp_vm *writer, const struct merge *f)
{
    uint64_t began;

    settle(writer);
    began = xls_now_us();
    sh("cd '%s/copy' && %s", writer->dir, f->by_qemu_img);
    return xls_now_us() - began;
}

static void measure(const struct merge *f, enum pattern pattern)
{
    struct qmp_vm *writer = write_model(pattern, f->root);
    uint64_t ours[ROUNDS], theirs[ROUNDS], permille[ROUNDS];
    int round;

    for (round = 0; round < ROUNDS; round++) {
        if (round % 2)
            ours[round] = by_qemu(writer, f);
        theirs[round] = by_qemu_img(writer, f);
        if (round % 2 == 0)
            ours[round] = by_qemu(writer, f);
        permille[round] = 1000 * theirs[round] / ours[round];
    }
    drop_copy(writer);
    vm_teardown(NULL);
    printf("%s: %.2f s, by qemu-img %.2f s, ratio %.2f",
           f->what, median(ours, ROUNDS) / 1e6, median(theirs, ROUNDS) / 1e6,
           median(permille, ROUNDS) / 1e3);
    printf(" (medians of %d; %.2f to %.2f)\n", ROUNDS, permille[0] / 1e3,
           permille[ROUNDS - 1] / 1e3);
    fflush(stdout);
}

static void merge_in(const char *where)
{
    static const char *const named[] = { "written here and there",
                                         "in one piece" };
    enum pattern pattern;
    size_t i;

    setenv("TMPDIR", where, 1);
    for (pattern = IN_PLACES; pattern <= IN_ONE_PIECE; pattern++) {
        printf("in %s, layers of %d MiB %s:\n", where, DATA_MB, named[pattern]);
        for (i = 0; i < sizeof(merges) / sizeof(merges[0]); i++)
            measure(&merges[i], pattern);
    }
}

static void merging(void **state)
{
    const char *disk = getenv("TMPDIR");

    (void)state;
    merge_in(disk ? disk : "/var/tmp");
    merge_in("/dev/shm");
}

int main(void)
{
    const struct CMUnitTest benches[] = {
        cmocka_unit_test_teardown(merging, host_teardown),
    };

    return cmocka_run_group_tests(benches, NULL, NULL);
}
