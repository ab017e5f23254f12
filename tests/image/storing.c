/* SPDX-License-Identifier: LGPL-2.1-only */
/* What an image keeps, what it is based on, and what is refused. */
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files.h"
#include "generate.h"
#include "memimage/internal.h"
#include "memimage/table.h"

static const struct xls_image_write_how packed = { .level = 1, .threads = 2 };
static const struct xls_image_read_how reading = { .threads = 2 };

/* Pages by number, each another one; 0: of zeros. */
static void make_pages(const uint32_t *numbers, uint32_t num,
                       struct generated *out)
{
    static const uint8_t begin[] = {
        'L', 'i', 'b', 'x', 'l', 'F', 'm', 't', 0, 0, 0, 2, 0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0,
        255, 255, 255, 255, 255, 255, 255, 255, 'X', 'E', 'N', 'F', 0, 0, 0, 2,
        0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 12, 0, 0, 0, 4, 0, 0, 0,
        20, 0, 0, 0,
    };
    const uint32_t batch = 1000;
    uint8_t *to;
    uint32_t i;

    memset(out, 0, sizeof(*out));
    out->len = sizeof(begin) + (num + batch - 1) / batch * 16 +
               (size_t)num * (8 + IMAGE_PAGE) + 16;
    out->data = to = xls_calloc(1, out->len);
    memcpy(to, begin, sizeof(begin));
    to += sizeof(begin);
    for (i = 0; i < num; i++) {
        uint32_t of = num - i < batch ? num - i : batch;
        uint32_t head[] = { htole32(1), htole32(8 + of * (8 + IMAGE_PAGE)),
                            htole32(of), 0 };
        struct rng r = { numbers[i] };

        if (i % batch == 0) {
            memcpy(to, head, sizeof(head));
            to += sizeof(head) + 8 * of;
        }
        if (numbers[i])
            rng_fill(&r, to, 1000);
        to += IMAGE_PAGE;
    }
    find_pages(out->data, out->len, &out->found);
    assert_true(out->found.whole && out->found.num_pages == num);
}

/* A page for each letter; z: of zeros. */
static void make_content(const char *letters, struct generated *out)
{
    uint32_t numbers[256], i;

    for (i = 0; letters[i]; i++)
        numbers[i] = letters[i] == 'z' ? 0 : letters[i];
    make_pages(numbers, i, out);
}

static void make_random(uint64_t seed, size_t least, struct generated *out)
{
    memset(out, 0, sizeof(*out));
    do {
        generate_alone(seed, out);
        seed += 1000;
    } while (out->len < least);
}

static void must_store_on(const char *path, const struct generated *content,
                          const char *parent)
{
    struct xls_image_write_how how = packed;

    how.parent = parent ? must_open(parent) : NULL;
    must_store(path, content->data, content->len, &how);
    xls_image_close(how.parent);
}

static void must_be(const char *path, const struct generated *content)
{
    struct xls_image *image = must_open(path);

    must_hold(image, content->data, content->len, &reading, NULL);
    xls_image_close(image);
}

static uint64_t size_of(const char *path)
{
    struct stat st;

    must(!stat(path, &st));
    return st.st_size;
}

/* 200 pages of zeros and none. */
static void pages_of_zeros_cost_nothing(void **state)
{
    struct generated some, none;
    char letters[201] = { 0 };

    (void)state;
    memset(letters, 'z', 200);
    make_content(letters, &some);
    make_content("a", &none);
    must_store_on(scratch("some"), &some, NULL);
    must_store_on(scratch("none"), &none, NULL);
    must_be(scratch("some"), &some);
    assert_true(size_of(scratch("some")) < 1200);
    assert_true(size_of(scratch("some")) < size_of(scratch("none")));
    generated_free(&some);
    generated_free(&none);
}

static void equal_pages_are_stored_once(void **state)
{
    struct generated once, often;
    struct xls_image *image;

    (void)state;
    make_content("abc", &once);
    make_content("abccbaaaaaaaaaaaaaaaaaaaaaaabbbcabcazzc", &often);
    must_store_on(scratch("once"), &once, NULL);
    must_store_on(scratch("often"), &often, NULL);
    must_be(scratch("often"), &often);
    image = must_open(scratch("often"));
    assert_int_equal(xls_image_info(image)->stored, 3);
    assert_int_equal(xls_image_info(image)->zero, 2);
    assert_int_equal(xls_image_info(image)->repeated,
                     often.found.num_pages - 5);
    xls_image_close(image);
    assert_true(size_of(scratch("often")) < size_of(scratch("once")) + 300);
    generated_free(&once);
    generated_free(&often);
}

static void an_increment_of_the_same_content_is_small(void **state)
{
    struct generated content;
    struct xls_image *image;

    (void)state;
    make_random(7, 300000, &content);
    must_store_on(scratch("a"), &content, NULL);
    must_store_on(scratch("b"), &content, scratch("a"));
    must_store_on(scratch("c"), &content, scratch("b"));
    must_be(scratch("c"), &content);
    image = must_open(scratch("c"));
    assert_int_equal(xls_image_info(image)->stored, 0);
    assert_int_equal(xls_image_info(image)->repeated, 0);
    assert_int_equal(xls_image_depth(image), 2);
    assert_int_equal(xls_image_info(image)->depth, 2);
    assert_string_equal(xls_image_parent_name(image), "b");
    /* But for the skeleton, which an image has of its own. */
    assert_true(xls_image_file_size(image) <
                xls_image_info(image)->skeleton + 4000);
    xls_image_close(image);
    generated_free(&content);
}

/* Addresses and neighbours are others. */
static void pages_that_moved_are_known(void **state)
{
    struct generated before, after;
    struct xls_image *image;

    (void)state;
    make_content("abcdefghijklm", &before);
    make_content("mazcblzkjihfgdex", &after);
    must_store_on(scratch("before"), &before, NULL);
    must_store_on(scratch("after"), &after, scratch("before"));
    must_be(scratch("after"), &after);
    image = must_open(scratch("after"));
    assert_int_equal(xls_image_info(image)->parent, 13);
    assert_int_equal(xls_image_info(image)->stored, 1);
    xls_image_close(image);
    generated_free(&before);
    generated_free(&after);
}

/* More blocks are needed at once than a reader keeps. */
static void pages_of_many_blocks_come_back(void **state)
{
    enum { BLOCKS = 100, NUM = BLOCKS * IMAGE_BLOCK_PAGES };
    uint32_t *numbers = xls_calloc(NUM, sizeof(*numbers)), i;
    struct generated before, after;

    (void)state;
    for (i = 0; i < NUM; i++)
        numbers[i] = i + 1;
    make_pages(numbers, NUM, &before);
    for (i = 0; i < NUM; i++)
        numbers[i] = i % BLOCKS * IMAGE_BLOCK_PAGES + i / BLOCKS + 1;
    make_pages(numbers, NUM, &after);
    must_store_on(scratch("before"), &before, NULL);
    must_store_on(scratch("after"), &after, scratch("before"));
    must_be(scratch("before"), &before);
    must_be(scratch("after"), &after);
    threads_left = 0;
    assert_int_equal(try_image(scratch("after"), after.data, after.len), 0);
    assert_true(size_of(scratch("after")) < NUM * 20);
    generated_free(&before);
    generated_free(&after);
    free(numbers);
}

static void the_same_content_keeps_secret_and_checksum(void **state)
{
    struct xls_image_write_how how = { .level = 3, .threads = 1 };
    struct xls_image *first, *again, *other;
    struct generated content;

    (void)state;
    make_random(11, 50000, &content);
    must_store_on(scratch("first"), &content, NULL);
    must_store_on(scratch("other"), &content, NULL);
    first = must_open(scratch("first"));
    how.same = first;
    must_store(scratch("again"), content.data, content.len, &how);
    again = must_open(scratch("again"));
    other = must_open(scratch("other"));
    assert_null(xls_image_parent(again));
    assert_memory_equal(xls_image_header(first)->secret,
                        xls_image_header(again)->secret,
                        sizeof(xls_image_header(first)->secret));
    assert_memory_equal(xls_image_info(first)->checksum,
                        xls_image_info(again)->checksum, 16);
    assert_memory_not_equal(xls_image_header(first)->id,
                            xls_image_header(again)->id, 16);
    assert_memory_not_equal(xls_image_info(first)->checksum,
                            xls_image_info(other)->checksum, 16);
    xls_image_close(first);
    xls_image_close(again);
    xls_image_close(other);
    must_be(scratch("again"), &content);
    generated_free(&content);
}

/* So that nobody can make pages that are taken for each other. */
static void hashes_of_pages_are_keyed(void **state)
{
    struct image_hash a, b;
    struct xls_image *one, *two;
    struct generated content;
    const uint8_t *page;

    (void)state;
    make_content("p", &content);
    page = content.data + content.found.pages[0];
    must_store_on(scratch("one"), &content, NULL);
    must_store_on(scratch("two"), &content, NULL);
    one = must_open(scratch("one"));
    two = must_open(scratch("two"));
    a = xls_image_page_hash(xls_image_header(one), page);
    b = xls_image_page_hash(xls_image_header(two), page);
    assert_true(a.a != b.a && a.b != b.b && a.a != a.b);
    assert_memory_not_equal(xls_image_header(one)->secret[0],
                            xls_image_header(one)->secret[1], IMAGE_SECRET);
    xls_image_close(one);
    xls_image_close(two);
    generated_free(&content);
}

static void a_replaced_child_is_as_good(void **state)
{
    struct xls_image_write_how how = packed;
    struct generated a, b, c;

    (void)state;
    make_content("abc", &a);
    make_content("abd", &b);
    make_content("abde", &c);
    must_store_on(scratch("a"), &a, NULL);
    must_store_on(scratch("b"), &b, scratch("a"));
    must_store_on(scratch("c"), &c, scratch("b"));
    /* b, without a: what is based on it does not mind. */
    how.same = must_open(scratch("b"));
    must_store(scratch("b.new"), b.data, b.len, &how);
    xls_image_close(how.same);
    assert_int_equal(rename(scratch("b.new"), scratch("b")), 0);
    assert_int_equal(unlink(scratch("a")), 0);
    assert_int_equal(try_image(scratch("b"), b.data, b.len), 0);
    /* Its pages are where they were: the map's numbers are the content's. */
    must_be(scratch("c"), &c);
    generated_free(&a);
    generated_free(&b);
    generated_free(&c);
}

static void more_than_32_images_are_refused(void **state)
{
    struct xls_image_write_how how = packed;
    struct xls_image *last;
    struct generated content;
    char name[16], below[16];
    int i;

    (void)state;
    make_content("ab", &content);
    for (i = 0; i < (int)IMAGE_MAX_CHAIN; i++) {
        snprintf(name, sizeof(name), "%d", i);
        snprintf(below, sizeof(below), "%d", i - 1);
        must_store_on(scratch(name), &content, i ? scratch(below) : NULL);
    }
    must_be(scratch(name), &content);
    last = must_open(scratch(name));
    assert_int_equal(xls_image_depth(last), IMAGE_MAX_CHAIN - 1);
    how.parent = last;
    assert_int_equal(store(scratch("one more"), content.data, content.len,
                           &how, NULL), ERROR_INVAL);
    assert_true(logged("as many as there can be"));
    xls_image_close(last);
    generated_free(&content);
}

static void must_be_refused(const char *path, int with, const char *why)
{
    logged_forget();
    assert_int_equal(try_image(path, NULL, 0), with);
    if (!logged(why))
        wrong("it is refused for another reason than: %s", why);
}

/* As a writer that was killed leaves it. */
static void an_image_without_its_end_is_refused(void **state)
{
    const char *path = scratch("image");
    struct generated content;
    struct xls_image *image;
    uint64_t *ends;
    uint32_t num, i;
    size_t len, at;
    uint8_t *file;

    (void)state;
    make_random(3, 1500000, &content);
    must_store_on(path, &content, NULL);
    image = must_open(path);
    num = image->blocks;
    ends = xls_calloc(num + 1, sizeof(*ends));
    for (i = 0; i < num; i++)
        ends[i] = image->offsets[i];
    file = read_file(path, &len);
    ends[num] = ends[num - 1] + le32toh(image->table[num - 1].stored);
    xls_image_close(image);
    assert_true(num > 6);
    for (i = 0; i <= num; i++) {
        write_file(path, file, ends[i]);
        must_be_refused(path, ERROR_SNAPSHOT_IMAGE_CORRUPT, "");
    }
    for (at = len - 1; at > ends[num]; at--) {
        write_file(path, file, at);
        must_be_refused(path, ERROR_SNAPSHOT_IMAGE_CORRUPT, "");
    }
    for (at = 0; at < 600; at += 7) {
        write_file(path, file, at);
        must_be_refused(path, ERROR_SNAPSHOT_IMAGE_CORRUPT, "");
    }
    free(ends);
    free(file);
    generated_free(&content);
}

static void a_parent_must_be_there_and_be_what_it_was(void **state)
{
    struct generated a, b, c;

    (void)state;
    make_content("abc", &a);
    make_content("abcd", &b);
    make_content("abcde", &c);
    must_store_on(scratch("a"), &a, NULL);
    must_store_on(scratch("b"), &b, scratch("a"));
    must_store_on(scratch("c"), &c, scratch("b"));

    assert_int_equal(rename(scratch("a"), scratch("away")), 0);
    must_be_refused(scratch("c"), ERROR_SNAPSHOT_STORAGE, "cannot open");
    must_be_refused(scratch("b"), ERROR_SNAPSHOT_STORAGE, "is based on");
    /* The same content by another secret. */
    must_store_on(scratch("a"), &a, NULL);
    must_be_refused(scratch("c"), ERROR_SNAPSHOT_IMAGE_CORRUPT,
                    "is not the image that it is based on");
    /* Another content by the same secret. */
    assert_int_equal(rename(scratch("away"), scratch("a")), 0);
    must_store_on(scratch("other"), &c, scratch("a"));
    assert_int_equal(rename(scratch("b"), scratch("away")), 0);
    assert_int_equal(rename(scratch("other"), scratch("b")), 0);
    must_be_refused(scratch("c"), ERROR_SNAPSHOT_IMAGE_CORRUPT,
                    "is not the image that it is based on");
    /* Two that changed places. */
    assert_int_equal(rename(scratch("a"), scratch("b")), 0);
    assert_int_equal(rename(scratch("away"), scratch("a")), 0);
    must_be_refused(scratch("c"), ERROR_SNAPSHOT_IMAGE_CORRUPT, "");
    must_be_refused(scratch("a"), ERROR_SNAPSHOT_IMAGE_CORRUPT, "");

    assert_int_equal(rename(scratch("a"), scratch("x")), 0);
    assert_int_equal(rename(scratch("b"), scratch("a")), 0);
    assert_int_equal(rename(scratch("x"), scratch("b")), 0);
    must_be(scratch("c"), &c);
    generated_free(&a);
    generated_free(&b);
    generated_free(&c);
}

static void flip(const char *path, uint64_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    must(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= 1;
    must(pwrite(fd, &byte, 1, at) == 1);
    close(fd);
}

/* A child of c needs the hash of a page that is stored in a. */
static void verification_finds_what_a_child_would_need(void **state)
{
    const struct xls_image_read_how all = { .everything = true };
    struct xls_image_write_how how = packed;
    struct xls_image *image;
    struct generated content;
    uint64_t at;

    (void)state;
    make_content("abc", &content);
    must_store_on(scratch("a"), &content, NULL);
    must_store_on(scratch("b"), &content, scratch("a"));
    must_store_on(scratch("c"), &content, scratch("b"));
    image = must_open(scratch("a"));
    at = image->offsets[image->by_type[IMAGE_HASHES][0]];
    xls_image_close(image);
    flip(scratch("a"), at);

    image = must_open(scratch("c"));
    assert_int_equal(xls_image_verify(image, &reading), 0);
    assert_int_equal(xls_image_read_checked(image, -1, "", &reading), 0);
    how.parent = image;
    assert_int_equal(store(scratch("d"), content.data, content.len, &how,
                           NULL), ERROR_SNAPSHOT_IMAGE_CORRUPT);
    assert_int_equal(xls_image_verify(image, &all),
                     ERROR_SNAPSHOT_IMAGE_CORRUPT);
    xls_image_close(image);
    generated_free(&content);
}

static int end_it(void *user, uint64_t done, uint64_t total)
{
    int *left = user;

    must(done <= total);
    return --*left < 0;
}

static void reading_and_verifying_end_when_told_to(void **state)
{
    struct xls_image_read_how how = { .progress = end_it };
    struct generated content;
    struct xls_image *image;
    int left, at;

    (void)state;
    make_random(3, 1500000, &content);
    must_store_on(scratch("a"), &content, NULL);
    image = must_open(scratch("a"));
    how.user = &left;
    for (at = 0; at < 4; at++) {
        /* Others may do all but the end before this thread is asked. */
        how.threads = 1;
        left = at % 2;
        assert_int_equal(xls_image_verify(image, &how), ERROR_ABORTED);
        how.threads = 8;
        left = 0;
        assert_int_equal(xls_image_verify(image, &how), ERROR_ABORTED);
        how.threads = 1 + at;
        left = at % 2;
        assert_int_equal(xls_image_read_checked(image, -1, "", &how),
                         ERROR_ABORTED);
    }
    left = 1000000;
    assert_int_equal(xls_image_verify(image, &how), 0);
    assert_int_equal(xls_image_read_checked(image, -1, "", &how), 0);
    xls_image_close(image);
    generated_free(&content);
}

/* Wherever the storage ends: it is said, and what is there is no image. */
static void a_full_disk_is_told(void **state)
{
    struct xls_image_write_how how = { .level = 1 };
    struct rlimit before, limit;
    struct generated content;
    uint64_t size, at;

    (void)state;
    make_random(5, 1200000, &content);
    must_store_on(scratch("a"), &content, NULL);
    size = size_of(scratch("a"));
    signal(SIGXFSZ, SIG_IGN);
    must(!getrlimit(RLIMIT_FSIZE, &before));
    limit = before;
    for (at = 0; at < size; at += at < 1024 ? 100 : size / 37) {
        int rc;

        limit.rlim_cur = at;
        how.threads = at % 4;
        how.hurry = at % 2;
        must(!setrlimit(RLIMIT_FSIZE, &limit));
        rc = store(scratch("b"), content.data, content.len, &how, NULL);
        must(!setrlimit(RLIMIT_FSIZE, &before));
        assert_int_equal(rc, ERROR_SNAPSHOT_STORAGE);
        assert_true(try_image(scratch("b"), NULL, 0));
        unlink(scratch("b"));
    }
    signal(SIGXFSZ, SIG_DFL);
    generated_free(&content);
}

static void readers_that_go_away_are_told(void **state)
{
    struct generated content;
    struct xls_image *image;
    int fds[2], full;

    (void)state;
    make_random(3, 1500000, &content);
    must_store_on(scratch("a"), &content, NULL);
    image = must_open(scratch("a"));
    signal(SIGPIPE, SIG_IGN);
    must(!pipe2(fds, O_CLOEXEC));
    close(fds[0]);
    assert_int_equal(xls_image_read(image, 0, fds[1], "the pipe", &reading),
                     ERROR_SNAPSHOT_STORAGE);
    assert_true(logged("the pipe"));
    signal(SIGPIPE, SIG_DFL);
    close(fds[1]);
    full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    must(full >= 0);
    assert_int_equal(xls_image_read_checked(image, full, "it", &reading),
                     ERROR_SNAPSHOT_STORAGE);
    close(full);
    xls_image_close(image);
    generated_free(&content);
}

/* Nothing, and what is only just something. */
static void the_smallest_contents_come_back(void **state)
{
    struct generated content;
    size_t len, cut;

    (void)state;
    make_content("a", &content);
    cut = content.found.pages[0];
    for (len = 0; len < content.len; len += len % IMAGE_PAGE < 200 ? 1 : 7) {
        const char *path = scratch("a");
        int rc = store(path, content.data, len, &packed, NULL);

        if (len >= cut && len < cut + IMAGE_PAGE) {
            assert_int_equal(rc, ERROR_SNAPSHOT_IMAGE_CORRUPT);
        } else {
            assert_int_equal(rc, 0);
            assert_int_equal(try_image(path, content.data, len), 0);
        }
        unlink(path);
    }
    generated_free(&content);
}

/* What compresses best of all still has an index that can be read. */
static void much_of_nothing_comes_back(void **state)
{
    const size_t piece = 16 << 20;
    struct xls_image_writer *w;
    uint64_t mib = number_given("IMAGE_HEAVY", 0) ? 24 << 10 : 64, i;
    struct xls_image *image;
    void *zeros;
    int fd;

    (void)state;
    zeros = xls_calloc(1, piece);
    must(!xls_file_create(&image_log, scratch("a"), NULL, &fd));
    must(!xls_image_writer_new(&image_log, fd, "a", &packed, &w));
    for (i = 0; i < mib; i += piece >> 20)
        must(!xls_image_write(w, zeros, piece));
    must(!xls_image_write_end(w));
    xls_image_writer_free(w);
    close(fd);
    free(zeros);
    image = must_open(scratch("a"));
    assert_int_equal(xls_image_info(image)->content, mib << 20);
    assert_int_equal(xls_image_read_checked(image, -1, "", &reading), 0);
    xls_image_close(image);
}

/* Of the threads of this process, those that give way to all else. */
static int num_giving_way(void)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *e;
    int num = 0;

    must(tasks);
    while ((e = readdir(tasks)))
        num += atoi(e->d_name) &&
               getpriority(PRIO_PROCESS, atoi(e->d_name)) == 19;
    closedir(tasks);
    return num;
}

static void threads_give_way(bool hurry, int num)
{
    const struct xls_image_write_how how = { .level = 1, .threads = 3,
                                             .hurry = hurry };
    struct xls_image_writer *w;
    int fd, tries;

    unlink(scratch("a"));
    must(!xls_file_create(&image_log, scratch("a"), NULL, &fd));
    must(!xls_image_writer_new(&image_log, fd, "a", &how, &w));
    for (tries = 0; tries < 10000 && num_giving_way() != num; tries++)
        usleep(1000);
    assert_int_equal(num_giving_way(), num);
    must(!xls_image_write_end(w));
    xls_image_writer_free(w);
    close(fd);
}

/* It, and not what takes in the content: that is what a guest waits for. */
static void packing_in_a_hurry_gives_way(void **state)
{
    (void)state;
    if (num_giving_way())
        skip();     /* so do these tests */
    threads_give_way(false, 0);
    threads_give_way(true, 3);
    assert_int_equal(num_giving_way(), 0);
}

int main(void)
{
#define TEST(name)                                                           \
    cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {
        TEST(pages_of_zeros_cost_nothing),
        TEST(equal_pages_are_stored_once),
        TEST(an_increment_of_the_same_content_is_small),
        TEST(pages_that_moved_are_known),
        TEST(pages_of_many_blocks_come_back),
        TEST(the_same_content_keeps_secret_and_checksum),
        TEST(hashes_of_pages_are_keyed),
        TEST(a_replaced_child_is_as_good),
        TEST(more_than_32_images_are_refused),
        TEST(an_image_without_its_end_is_refused),
        TEST(a_parent_must_be_there_and_be_what_it_was),
        TEST(verification_finds_what_a_child_would_need),
        TEST(reading_and_verifying_end_when_told_to),
        TEST(packing_in_a_hurry_gives_way),
        TEST(a_full_disk_is_told),
        TEST(readers_that_go_away_are_told),
        TEST(the_smallest_contents_come_back),
        TEST(much_of_nothing_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
