/* SPDX-License-Identifier: LGPL-2.1-only */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/files.h"

#define CASE_SECONDS    120
#define MAX_PROCESSES   8

struct tally *tally;
static bool apart;              /* in a process that a test started */
static int64_t this_case = -1;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[4096];

static void __attribute__((format(printf, 5, 0)))
keep_message(xentoollog_logger *l, xentoollog_level level, int errnoval,
             const char *context, const char *format, va_list al)
{
    size_t at;

    (void)l;
    (void)errnoval;
    (void)context;
    if (level < XTL_ERROR)
        return;
    pthread_mutex_lock(&log_lock);
    at = strlen(log_text);
    vsnprintf(log_text + at, sizeof(log_text) - at, format, al);
    at = strlen(log_text);
    snprintf(log_text + at, sizeof(log_text) - at, "\n");
    pthread_mutex_unlock(&log_lock);
}

static xentoollog_logger logger = { .vmessage = keep_message };
const struct xls_log image_log = { &logger, "test" };

void logged_forget(void)
{
    pthread_mutex_lock(&log_lock);
    log_text[0] = '\0';
    pthread_mutex_unlock(&log_lock);
}

bool logged(const char *text)
{
    bool is;

    pthread_mutex_lock(&log_lock);
    is = strstr(log_text, text);
    pthread_mutex_unlock(&log_lock);
    return is;
}

void wrong(const char *fmt, ...)
{
    char text[1024];
    va_list al;

    va_start(al, fmt);
    vsnprintf(text, sizeof(text), fmt, al);
    va_end(al);
    if (this_case >= 0)
        fprintf(stderr, "case %lld: ", (long long)this_case);
    pthread_mutex_lock(&log_lock);
    fprintf(stderr, "%s\n%s", text, log_text);
    pthread_mutex_unlock(&log_lock);
    if (apart)
        _exit(1);
    fail();
    abort();
}

uint64_t number_given(const char *variable, uint64_t otherwise)
{
    const char *given = getenv(variable);

    return given && *given ? strtoull(given, NULL, 0) : otherwise;
}

uint64_t seed_given(void)
{
    uint64_t seed = number_given("IMAGE_SEED", 1);

    printf("# IMAGE_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

static char *directory;         /* of the test, or of this process in it */

int scratch_make(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    logged_forget();
    if (!base)
        base = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    directory = xls_asprintf("%s/xls-image.XXXXXX", base);
    return mkdtemp(directory) ? 0 : -1;
}

static void remove_all(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        char *below = xls_asprintf("%s/%s", path, entry->d_name);

        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
            unlink(below))
            remove_all(below);
        free(below);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

int scratch_remove(void **state)
{
    (void)state;
    threads_left = UINT32_MAX;
    remove_all(directory);
    free(directory);
    directory = NULL;
    return pool_used() ? -1 : 0;
}

const char *scratch(const char *name)
{
    static char paths[16][512];
    static unsigned next;
    char *path = paths[next++ % 16];

    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

unsigned threads_left = UINT32_MAX;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *arg)
{
    if (!threads_left)
        return EAGAIN;
    threads_left--;
    return __real_pthread_create(thread, attr, run, arg);
}

#if ADDRESS_SANITIZED
void __lsan_do_leak_check(void);
const char *__asan_default_options(void);
/* It says where, though others would handle that, too. */
const char *__asan_default_options(void)
{
    return "handle_segv=2:handle_sigbus=2:handle_sigfpe=2:"
           "max_allocation_size_mb=1500";
}
#endif

/* What a process that ends by _exit has not freed. */
static void leak_check(void)
{
    must(pool_used() == 0);
#if ADDRESS_SANITIZED
    __lsan_do_leak_check();
#endif
}

void limit_memory(unsigned mib)
{
    struct rlimit limit;
    char line[64];
    FILE *f;

    if (SANITIZED)
        return;
    mallopt(M_ARENA_MAX, 1);    /* each takes address space beforehand */
    f = fopen("/proc/self/statm", "re");
    must(f && fgets(line, sizeof(line), f));
    fclose(f);
    limit.rlim_cur = limit.rlim_max =
        strtoull(line, NULL, 10) * sysconf(_SC_PAGESIZE) + ((rlim_t)mib << 20);
    must(!setrlimit(RLIMIT_AS, &limit));
}

static struct rng entropy;
static bool entropy_given;

void entropy_from(uint64_t from)
{
    entropy = rng_for(from, 4);
    entropy_given = true;
}

ssize_t __real_getrandom(void *data, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t len, unsigned flags)
{
    if (!entropy_given)
        return __real_getrandom(data, len, flags);
    rng_fill(&entropy, data, len);
    return len;
}

/* cmocka's handlers would go on with the next test. */
static void stand_alone(void)
{
    apart = true;
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    signal(SIGFPE, SIG_DFL);
    signal(SIGILL, SIG_DFL);
    signal(SIGSYS, SIG_DFL);
}

static void start_apart(void)
{
    stand_alone();
    logged_forget();
    alarm(10 * CASE_SECONDS);
}

static pid_t fork_flushed(void)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    return pid;
}

bool run_apart(void (*run)(const void *arg), const void *arg)
{
    pid_t pid = fork_flushed();
    int status;

    if (pid == 0) {
        start_apart();
        run(arg);
        leak_check();
        fflush(NULL);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) != pid)
        ;
    if (WIFSIGNALED(status))
        fprintf(stderr, "it was ended by signal %d\n", WTERMSIG(status));
    return status == 0;
}

struct shared {
    struct tally tally;
    int64_t at[MAX_PROCESSES];  /* the case of each process */
};

/* Unmapping, which the sanitizer does a lot, costs far less where all threads
 * are on one CPU. */
static void stay_on_cpu(int number)
{
    cpu_set_t all, one;
    int cpu;

    if (!ADDRESS_SANITIZED || sched_getaffinity(0, sizeof(all), &all))
        return;
    CPU_ZERO(&one);
    for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && number-- == 0)
            CPU_SET(cpu, &one);
    if (CPU_COUNT(&one))
        sched_setaffinity(0, sizeof(one), &one);
}

static void work(struct shared *s, int process, uint64_t count,
                 void (*begin)(void), void (*one)(uint64_t))
{
    char *above = directory;

    stand_alone();
    stay_on_cpu(process);
    directory = xls_asprintf("%s/%d", above, process);
    free(above);
    if (mkdir(directory, 0700))
        wrong("cannot make %s", directory);
    if (begin)
        begin();
    while (s->tally.count[0] < count) {
        this_case = s->at[process] = s->tally.next++;
        alarm(CASE_SECONDS);
        logged_forget();
        one(this_case);
    }
    leak_check();
    fflush(NULL);
    _exit(0);
}

static int num_processes(void)
{
    cpu_set_t cpus;
    int n = sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : CPU_COUNT(&cpus);

    return n < MAX_PROCESSES ? n : MAX_PROCESSES;
}

void run_cases(uint64_t count, void (*begin)(void), void (*one)(uint64_t))
{
    struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int num = number_given("IMAGE_PROCESSES", num_processes()), i;
    pid_t pids[MAX_PROCESSES];
    bool good = true;

    assert_true(s != MAP_FAILED && num >= 1 && num <= MAX_PROCESSES);
    tally = &s->tally;
    s->tally.next = number_given("IMAGE_FIRST", 0);
    for (i = 0; i < num; i++) {
        s->at[i] = -1;
        pids[i] = fork_flushed();
        if (pids[i] == 0)
            work(s, i, count, begin, one);
    }
    for (i = 0; i < num; i++) {
        int status;

        while (waitpid(pids[i], &status, 0) != pids[i])
            ;
        if (status == 0)
            continue;
        good = false;
        s->tally.count[0] = count;      /* the others end */
        fprintf(stderr, "case %lld failed (%s %d); IMAGE_FIRST=%lld "
                "IMAGE_PROCESSES=1 begins with it\n", (long long)s->at[i],
                WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                (long long)s->at[i]);
    }
    assert_true(good);
}

unsigned long long counted(int what)
{
    return tally->count[what];
}

void write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || xls_fd_write_at(&image_log, fd, path, data, len, 0))
        wrong("cannot write %s", path);
    close(fd);
}

uint8_t *read_file(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *data;

    if (fd < 0 || fstat(fd, &st))
        wrong("cannot open %s", path);
    *len = st.st_size;
    data = xls_realloc(NULL, *len, 1);
    if (xls_fd_read_at(&image_log, fd, path, data, *len, 0))
        wrong("cannot read %s", path);
    close(fd);
    return data;
}

static size_t some_piece(struct rng *r)
{
    static const size_t most[] = { 16, 100, 5000, 70000, 1 << 20, 1 << 23 };

    return 1 + rng_below(r, most[rng_below(r, 6)]);
}

static int write_in_pieces(struct xls_image_writer *w, const uint8_t *data,
                           size_t len, struct rng *r)
{
    /* Not so many that it takes long. */
    size_t least = len / 2000;
    int rc = 0;

    while (!rc && len) {
        size_t n = least + some_piece(r);

        if (n > len)
            n = len;
        rc = xls_image_write(w, data, n);
        data += n;
        len -= n;
    }
    return rc;
}

static int write_from_file(struct xls_image_writer *w, const uint8_t *data,
                           size_t len)
{
    int fd = memfd_create("content", MFD_CLOEXEC), rc;

    must(fd >= 0);
    must(!xls_fd_write_at(&image_log, fd, "content", data, len, 0));
    rc = xls_image_write_from(w, fd, "content");
    close(fd);
    return rc;
}

int store(const char *path, const void *data, size_t len,
          const struct xls_image_write_how *how, struct rng *pieces)
{
    struct xls_image_writer *w = NULL;
    int fd = -1, rc, end;

    rc = xls_file_create(&image_log, path, NULL, &fd);
    if (rc)
        return rc;
    rc = xls_image_writer_new(&image_log, fd, path, how, &w);
    if (rc)
        goto out;
    if (!pieces)
        rc = xls_image_write(w, data, len);
    else if (rng_one_in(pieces, 6))
        rc = write_from_file(w, data, len);
    else
        rc = write_in_pieces(w, data, len, pieces);
    if (!rc && xls_image_write_taken(w) != len)
        wrong("%llu bytes of %zu are taken",
              (unsigned long long)xls_image_write_taken(w), len);
    end = xls_image_write_end(w);
    if (rc && end != rc)
        wrong("a writer that failed says %d after %d", end, rc);
    rc = end;

out:
    xls_image_writer_free(w);
    close(fd);
    return rc;
}

void must_store(const char *path, const void *data, size_t len,
                const struct xls_image_write_how *how)
{
    if (store(path, data, len, how, NULL))
        wrong("%s cannot be written", path);
}

struct xls_image *must_open(const char *path)
{
    struct xls_image *image = NULL;

    if (xls_image_open(&image_log, path, &image))
        wrong("%s cannot be opened", path);
    return image;
}

/* What comes is compared as it comes. */
struct expected {
    const uint8_t *data;
    size_t len, at;
    bool other;
};

static void compare(struct expected *e, const void *data, size_t len)
{
    if (len > e->len - e->at || memcmp(e->data + e->at, data, len))
        e->other = true;
    else
        e->at += len;
}

static int compare_sink(void *user, struct iovec *iov, int num)
{
    int i;

    for (i = 0; i < num; i++)
        compare(user, iov[i].iov_base, iov[i].iov_len);
    return 0;
}

static void must_pour(struct xls_image *image, const void *data, size_t len,
                      const struct xls_image_read_how *how)
{
    struct expected e = { .data = data, .len = len };

    must(!xls_image_pour(image, compare_sink, &e, how));
    must(!e.other && e.at == len);
}

static void must_read_to_file(struct xls_image *image, const uint8_t *data,
                              size_t len, uint64_t from,
                              const struct xls_image_read_how *how)
{
    int fd = memfd_create("content", MFD_CLOEXEC);
    uint8_t *back = NULL;
    struct stat st;

    must(fd >= 0);
    must(!xls_image_read(image, from, fd, "content", how));
    must(!fstat(fd, &st) && (size_t)st.st_size == len - from);
    if (from < len) {
        back = mmap(NULL, len - from, PROT_READ, MAP_SHARED, fd, 0);
        must(back != MAP_FAILED);
        must(!memcmp(back, data + from, len - from));
        munmap(back, len - from);
    }
    close(fd);
}

struct pipe_reading {
    struct expected e;
    int fd;
};

static void *read_pipe(void *arg)
{
    struct pipe_reading *p = arg;
    char data[65536];
    ssize_t n;

    while ((n = read(p->fd, data, sizeof(data))) > 0)
        compare(&p->e, data, n);
    return NULL;
}

static void must_read_to_pipe(struct xls_image *image, const void *data,
                              size_t len, const struct xls_image_read_how *how)
{
    struct pipe_reading p = { .e = { .data = data, .len = len } };
    pthread_t thread;
    int fds[2], rc;

    must(!pipe2(fds, O_CLOEXEC));
    /* As large as the one to libxl. */
    fcntl(fds[0], F_SETPIPE_SZ, 1 << 20);
    p.fd = fds[0];
    must(!__real_pthread_create(&thread, NULL, read_pipe, &p));
    rc = xls_image_read_checked(image, fds[1], "pipe", how);
    close(fds[1]);
    pthread_join(thread, NULL);
    close(fds[0]);
    must(!rc && !p.e.other && p.e.at == len);
}

void must_hold(struct xls_image *image, const void *data, size_t len,
               const struct xls_image_read_how *how, struct rng *some)
{
    struct xls_image_read_how all = *how;
    unsigned way = some ? rng_below(some, 3) : 0;

    all.everything = true;
    must(!xls_image_verify(image, &all));
    must_read_to_file(image, data, len, xls_image_info(image)->stream, how);
    if (!some || way == 0)
        must_pour(image, data, len, how);
    if (!some || way == 1)
        must_read_to_pipe(image, data, len, how);
    if (!some || way == 2)
        must_read_to_file(image, data, len, 0, how);
    if (!some || way == 2)
        must(!xls_image_read_checked(image, -1, "nothing", how));
    if (!some || rng_one_in(some, 8))
        must(!xls_image_verify(image, how));
}

int try_image(const char *path, const void *data, size_t len)
{
    const struct xls_image_read_how how = { .threads = 1, .everything = true };
    struct expected e = { .data = data, .len = len };
    struct xls_image *image = NULL;
    bool verified;
    int rc;

    rc = xls_image_open(&image_log, path, &image);
    if (rc)
        return rc;
    rc = xls_image_verify(image, &how);
    verified = !rc;
    if (verified)
        rc = xls_image_pour(image, compare_sink, &e, &how);
    if (verified && rc && data)
        wrong("%s cannot be read, though nothing is wrong with it", path);
    if (!rc && data && (e.other || e.at != len))
        wrong("%s gives back another content", path);
    xls_image_close(image);
    return rc;
}
