/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What writing and reading the image of a large guest takes of memory: 64 MiB
 * and a hundredth of the guest's. IMAGE_HEAVY=1 is for guests of 8 GiB, too.
 */
#include "support.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/files.h"
#include "memimage/internal.h"

#define BATCH   1024U
#define MIB     (1ULL << 20)

enum pages {
    FEW,                        /* of which each comes again and again */
    DIFFERENT,                  /* all, but they pack well */
    SHUFFLED,                   /* those of DIFFERENT, in another order */
    OTHERS,                     /* all, and from those of DIFFERENT as well */
};

struct big {
    const char *what;
    uint64_t mib;
    enum pages pages;
    int level;
    bool null;                  /* what is written goes to /dev/null */
    bool based;                 /* on one of DIFFERENT pages, at "parent" */
    bool heavy;
};

struct feeding {
    struct xls_image_writer *w;
    const struct big *big;
    uint8_t *record;            /* head, pfns and pages */
};

static void feed(struct feeding *f, const void *data, size_t len)
{
    must(!xls_image_write(f->w, data, len));
}

static void feed_records_begin(struct feeding *f)
{
    static const uint32_t records[] = {
        1, 0,                                   /* LIBXC_CONTEXT */
        UINT32_MAX, UINT32_MAX, 0x464e4558, 0x02000000, 0, 0,
        2, 12, 4, 20,
    };

    feed(f, "LibxlFmt\0\0\0\2\0\0\0\0", 16);
    feed(f, records, sizeof(records));
}

static uint64_t page_number(const struct big *b, uint64_t pfn)
{
    switch (b->pages) {
    case FEW:
        return 1 + pfn % 5;
    case SHUFFLED:
        return pfn * 0x9e3779b1 % (b->mib * MIB / IMAGE_PAGE);
    case OTHERS:
        return pfn | 1ULL << 40;
    default:
        return pfn;
    }
}

static void feed_batch(struct feeding *f, uint64_t pfn)
{
    uint32_t head[] = { 1, 8 + 8 * BATCH + BATCH * IMAGE_PAGE, BATCH, 0 };
    uint8_t *pfns = f->record + sizeof(head), *pages = pfns + 8 * BATCH;
    uint64_t i;

    memcpy(f->record, head, sizeof(head));
    for (i = 0; i < BATCH; i++) {
        uint64_t le = htole64(pfn + i), n = page_number(f->big, pfn + i);

        memcpy(pfns + 8 * i, &le, sizeof(le));
        memcpy(pages + i * IMAGE_PAGE + 100, &n, sizeof(n));
    }
    feed(f, f->record, sizeof(head) + 8 * BATCH + BATCH * IMAGE_PAGE);
}

static void feed_all(struct feeding *f)
{
    size_t len = 16 + 8 * BATCH + BATCH * IMAGE_PAGE, i;
    uint64_t pfn;

    f->record = xls_calloc(1, len);
    for (i = 0; i < len; i++)
        f->record[i] = "what all pages have in common"[i % IMAGE_PAGE % 29];
    feed_records_begin(f);
    for (pfn = 0; pfn < f->big->mib * MIB / IMAGE_PAGE; pfn += BATCH)
        feed_batch(f, pfn);
    feed(f, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    free(f->record);
}

static struct timespec began;

/* Says it, and whether it is too much. */
static void check_memory(const struct big *b, const char *doing)
{
    uint64_t limit = 64 * 1024 + b->mib * 1024 / 100, kib;
    struct timespec now;
    struct rusage usage;

    must(!getrusage(RUSAGE_SELF, &usage));
    clock_gettime(CLOCK_MONOTONIC, &now);
    kib = usage.ru_maxrss;
    printf("# %s, %s: %llu MiB of %llu, %.1f s\n", b->what, doing,
           (unsigned long long)kib >> 10, (unsigned long long)limit >> 10,
           now.tv_sec - began.tv_sec + (now.tv_nsec - began.tv_nsec) / 1e9);
    fflush(stdout);
    must(kib <= limit);
}

/* What big says, into a file that is open and called name in messages. */
static void write_to(int fd, const char *name, const struct big *b,
                     struct xls_image *parent)
{
    const struct xls_image_write_how how = { .level = b->level,
                                             .parent = parent };
    struct feeding f = { .big = b };

    must(fd >= 0);
    must(!xls_image_writer_new(&image_log, fd, name, &how, &f.w));
    feed_all(&f);
    must(!xls_image_write_end(f.w));
    xls_image_writer_free(f.w);
    close(fd);
}

static void write_big(const void *arg)
{
    const struct big *b = arg;
    struct xls_image *parent = b->based ? must_open(scratch("parent")) : NULL;
    int fd;

    if (b->null)
        fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    else
        must(!xls_file_create(&image_log, scratch("big"), NULL, &fd));
    write_to(fd, "big", b, parent);
    xls_image_close(parent);
    check_memory(b, "writing");
}

static void verify_big(const void *arg)
{
    const struct xls_image_read_how how = { .everything = true };
    const struct big *b = arg;
    struct xls_image *image = must_open(scratch("big"));
    const struct image_info *info = xls_image_info(image);

    must(info->pages == b->mib * MIB / IMAGE_PAGE);
    must(info->stored == (b->pages == FEW ? 5 : b->pages == SHUFFLED ? 0
                          : info->pages));
    must(!xls_image_verify(image, &how));
    xls_image_close(image);
    check_memory(b, "verifying");
}

static void read_big(const void *arg)
{
    const struct xls_image_read_how how = { .threads = 0 };
    struct xls_image *image = must_open(scratch("big"));

    must(!xls_image_read_checked(image, -1, "nothing", &how));
    xls_image_close(image);
    check_memory(arg, "reading");
}

static bool clocked(void (*run)(const void *arg), const struct big *b)
{
    clock_gettime(CLOCK_MONOTONIC, &began);
    return run_apart(run, b);
}

static void check_big(const struct big *b)
{
    bool good = clocked(write_big, b);

    if (good && !b->null)
        good = clocked(verify_big, b) && clocked(read_big, b);
    if (b->pages == DIFFERENT && !b->null)
        rename(scratch("big"), scratch("parent"));
    unlink(scratch("big"));
    assert_true(good);
}

static void memory_is_bounded(void **state)
{
    static const struct big all[] = {
        { "1 GiB, few pages", 1024, FEW, 1, false, false, false },
        { "1 GiB, all different", 1024, DIFFERENT, 1, false, false, false },
        { "256 MiB, the parent's", 256, SHUFFLED, 1, false, true, false },
        { "1 GiB, none the parent's", 1024, OTHERS, 1, false, true, false },
        { "8 GiB, few pages", 8192, FEW, 1, false, false, true },
        { "8 GiB, all different, not packed", 8192, DIFFERENT, 0, true, false,
          true },
        { "8 GiB, all different", 8192, DIFFERENT, 1, false, false, true },
        { "8 GiB, the parent's", 8192, SHUFFLED, 1, false, true, true },
        { "8 GiB, none the parent's", 8192, OTHERS, 1, false, true, true },
    };
    size_t i;

    (void)state;
    if (SANITIZED) {
        puts("# skipped: what the sanitizers take is counted, too");
        skip();
    }
    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!all[i].heavy || number_given("IMAGE_HEAVY", 0))
            check_big(&all[i]);
}

static void write_on(const char *name, struct xls_image *parent,
                     enum pages pages)
{
    const struct big big = { .mib = 320, .pages = pages, .level = 1 };
    int fd;

    must(!xls_file_create(&image_log, scratch(name), NULL, &fd));
    write_to(fd, name, &big, parent);
}

/* In room for one map and one block of hashes; several of each are needed. */
static struct xls_image *open_in_little(const char *name)
{
    struct xls_image *image = must_open(scratch(name)), *i;

    for (i = image; i; i = i->parent) {
        i->cache[IMAGE_MAP].room = 1;
        i->cache[IMAGE_HASHES].room = 1;
    }
    return image;
}

static void what_is_not_kept_is_read_again(void **state)
{
    const struct xls_image_read_how how = { .everything = true };
    struct xls_image *image;

    (void)state;
    write_on("a", NULL, DIFFERENT);
    image = open_in_little("a");
    must(image->num[IMAGE_MAP] > 1 && image->num[IMAGE_HASHES] > 1);
    write_on("b", image, SHUFFLED);
    xls_image_close(image);

    image = open_in_little("b");
    write_on("c", image, SHUFFLED);
    xls_image_close(image);

    image = open_in_little("c");
    must(!image->info.stored && !image->parent->info.stored);
    must(!xls_image_verify(image, &how));
    must(!xls_image_read_checked(image, -1, "nothing", &how));
    xls_image_close(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_is_bounded, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(what_is_not_kept_is_read_again,
                                        scratch_make, scratch_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
