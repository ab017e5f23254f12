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
#define DATA_MB 512
#define CHUNK_MB 64

static void fill(int from_mb, unsigned char value)
{
    int mb;

    for (mb = from_mb; mb < from_mb + DATA_MB; mb += CHUNK_MB)
        vm_write(host.vm, "xvda", (uint64_t)mb << 20, CHUNK_MB << 20, value);
}

/* A guest with two layers of as much data, half of the upper one's hides the
 * lower's; and in copy/ beside them the same as base and top. */
static void start(void)
{
    char *size = xls_asprintf("%dM", 2 * DATA_MB), *base;
    struct vm_disk disk = { .size = size };

    host_start(vm_start(1, &disk));
    fill(0, 7);
    if (snapshot(1))
        fail_msg("%s", vm_logged());
    fill(DATA_MB / 2, 9);
    base = layer_path(1);
    sh("mkdir '%s/copy' && cd '%s/copy' && cp --sparse=always '%s' base && "
       "cp --sparse=always '%s' top && "
       "qemu-img rebase -q -u -f qcow2 -b base -F qcow2 top && sync",
       host.images, host.images, base, host.disks[0].path);
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

static void pull_by_qemu(void)
{
    if (pull(NULL, 0))
        fail_msg("%s", vm_logged());
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
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
    /* Both are on the disk when they say that they are done. */
    sh("cd '%s/copy' && qemu-img %s top && sync -d base top", host.images,
       command);
    return xls_now_us() - began;
}

static void measure(const char *what, void (*by_qemu)(void),
                    const char *command)
{
    uint64_t ours[ROUNDS], theirs[ROUNDS], began;
    int round;

    for (round = 0; round < ROUNDS; round++) {
        start();
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
    measure("commit", commit_by_qemu, "commit -q -d -f qcow2");
    measure("pull", pull_by_qemu, "rebase -q -f qcow2 -b ''");
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
