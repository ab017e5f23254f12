/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How fast a layer's data goes into its base (commit) or out of it (pull)
 * while QEMU has the disk open, beside qemu-img on copies of the same images,
 * in turn. Prints the throughputs by the medians of the times, and their ratio.
 * Both on a disk, that of TMPDIR or of /var/tmp, and in memory (/dev/shm), where
 * nothing but the copying itself takes time.
 */
#include "qmp/job_support.h"

#include "base/clock.h"
#include "bench/median.h"

#define ROUNDS 3
#define DATA_MB 1024
#define CHUNK_MB 64

static void fill(int from_mb, unsigned char value)
{
    int mb;

    for (mb = from_mb; mb < from_mb + DATA_MB; mb += CHUNK_MB)
        vm_write(host.vm, "xvda", (uint64_t)mb << 20, CHUNK_MB << 20, value);
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

/* A guest with two layers of as much data, half of the upper one's hides the
 * lower's; and in copy/ the same as base and top. root: below them is a third,
 * of which they hide half. */
static void start(bool root)
{
    char *size = xls_asprintf("%dM", 2 * DATA_MB), *base, *lowest = NULL;
    struct vm_disk disk = { .size = size };

    host_start(vm_start(1, &disk));
    sh("mkdir '%s/copy'", host.images);
    if (root) {
        fill(DATA_MB, 5);
        if (snapshot(1))
            fail_msg("%s", vm_logged());
        lowest = layer_path(1);
        copy_image(lowest, "root", NULL);
    }
    fill(0, 7);
    if (snapshot(1 + root))
        fail_msg("%s", vm_logged());
    fill(DATA_MB / 2, 9);
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

static uint64_t by_qemu_img(const char *command)
{
    uint64_t began;

    settle();
    began = xls_now_us();
    /* Both are on the disk when they say that they are done; and a commit's
     * layer is gone. */
    sh("cd '%s/copy' && qemu-img %s top && sync -d base top%s", host.images,
       command, strncmp(command, "commit", 6) ? "" : " && rm top");
    return xls_now_us() - began;
}

static void measure(const char *what, bool root, void (*by_qemu)(void),
                    const char *command)
{
    uint64_t ours[ROUNDS], theirs[ROUNDS], began;
    int round;

    for (round = 0; round < ROUNDS; round++) {
        start(root);
        /* The first one finds less of the page cache written back. */
        if (round % 2)
            theirs[round] = by_qemu_img(command);
        settle();
        began = xls_now_us();
        by_qemu();
        ours[round] = xls_now_us() - began;
        if (round % 2 == 0)
            theirs[round] = by_qemu_img(command);
        host_teardown(NULL);
    }
    printf("%s of %d MiB: %.0f MiB/s, qemu-img %s %.0f MiB/s, ratio %.2f "
           "(medians of %d)\n", what, DATA_MB,
           DATA_MB * 1e6 / median(ours, ROUNDS), command,
           DATA_MB * 1e6 / median(theirs, ROUNDS),
           (double)median(theirs, ROUNDS) / median(ours, ROUNDS), ROUNDS);
}

static void fold_in(const char *where)
{
    setenv("TMPDIR", where, 1);
    printf("in %s:\n", where);
    measure("commit", false, commit_by_qemu, "commit -q -d -f qcow2");
    measure("pull", false, pull_all_by_qemu, "rebase -q -f qcow2 -b ''");
    measure("pull to a base", true, pull_to_root_by_qemu,
            "rebase -q -f qcow2 -F qcow2 -b root");
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
