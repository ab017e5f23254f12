/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How fast a layer's data goes into its base (commit) or out of it (pull)
 * while QEMU has the disk open, beside qemu-img on copies of the same images,
 * in turn. Prints the medians of the times, and the ratio of the throughputs.
 * With layers that a guest wrote here and there, as it does, and with such in
 * one piece, as an installer leaves them; both on a disk, that of TMPDIR or of
 * /var/tmp, and in memory (/dev/shm), where nothing but the copying itself
 * takes time.
 */
#include "qmp/job_support.h"

#include <fcntl.h>

#include "base/clock.h"
#include "bench/median.h"

#define ROUNDS 3
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

/* In copy/ beside the guest's images: one's copy, based on the copy of another
 * unless it is the first. */
static void copy_image(const char *path, const char *name, const char *base)
{
    sh("cd '%s/copy' && cp --sparse=always '%s' %s", host.images, path, name);
    if (base)
        sh("cd '%s/copy' && qemu-img rebase -q -u -f qcow2 -b %s -F qcow2 %s",
           host.images, base, name);
}

/* A guest with two layers of as much data, of which the upper one's hides a part
 * of the lower's; and in copy/ the same as base and top. root: below them is a
 * third. */
static void start(enum pattern pattern, bool root)
{
    char *size = xls_asprintf("%dM", 2 * DATA_MB), *base, *lowest = NULL;
    struct vm_disk disk = { .size = size };

    host_start(vm_start(1, &disk));
    sh("mkdir '%s/copy'", host.images);
    if (root) {
        fill(pattern, DATA_MB, 5);
        if (snapshot(1))
            fail_msg("%s", vm_logged());
        lowest = layer_path(1);
        copy_image(lowest, "root", NULL);
    }
    fill(pattern, 0, 7);
    if (snapshot(1 + root))
        fail_msg("%s", vm_logged());
    fill(pattern, DATA_MB / 2, 9);
    base = layer_path(1 + root);
    copy_image(base, "base", root ? "root" : NULL);
    copy_image(host.disks[0].path, "top", "base");
    sh("sync");
    free(lowest);
    free(base);
    free(size);
}

static void commit_by_qemu(void)
{
    if (commit(NULL, NULL, 0))
        fail_msg("%s", vm_logged());
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
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
    char *root = layer_path(1);

    pull_to(root);
    free(root);
}

/* What is written next lands in memory that has been in use: in a virtual
 * machine, memory that has not is much slower, and whoever is measured second
 * would get what the first has freed. */
static void settle(void)
{
    sh("sync && head -c %dM /dev/zero >/dev/shm/xls-bench && "
       "rm /dev/shm/xls-bench", 2 * DATA_MB);
}

/* What is measured: ours and, in copy/, what is beside it. Both are on the disk
 * when they say that they are done. */
static const struct fold {
    const char *what;
    bool root;
    void (*by_qemu)(void);
    const char *by_qemu_img;
} folds[] = {
    { "commit", false, commit_by_qemu,
      "qemu-img commit -q -d -f qcow2 top && sync -d base" },
    { "pull", false, pull_all_by_qemu,
      "qemu-img rebase -q -f qcow2 -b '' top && sync -d top" },
    { "pull to a base", true, pull_to_root_by_qemu,
      "qemu-img rebase -q -f qcow2 -F qcow2 -b root top && sync -d top" },
};

/* Without freeing the blocks of a layer that a commit has removed, up to a
 * second per GiB of one that a guest wrote here and there: nothing is copied. */
static uint64_t by_qemu(const struct fold *f)
{
    int held = open(host.disks[0].path, O_PATH | O_CLOEXEC);
    uint64_t began, took;

    assert_true(held >= 0);
    settle();
    began = xls_now_us();
    f->by_qemu();
    took = xls_now_us() - began;
    close(held);
    return took;
}

static uint64_t by_qemu_img(const struct fold *f)
{
    uint64_t began;

    settle();
    began = xls_now_us();
    sh("cd '%s/copy' && %s", host.images, f->by_qemu_img);
    return xls_now_us() - began;
}

static void measure(const struct fold *f, enum pattern pattern)
{
    uint64_t ours[ROUNDS], theirs[ROUNDS];
    int round;

    for (round = 0; round < ROUNDS; round++) {
        start(pattern, f->root);
        /* The first one finds less of the page cache written back. */
        if (round % 2)
            theirs[round] = by_qemu_img(f);
        ours[round] = by_qemu(f);
        if (round % 2 == 0)
            theirs[round] = by_qemu_img(f);
        host_teardown(NULL);
    }
    printf("%s: %.2f s, by qemu-img %.2f s, ratio %.2f (medians of %d)\n",
           f->what, median(ours, ROUNDS) / 1e6, median(theirs, ROUNDS) / 1e6,
           (double)median(theirs, ROUNDS) / median(ours, ROUNDS), ROUNDS);
    fflush(stdout);
}

static void fold_in(const char *where)
{
    static const char *const named[] = { "written here and there",
                                         "in one piece" };
    enum pattern pattern;
    size_t i;

    setenv("TMPDIR", where, 1);
    for (pattern = IN_PLACES; pattern <= IN_ONE_PIECE; pattern++) {
        printf("in %s, layers of %d MiB %s:\n", where, DATA_MB, named[pattern]);
        for (i = 0; i < sizeof(folds) / sizeof(folds[0]); i++)
            measure(&folds[i], pattern);
    }
}

static void folding(void **state)
{
    const char *disk = getenv("TMPDIR");

    (void)state;
    fold_in(disk ? disk : "/var/tmp");
    fold_in("/dev/shm");
}

int main(void)
{
    const struct CMUnitTest benches[] = {
        cmocka_unit_test_teardown(folding, host_teardown),
    };

    return cmocka_run_group_tests(benches, NULL, NULL);
}
