/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * PID 1 of the test guests.  It counts, in RAM and on every disk, so that a
 * test can tell whether memory and disks belong to the same moment.  Its
 * commands are listed in ../README.md.
 *
 * Disk layout, little endian, every record 512 bytes:
 *   sector 0              the last record written
 *   sector 8 * (1 + n%N)  record n of a rolling log, N slots 4 KiB apart, in
 *                         the first half of the disk
 *   second half           data area: written by the command "fill", or with
 *                         blocks=1 on the kernel's command line, every 64 KiB
 *                         a block of 4 KiB that is tagged with its number and
 *                         how many times it was written
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define MAX_DISKS 8
#define GAP_STEP_MS 10
#define SECTOR 512
#define SLOT_BYTES 4096
#define MAX_SLOTS 65536
#define FILL_BYTES 65536
#define RECORD_MAGIC 0x3174656b636974ULL
#define BLOCK_MAGIC 0x3174656b636f6c62ULL
#define BLOCK_BYTES 4096
#define BLOCK_STRIDE 65536
#define MAX_BLOCKS 256
#define WORD_MAX 64
#define NETMASK "255.255.0.0"

struct record {
    uint64_t magic;
    uint64_t n;
    uint64_t boot_id;
    uint64_t sum;
};

struct block {
    uint64_t magic;
    uint64_t number;
    uint64_t generation;
    uint64_t body[BLOCK_BYTES / 8 - 3];
};

struct disk {
    char name[16];
    int fd;
    uint64_t bytes;
    uint64_t slots;
    uint64_t last;      /* what sector 0 must hold */
    uint64_t log_from;  /* first n whose log record must be there */
    unsigned num_blocks;
    uint64_t generations[MAX_BLOCKS];   /* what each block must hold; 0: zeros */
};

static struct disk disks[MAX_DISKS];
static int num_disks;
static uint64_t boot_id, n, ticks, bad;
static char secret[WORD_MAX] = "-";
static bool stopped;
static unsigned tick_ms = 250;
static bool with_blocks;
static uint64_t dice;
static pthread_mutex_t state_lock = PTHREAD_MUTEX_INITIALIZER;

static int console = -1, second_console = -1;
static pthread_mutex_t console_lock = PTHREAD_MUTEX_INITIALIZER;

static double tsc_per_us;
static _Atomic uint64_t max_gap;
static _Atomic bool watching_gaps;
static pthread_cond_t gaps_wanted = PTHREAD_COND_INITIALIZER;
static _Atomic size_t dirty_bytes;

__attribute__((format(printf, 1, 2)))
static void say(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    int length, done = 0;

    va_start(ap, fmt);
    length = vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    if (length > (int)sizeof(line) - 2)
        length = sizeof(line) - 2;
    line[length++] = '\n';

    pthread_mutex_lock(&console_lock);
    while (done < length) {
        ssize_t r = write(console, line + done, length - done);
        if (r < 0 && errno != EINTR && errno != EAGAIN)
            break;
        if (r > 0)
            done += r;
    }
    if (second_console >= 0 && write(second_console, line, length) < 0 &&
        errno != EAGAIN)
        bad++;
    pthread_mutex_unlock(&console_lock);
}

static void sleep_ms(unsigned ms)
{
    struct timespec t = { ms / 1000, (ms % 1000) * 1000000L };

    nanosleep(&t, NULL);
}

static void *sector_buffer(size_t bytes)
{
    void *p;

    if (posix_memalign(&p, SLOT_BYTES, bytes))
        abort();
    memset(p, 0, bytes);
    return p;
}

static uint64_t record_sum(const struct record *r)
{
    uint64_t h = 0xcbf29ce484222325ULL;
    const uint64_t words[] = { r->magic, r->n, r->boot_id };

    for (unsigned i = 0; i < 3; i++)
        h = (h ^ words[i]) * 0x100000001b3ULL;
    return h;
}

/* 1: a record; 0: none there; -1: I/O error or a damaged record. */
static int record_read(const struct disk *d, uint64_t sector, uint64_t *out)
{
    static const struct record empty;
    struct record *r = sector_buffer(SECTOR);
    int result = -1;

    if (pread(d->fd, r, SECTOR, sector * SECTOR) == SECTOR) {
        if (!memcmp(r, &empty, sizeof(empty))) {
            *out = 0;
            result = 0;
        } else if (r->magic == RECORD_MAGIC && r->sum == record_sum(r)) {
            *out = r->n;
            result = 1;
        }
    }
    free(r);
    return result;
}

static int record_write(const struct disk *d, uint64_t sector, uint64_t value)
{
    struct record *r = sector_buffer(SECTOR);
    bool written;

    *r = (struct record){ RECORD_MAGIC, value, boot_id, 0 };
    r->sum = record_sum(r);
    written = pwrite(d->fd, r, SECTOR, sector * SECTOR) == SECTOR;
    free(r);
    return written ? 0 : -1;
}

static uint64_t log_sector(const struct disk *d, uint64_t value)
{
    return SLOT_BYTES / SECTOR * (1 + value % d->slots);
}

static uint64_t block_offset(const struct disk *d, unsigned number)
{
    return d->bytes / 2 / BLOCK_STRIDE * BLOCK_STRIDE +
           (uint64_t)number * BLOCK_STRIDE;
}

static void block_make(struct block *b, uint64_t number, uint64_t generation)
{
    *b = (struct block){ BLOCK_MAGIC, number, generation, { 0 } };
    for (unsigned i = 0; i < sizeof(b->body) / sizeof(*b->body); i++)
        b->body[i] = (number << 40 ^ generation << 12 ^ i) *
                     0x9e3779b97f4a7c15ULL;
}

/* The generation of a block; 0: nothing but zeros; -1: anything else. */
static int64_t block_read(const struct disk *d, unsigned number)
{
    static const struct block empty;
    struct block *b = sector_buffer(sizeof(*b)), *right = sector_buffer(sizeof(*b));
    int64_t result = -1;

    if (pread(d->fd, b, sizeof(*b), block_offset(d, number)) == sizeof(*b)) {
        block_make(right, number, b->generation);
        if (!memcmp(b, &empty, sizeof(*b)))
            result = 0;
        else if (!memcmp(b, right, sizeof(*b)))
            result = (int64_t)b->generation;
    }
    free(right);
    free(b);
    return result;
}

static uint64_t roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice;
}

/* Writes so many blocks of each disk, any, once more. */
static void scribble(unsigned count)
{
    struct block *b = sector_buffer(sizeof(*b));

    for (int i = 0; i < num_disks; i++) {
        struct disk *d = &disks[i];

        for (unsigned k = 0; k < count && d->num_blocks; k++) {
            unsigned number = roll() % d->num_blocks;

            block_make(b, number, d->generations[number] + 1);
            if (pwrite(d->fd, b, sizeof(*b), block_offset(d, number)) !=
                sizeof(*b)) {
                bad++;
                say("BAD disk=%s block=%u unwritable", d->name, number);
            }
            d->generations[number]++;
        }
    }
    free(b);
}

static void load_blocks(struct disk *d)
{
    uint64_t area = d->bytes - block_offset(d, 0);

    d->num_blocks = area / BLOCK_STRIDE < MAX_BLOCKS ? area / BLOCK_STRIDE
                                                     : MAX_BLOCKS;
    for (unsigned i = 0; i < d->num_blocks; i++) {
        int64_t generation = block_read(d, i);

        if (generation < 0) {
            bad++;
            say("BAD disk=%s block=%u is none", d->name, i);
        }
        d->generations[i] = generation < 0 ? 0 : (uint64_t)generation;
    }
}

static void tick(void)
{
    uint64_t on_disk;

    for (int i = 0; i < num_disks; i++) {
        struct disk *d = &disks[i];

        if (record_read(d, 0, &on_disk) < 0) {
            bad++;
            say("BAD disk=%s ram=%llu disk=unreadable", d->name,
                (unsigned long long)d->last);
        } else if (on_disk != d->last) {
            bad++;
            say("BAD disk=%s ram=%llu disk=%llu", d->name,
                (unsigned long long)d->last, (unsigned long long)on_disk);
        }
    }
    n++;
    for (int i = 0; i < num_disks; i++) {
        struct disk *d = &disks[i];

        if (record_write(d, log_sector(d, n), n) || record_write(d, 0, n)) {
            bad++;
            say("BAD disk=%s ram=%llu disk=unwritable", d->name,
                (unsigned long long)n);
        }
        d->last = n;
    }
    scribble(1);
    ticks++;
    say("TICK n=%llu id=%016llx", (unsigned long long)n,
        (unsigned long long)boot_id);
}

static void *tick_thread(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&state_lock);
        if (!stopped)
            tick();
        pthread_mutex_unlock(&state_lock);
        sleep_ms(tick_ms);
    }
    return NULL;
}

/* Returns at once, unless nobody wants to know. */
static void wait_for_interest_in_gaps(void)
{
    pthread_mutex_lock(&state_lock);
    while (!watching_gaps)
        pthread_cond_wait(&gaps_wanted, &state_lock);
    pthread_mutex_unlock(&state_lock);
}

/* A clock of the guest need not run while it is suspended; the TSC does. */
static void watch_gaps(void)
{
    uint64_t last = __rdtsc();

    while (watching_gaps) {
        uint64_t now, gap;

        /* Each waking costs an emulated host about a thousand times that. */
        sleep_ms(GAP_STEP_MS);
        now = __rdtsc();
        gap = now - last;
        last = now;
        if (gap > atomic_load(&max_gap))
            atomic_store(&max_gap, gap);
    }
}

static void *gap_thread(void *unused)
{
    (void)unused;
    for (;;) {
        wait_for_interest_in_gaps();
        watch_gaps();
    }
    return NULL;
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void calibrate_tsc(void)
{
    double us = now_us();
    uint64_t tsc = __rdtsc();

    sleep_ms(100);
    tsc_per_us = (__rdtsc() - tsc) / (now_us() - us);
}

static void *dirty_thread(void *unused)
{
    char *ram = NULL;
    size_t mapped = 0;

    (void)unused;
    for (uint64_t round = 1;; round++) {
        size_t want = atomic_load(&dirty_bytes);

        if (want != mapped) {
            if (mapped)
                munmap(ram, mapped);
            ram = want ? mmap(NULL, want, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : NULL;
            if (ram == MAP_FAILED) {
                say("DIRTY failed: %s", strerror(errno));
                atomic_store(&dirty_bytes, 0);
                want = 0;
            }
            mapped = want;
        }
        for (size_t at = 0; at < mapped; at += SLOT_BYTES)
            memcpy(ram + at, &round, sizeof(round));
        sleep_ms(mapped ? 1 : 50);
    }
    return NULL;
}

/* The whole rolling log of every disk must hold what was written. */
static void verify(const char *tag)
{
    uint64_t count = 0, wrong = 0, value;

    for (int i = 0; i < num_disks; i++) {
        const struct disk *d = &disks[i];
        uint64_t from = d->log_from;

        if (n > d->slots - 2 && from < n - (d->slots - 2))
            from = n - (d->slots - 2);
        for (uint64_t v = from; v <= n; v++, count++)
            if (record_read(d, log_sector(d, v), &value) != 1 || value != v)
                wrong++;
        if (record_read(d, 0, &value) < 0 || value != d->last)
            wrong++;
        for (unsigned b = 0; b < d->num_blocks; b++, count++)
            if (block_read(d, b) != (int64_t)d->generations[b])
                wrong++;
    }
    say("%sVERIFY %s count=%llu wrong=%llu", tag, wrong ? "bad" : "ok",
        (unsigned long long)count, (unsigned long long)wrong);
}

static void fill(const char *tag, unsigned mb)
{
    uint64_t *block = sector_buffer(FILL_BYTES), seed;
    const char *error = NULL;

    getrandom(&seed, sizeof(seed), 0);
    for (int i = 0; i < num_disks && !error; i++) {
        const struct disk *d = &disks[i];
        uint64_t start = d->bytes / 2 / FILL_BYTES * FILL_BYTES;
        uint64_t end = start + (uint64_t)mb * 1024 * 1024;

        if (end > d->bytes || d->num_blocks) {
            error = d->num_blocks ? "there are blocks" : "disk too small";
            break;
        }
        for (uint64_t at = start; at < end; at += FILL_BYTES) {
            for (unsigned w = 0; w < FILL_BYTES / sizeof(*block); w++)
                block[w] = (seed ^ (at + w)) * 0x9e3779b97f4a7c15ULL;
            if (pwrite(d->fd, block, FILL_BYTES, at) != FILL_BYTES) {
                error = strerror(errno);
                break;
            }
        }
    }
    free(block);
    if (error)
        say("%sFILL failed: %s", tag, error);
    else
        say("%sFILL mb=%u", tag, mb);
}

static void command(char *line)
{
    char tag[256] = "", verb[16] = "", word[WORD_MAX] = "";
    unsigned number;

    if (*line == '#') {
        size_t length = strcspn(line, " ") + 1;

        if (length > strlen(line))
            return;
        snprintf(tag, sizeof(tag), "%.*s", (int)length, line);
        line += length;
    }
    if (sscanf(line, "%15s %63s", verb, word) < 1)
        return;
    number = strtoul(word, NULL, 10);

    pthread_mutex_lock(&state_lock);
    if (!strcmp(verb, "state")) {
        say("%sSTATE id=%016llx secret=%s n=%llu bad=%llu ticks=%llu", tag,
            (unsigned long long)boot_id, secret, (unsigned long long)n,
            (unsigned long long)bad, (unsigned long long)ticks);
    } else if (!strcmp(verb, "set")) {
        snprintf(secret, sizeof(secret), "%s", *word ? word : "-");
        say("%sSET secret=%s", tag, secret);
    } else if (!strcmp(verb, "gap")) {
        say("%sGAP us=%.0f", tag, atomic_exchange(&max_gap, 0) / tsc_per_us);
        watching_gaps = strcmp(word, "off") != 0;
        pthread_cond_signal(&gaps_wanted);
    } else if (!strcmp(verb, "verify")) {
        verify(tag);
    } else if (!strcmp(verb, "stop")) {
        stopped = true;
        say("%sSTOPPED n=%llu", tag, (unsigned long long)n);
    } else if (!strcmp(verb, "go")) {
        stopped = false;
        say("%sGOING n=%llu", tag, (unsigned long long)n);
    } else if (!strcmp(verb, "fill")) {
        fill(tag, number);
    } else if (!strcmp(verb, "scribble")) {
        scribble(number);
        say("%sSCRIBBLE blocks=%u", tag, number);
    } else if (!strcmp(verb, "dirty")) {
        atomic_store(&dirty_bytes, (size_t)number * 1024 * 1024);
        say("%sDIRTY mb=%u", tag, number);
    } else if (!strcmp(verb, "reboot") || !strcmp(verb, "poweroff")) {
        say("%s%s n=%llu", tag, *verb == 'r' ? "REBOOT" : "POWEROFF",
            (unsigned long long)n);
        reboot(*verb == 'r' ? RB_AUTOBOOT : RB_POWER_OFF);
    } else {
        say("%sUNKNOWN %s", tag, verb);
    }
    pthread_mutex_unlock(&state_lock);
}

static void read_commands(void)
{
    char line[256];
    size_t length = 0;

    for (;;) {
        char c;

        if (read(console, &c, 1) != 1) {
            sleep_ms(10);
        } else if (c == '\n' || c == '\r') {
            line[length] = 0;
            if (length)
                command(line);
            length = 0;
        } else if (isprint((unsigned char)c) && length < sizeof(line) - 1) {
            line[length++] = c;
        }
    }
}

/* True when the kernel's command line has `key`=..., its value in `out`. */
static bool parameter(const char *key, char *out, size_t size)
{
    static char cmdline[2048];
    size_t key_length = strlen(key);

    if (!*cmdline) {
        int fd = open("/proc/cmdline", O_RDONLY);
        ssize_t length = read(fd, cmdline, sizeof(cmdline) - 1);

        close(fd);
        if (length <= 0)
            return false;
        cmdline[strcspn(cmdline, "\n")] = 0;
    }
    for (const char *p = cmdline; *p; p += strspn(p, " ")) {
        size_t length = strcspn(p, " ");

        if (length > key_length && p[key_length] == '=' &&
            !strncmp(p, key, key_length)) {
            snprintf(out, size, "%.*s", (int)(length - key_length - 1),
                     p + key_length + 1);
            return true;
        }
        p += length;
    }
    return false;
}

static void open_disk(struct disk *d, const char *name)
{
    char path[32];
    off_t bytes;

    snprintf(d->name, sizeof(d->name), "%s", name);
    snprintf(path, sizeof(path), "/dev/%s", d->name);
    while ((d->fd = open(path, O_RDWR | O_DIRECT | O_DSYNC)) < 0 ||
           (bytes = lseek(d->fd, 0, SEEK_END)) <= 0) {
        if (d->fd >= 0)
            close(d->fd);
        sleep_ms(20);
    }
    d->bytes = bytes;
    d->slots = d->bytes / 2 / SLOT_BYTES - 1;
    if (d->slots > MAX_SLOTS)
        d->slots = MAX_SLOTS;
    if (record_read(d, 0, &d->last) < 0) {
        bad++;
        say("BAD disk=%s ram=none disk=unreadable", d->name);
    }
    if (with_blocks)
        load_blocks(d);
}

static void open_disks(void)
{
    char list[128], text[256] = "", *at = list, *name;

    if (!parameter("disks", list, sizeof(list)))
        return;
    while ((name = strsep(&at, ",")) && num_disks < MAX_DISKS)
        open_disk(&disks[num_disks++], name);
    n = disks[0].last;
    for (int i = 0; i < num_disks; i++) {
        size_t used = strlen(text);

        disks[i].log_from = disks[i].last == n ? 1 : n + 1;
        snprintf(text + used, sizeof(text) - used, "%s%llu", i ? "," : "",
                 (unsigned long long)disks[i].last);
    }
    say("BOOT id=%016llx n=%llu disks=%s", (unsigned long long)boot_id,
        (unsigned long long)n, text);
}

static void set_address(int s, const char *interface, const char *address)
{
    struct ifreq r = { 0 };
    struct sockaddr_in *in = (struct sockaddr_in *)&r.ifr_addr;

    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
    /* Its driver may still be waiting for the other side. */
    while (ioctl(s, SIOCGIFFLAGS, &r))
        sleep_ms(50);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = inet_addr(address);
    if (ioctl(s, SIOCSIFADDR, &r))
        goto failed;
    in->sin_addr.s_addr = inet_addr(NETMASK);
    if (ioctl(s, SIOCSIFNETMASK, &r) || ioctl(s, SIOCGIFFLAGS, &r))
        goto failed;
    r.ifr_flags |= IFF_UP;
    if (ioctl(s, SIOCSIFFLAGS, &r))
        goto failed;
    say("NET %s %s", interface, address);
    return;

failed:
    say("BAD net=%s: %s", interface, strerror(errno));
}

static void *network_thread(void *addresses)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    char *at = addresses, *address, interface[IFNAMSIZ];

    for (unsigned i = 0; (address = strsep(&at, ",")); i++) {
        snprintf(interface, sizeof(interface), "eth%u", i);
        set_address(s, interface, address);
    }
    close(s);
    return NULL;
}

static void load_modules(void)
{
    static const char *const names[] = { MODULES };

    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
        int fd = open(names[i], O_RDONLY);

        if (syscall(SYS_finit_module, fd, "", 0))
            say("%s: %s", names[i], strerror(errno));
        close(fd);
    }
}

static int open_terminal(const char *path, int flags)
{
    struct termios raw;
    int fd;

    while ((fd = open(path, O_RDWR | O_NOCTTY | flags)) < 0)
        sleep_ms(20);
    tcgetattr(fd, &raw);
    cfmakeraw(&raw);
    tcsetattr(fd, TCSANOW, &raw);
    return fd;
}

static void start(void *(*thread)(void *), void *argument)
{
    pthread_t t;

    if (pthread_create(&t, NULL, thread, argument))
        say("BAD thread: %s", strerror(errno));
}

int main(void)
{
    static char addresses[128];
    char value[32];

    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    console = open_terminal("/dev/hvc0", 0);
    load_modules();
    if (getrandom(&boot_id, sizeof(boot_id), GRND_NONBLOCK) < 0)
        boot_id = __rdtsc() * 0x9e3779b97f4a7c15ULL;
    if (parameter("tick_ms", value, sizeof(value)))
        tick_ms = strtoul(value, NULL, 10);
    with_blocks = parameter("blocks", value, sizeof(value));
    if (parameter("copy", value, sizeof(value))) {
        char path[64];

        snprintf(path, sizeof(path), "/dev/%s", value);
        second_console = open_terminal(path, O_NONBLOCK);
    }
    dice = boot_id | 1;
    open_disks();
    calibrate_tsc();

    start(tick_thread, NULL);
    start(gap_thread, NULL);
    start(dirty_thread, NULL);
    if (parameter("addresses", addresses, sizeof(addresses)))
        start(network_thread, addresses);
    read_commands();
}
