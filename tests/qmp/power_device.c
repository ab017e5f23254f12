/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/power_device.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qmp/support.h"

/* XFS takes no less. */
#define DEVICE_SIZE "320M"

/* Of the log, little endian (drivers/md/dm-log-writes.c). */
#define LOG_SECTOR 512
#define LOG_FLUSH 1
#define LOG_FUA 2
#define LOG_DISCARD 4
struct entry {
    uint64_t sector, num_sectors, flags, data_len;
};

static struct {
    char dir[64];               /* "": none */
    char mountpoint[80], host[256], fs[8];
    pid_t daemon, guard_pid;
    int guard;
    int log, replayed;          /* files; -1 */
    uint64_t entries, at;       /* replayed; where the next is in the log */
    bool mounted;
} device = { .log = -1, .replayed = -1 };

const char *power_impossible(const char *fs)
{
    char command[64];

    if (geteuid())
        return "it needs root, for a file system of its own";
    if (access("/dev/fuse", R_OK | W_OK) || access("/dev/loop-control", R_OK))
        return "there is no /dev/fuse, or no /dev/loop-control";
    snprintf(command, sizeof(command),
             "command -v mkfs.%s qemu-storage-daemon >/dev/null", fs);
    if (system(command))
        return "mkfs of this file system or qemu-storage-daemon is missing";
    return NULL;
}

/* Mounts are seen by this process alone, and go with it. */
static void own_mounts(void)
{
    static bool own;

    if (own)
        return;
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    own = true;
}

static void mount_file(const char *file)
{
    char *loop = sh_output("losetup -f --show '%s'", file);

    if (mount(loop, device.mountpoint, device.fs, 0, NULL))
        fail_msg("cannot mount %s: %s", file, strerror(errno));
    device.mounted = true;
    sh("mkdir -p '%s/host' && mount --bind '%s/host' '%s'", device.mountpoint,
       device.mountpoint, device.host);
    /* It goes with the mount, also when this process is killed. */
    sh("losetup -d %s", loop);
    free(loop);
}

static void unmount(void)
{
    if (!device.mounted)
        return;
    device.mounted = false;
    umount2(device.host, 0);
    if (umount2(device.mountpoint, 0)) {
        umount2(device.mountpoint, MNT_DETACH);
        fail_msg("%s is in use", device.mountpoint);
    }
}

static void start_daemon(void)
{
    char disk[128], log[128], export[128];
    int i;

    snprintf(disk, sizeof(disk), "driver=file,node-name=disk,filename=%s/disk",
             device.dir);
    snprintf(log, sizeof(log), "driver=file,node-name=log,filename=%s/log",
             device.dir);
    snprintf(export, sizeof(export),
             "type=fuse,id=e,node-name=top,mountpoint=%s/export,writable=on",
             device.dir);
    device.daemon = fork();
    assert_int_not_equal(device.daemon, -1);
    if (!device.daemon) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("qemu-storage-daemon", "qemu-storage-daemon", "--blockdev", disk,
               "--blockdev", log, "--blockdev",
               "driver=blklogwrites,node-name=top,file=disk,log=log,"
               "log-super-update-interval=1", "--export", export,
               (char *)NULL);
        _exit(127);
    }
    /* It replaces the empty file by one of the device's size. */
    for (i = 0; i < 1000; i++) {
        char path[128];
        struct stat st;

        snprintf(path, sizeof(path), "%s/export", device.dir);
        if (!stat(path, &st) && st.st_size)
            return;
        usleep(10000);
    }
    fail_msg("qemu-storage-daemon shows no file");
}

const char *power_device_start(const char *fs, const char *host)
{
    char path[128];

    own_mounts();
    snprintf(device.dir, sizeof(device.dir), "/tmp/xls-power-XXXXXX");
    assert_non_null(mkdtemp(device.dir));
    device.guard = guard_start(device.dir, &device.guard_pid);
    snprintf(device.mountpoint, sizeof(device.mountpoint), "%s/m", device.dir);
    snprintf(device.host, sizeof(device.host), "%s", host);
    snprintf(device.fs, sizeof(device.fs), "%s", fs);
    sh("cd %s && truncate -s " DEVICE_SIZE " disk && truncate -s 2G log && "
       "touch export && mkdir m && mkfs.%s -q disk && cp --sparse=always disk replayed",
       device.dir, fs);
    start_daemon();
    snprintf(path, sizeof(path), "%s/log", device.dir);
    device.log = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_not_equal(device.log, -1);
    snprintf(path, sizeof(path), "%s/replayed", device.dir);
    device.replayed = open(path, O_RDWR | O_CLOEXEC);
    assert_int_not_equal(device.replayed, -1);
    device.entries = 0;
    device.at = LOG_SECTOR;
    snprintf(path, sizeof(path), "%s/export", device.dir);
    mount_file(path);
    return device.mountpoint;
}

uint64_t power_device_now(void)
{
    uint64_t n;

    /* Of the super block: magic, version, entries. */
    assert_int_equal(pread(device.log, &n, sizeof(n), 16), sizeof(n));
    return le64toh(n);
}

void power_device_end(void)
{
    unmount();
    if (device.daemon > 0) {
        kill(device.daemon, SIGTERM);
        waitpid(device.daemon, NULL, 0);
    }
    device.daemon = 0;
}

/* Does what the next entry of the log says; returns its flags. */
static uint64_t replay_entry(void)
{
    static char data[1 << 20];
    struct entry e;
    uint64_t left, from, to;

    assert_int_equal(pread(device.log, &e, sizeof(e), device.at), sizeof(e));
    from = device.at + LOG_SECTOR;
    to = le64toh(e.sector) * LOG_SECTOR;
    left = le64toh(e.num_sectors) * LOG_SECTOR;
    if (le64toh(e.flags) & LOG_DISCARD) {
        assert_int_equal(fallocate(device.replayed, FALLOC_FL_PUNCH_HOLE |
                                   FALLOC_FL_KEEP_SIZE, to, left), 0);
        left = 0;
    }
    while (left) {
        size_t n = left < sizeof(data) ? left : sizeof(data);

        assert_int_equal(pread(device.log, data, n, from), n);
        assert_int_equal(pwrite(device.replayed, data, n, to), n);
        from += n;
        to += n;
        left -= n;
    }
    device.at = from;
    device.entries++;
    return le64toh(e.flags);
}

/* The next flush after so many writes and flushes, which only grow: has the file
 * system mounted as it is after that. False: none follows. */
static bool cut_after(uint64_t entries, uint64_t *at)
{
    uint64_t all = power_device_now(), flags = 0;
    char path[128];

    while (device.entries < all &&
           (device.entries <= entries || !(flags & (LOG_FLUSH | LOG_FUA))))
        flags = replay_entry();
    *at = device.entries;
    if (!(flags & (LOG_FLUSH | LOG_FUA)) || device.entries <= entries)
        return false;
    sh("cp --sparse=always %s/replayed %s/cut", device.dir, device.dir);
    snprintf(path, sizeof(path), "%s/cut", device.dir);
    mount_file(path);
    return true;
}

void power_seed(void)
{
    const char *given = getenv("POWER_SEED");
    unsigned seed;

    assert_int_equal(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
    if (given)
        seed = (unsigned)strtoul(given, NULL, 10);
    print_message("POWER_SEED=%u\n", seed);
    srand(seed);
}

/* How many of so many writes and flushes are passed over until the next cut. */
static uint64_t distance(uint64_t all)
{
    const char *text = getenv("POWER_CUTS");
    int wanted = text ? atoi(text) : 3;

    return wanted > 0 ? (uint64_t)rand() % (2 * all / wanted + 1) : 0;
}

unsigned power_cut_each(uint64_t begin, uint64_t end,
                        void (*check)(void *user, uint64_t at), void *user)
{
    uint64_t at = begin + distance(end - begin) / 4;
    unsigned cuts = 0;

    while (cut_after(at, &at) && at <= end) {
        check(user, at);
        unmount();
        cuts++;
        at += distance(end - begin);
    }
    assert_true(cuts > 0);
    return cuts;
}

int power_teardown(void **state)
{
    (void)state;
    if (!device.dir[0])
        return 0;
    power_device_end();
    if (device.log >= 0)
        close(device.log);
    if (device.replayed >= 0)
        close(device.replayed);
    device.log = device.replayed = -1;
    close(device.guard);
    waitpid(device.guard_pid, NULL, 0);
    device.dir[0] = '\0';
    return 0;
}
