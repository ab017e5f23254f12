/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * memory DIRECTORY: memory images beside other ways to keep what `xl save`
 * writes, on the recordings there (`make streams`): sizes, and the medians of
 * the times, in turn. What is written goes to TMPDIR or /dev/shm, what is read
 * back goes through a pipe; all is in memory. libvirt's save_image_format=zstd is a
 * pipe through the zstd program, so its column is that of zstd -1.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/median.h"
#include "common/alloc.h"
#include "common/clock.h"
#include "memimage/image.h"

#define ROUNDS 5

static xentoollog_logger *logger;
static struct xls_log bench_log;
static char *directory;

static char *in(const char *name)
{
    return xls_asprintf("%s/%s", directory, name);
}

static uint64_t size_of(const char *path)
{
    struct stat st;

    if (stat(path, &st)) {
        perror(path);
        exit(1);
    }
    return st.st_size;
}

static int encode(const char *stream, const char *to, const char *parent)
{
    struct xls_image_write_how how = { .level = 1 };
    int from = open(stream, O_RDONLY);
    int fd = open(to, O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct xls_image_writer *w;

    return from < 0 || fd < 0 ||
           (parent && xls_image_open(&bench_log, parent, &how.parent)) ||
           xls_image_writer_new(&bench_log, fd, to, &how, &w) ||
           xls_image_write_from(w, from, stream) || xls_image_write_end(w);
}

static int decode(const char *image)
{
    /* As it is fed to libxl. */
    const struct xls_image_read_how how = { 0 };
    struct xls_image *i;

    return xls_image_open(&bench_log, image, &i) ||
           xls_image_read(i, 0, STDOUT_FILENO, "the pipe", &how);
}

/* In a process of its own, whose memory is counted; its output goes through a
 * pipe to nowhere. */
struct run {
    uint64_t us[ROUNDS];
    long rss_kb;
};

static void timed(struct run *run, int round, int (*work)(char **words),
                  char **words)
{
    uint64_t began = xls_now_us();
    struct rusage usage;
    static char dropped[1 << 20];
    int fds[2], status;
    pid_t pid;

    if (pipe(fds) || (pid = fork()) < 0) {
        perror("fork");
        exit(1);
    }
    if (!pid) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        _exit(work(words));
    }
    /* As large as that which feeds libxl. */
    fcntl(fds[0], F_SETPIPE_SZ, sizeof(dropped));
    close(fds[1]);
    while (read(fds[0], dropped, sizeof(dropped)) > 0)
        ;
    close(fds[0]);
    if (wait4(pid, &status, 0, &usage) < 0 || status) {
        fprintf(stderr, "%s failed\n", words[0]);
        exit(1);
    }
    run->us[round] = xls_now_us() - began;
    run->rss_kb = usage.ru_maxrss;
}

static int run_encode(char **words)
{
    return encode(words[1], words[2], words[3]);
}

static int run_decode(char **words)
{
    return decode(words[1]);
}

static int run_program(char **words)
{
    execvp(words[0], words);
    return 127;
}

static double seconds(struct run *run)
{
    return median(run->us, ROUNDS) / 1e6;
}

static void print_line(const char *what, uint64_t raw, uint64_t stored,
                       struct run *pack, struct run *unpack)
{
    printf("  %-16s %10.1f MB %6.3f", what, stored / 1e6,
           (double)stored / raw);
    if (pack)
        printf(" %8.0f MB/s %8.0f MB/s %6ld MiB %4ld MiB",
               raw / 1e6 / seconds(pack), raw / 1e6 / seconds(unpack),
               pack->rss_kb >> 10, unpack->rss_kb >> 10);
    putchar('\n');
}

/* The other programs, with the words that pack and that unpack. */
static const struct {
    const char *name;
    char *pack[8], *unpack[8];
} others[] = {
    { "zstd -1", { "zstd", "-1", "-qfo" }, { "zstd", "-dcq" } },
    { "zstd -1 -T2", { "zstd", "-1", "-T2", "-qfo" }, { "zstd", "-dcq" } },
    { "zstd -1 -T0", { "zstd", "-1", "-T0", "-qfo" }, { "zstd", "-dcq" } },
    { "lz4", { "lz4", "-1", "-qf" }, { "lz4", "-dcq" } },
};
#define OTHERS (sizeof(others) / sizeof(others[0]))
enum { ZSTD, ZSTD_T2 };

static void time_other(int i, int round, char *stream, char *to,
                       struct run *pack, struct run *unpack)
{
    char *words[8] = { NULL };
    bool zstd = !strcmp(others[i].pack[0], "zstd");
    int n;

    for (n = 0; others[i].pack[n]; n++)
        words[n] = others[i].pack[n];
    words[n++] = zstd ? to : stream;
    words[n++] = zstd ? stream : to;
    timed(pack, round, run_program, words);
    memset(words, 0, sizeof(words));
    for (n = 0; others[i].unpack[n]; n++)
        words[n] = others[i].unpack[n];
    words[n++] = to;
    timed(unpack, round, run_program, words);
}

static void compare(char *stream, char *second, const char *name)
{
    struct run pack[OTHERS + 1], unpack[OTHERS + 1];
    uint64_t raw = size_of(stream), stored[OTHERS + 1];
    char *to = in("packed"), *image = in("image"), *next = in("next");
    char *words[5] = { "encoding", stream, image, NULL, NULL };
    char *back[3] = { "decoding", image, NULL };
    unsigned i;
    int round;

    for (round = 0; round < ROUNDS; round++) {
        for (i = 0; i < OTHERS; i++) {
            time_other(i, round, stream, to, &pack[i], &unpack[i]);
            stored[i] = size_of(to);
        }
        timed(&pack[OTHERS], round, run_encode, words);
        timed(&unpack[OTHERS], round, run_decode, back);
        stored[OTHERS] = size_of(image);
    }
    printf("%s:%*ssize  of raw        packed      unpacked  memory: packing, "
           "unpacking\n", name, (int)(25 - strlen(name)), "");
    print_line("raw", raw, raw, NULL, NULL);
    for (i = 0; i < OTHERS; i++)
        print_line(others[i].name, raw, stored[i], &pack[i], &unpack[i]);
    print_line("image", raw, stored[OTHERS], &pack[OTHERS], &unpack[OTHERS]);
    printf("  image, of zstd -1: size %.2f; packing %.2f times as fast as -T2, "
           "unpacking %.2f times as -d\n",
           (double)stored[OTHERS] / stored[ZSTD],
           seconds(&pack[ZSTD_T2]) / seconds(&pack[OTHERS]),
           seconds(&unpack[ZSTD]) / seconds(&unpack[OTHERS]));
    if (second) {
        char *increment[5] = { "encoding", second, next, image, NULL };

        timed(&pack[0], 0, run_encode, increment);
        printf("  an image of the same guest 10 s later, based on it: %.2f MB, "
               "%.3f of it\n", size_of(next) / 1e6,
               (double)size_of(next) / stored[OTHERS]);
    }
    unlink(next);
    unlink(image);
    unlink(to);
    free(next);
    free(image);
    free(to);
}

static int recording(const struct dirent *d)
{
    const char *dot = strrchr(d->d_name, '.');

    return dot && !strcmp(dot, ".save") && !strstr(d->d_name, "-b.save");
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    struct dirent **found;
    int i, num;

    if (argc != 2 || (num = scandir(argv[1], &found, recording,
                                    alphasort)) <= 0) {
        fprintf(stderr, "memory: needs a directory of recordings\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr,
                                                               XTL_ERROR, 0);
    bench_log = (struct xls_log){ logger, "bench" };
    directory = xls_asprintf("%s/xls-memory-XXXXXX", tmp ? tmp : "/dev/shm");
    if (!mkdtemp(directory)) {
        perror(directory);
        return 1;
    }
    for (i = 0; i < num; i++) {
        char *first = xls_asprintf("%s/%s", argv[1], found[i]->d_name);
        char *second = xls_strdup(first), *end = strstr(second, "-a.save");

        if (end)
            end[1] = 'b';
        compare(first, end && !access(second, R_OK) ? second : NULL,
                found[i]->d_name);
        free(second);
        free(first);
        free(found[i]);
    }
    free(found);
    rmdir(directory);
    free(directory);
    xtl_logger_destroy(logger);
    return 0;
}
