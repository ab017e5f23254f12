/* SPDX-License-Identifier: LGPL-2.1-only */
/* Images that somebody made to do harm: all checksums are right. */
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>
#include <zstd.h>

#include "common/files.h"
#include "memimage/index.h"
#include "reseal.h"

#define MOST_MIB    200

/* A content of three pages: zeros, and two that are stored; a record without
 * a meaning, which would be another batch of one page. */
enum { BATCH_AT = 80, OTHER_AT = BATCH_AT + 16 + 24 + 3 * IMAGE_PAGE };
static uint8_t content[OTHER_AT + 24 + IMAGE_PAGE + 16];
/* Where the other record is in the skeleton. */
#define OTHER_SKELETON_AT   (OTHER_AT - 3 * IMAGE_PAGE)

struct file {
    uint8_t *data;
    size_t len;
    struct file_parts parts;
};

static void put32(size_t at, uint32_t v)
{
    v = htole32(v);
    memcpy(content + at, &v, sizeof(v));
}

static void make_content(void)
{
    memset(content, 0, sizeof(content));
    memcpy(content, "LibxlFmt\0\0\0\2", 12);
    put32(16, 1);               /* LIBXC_CONTEXT */
    memset(content + 24, 255, 8);
    memcpy(content + 32, "XENF\0\0\0\2", 8);
    put32(64, 0x80000000);      /* a record of no length */
    put32(72, 0x80000000);
    put32(BATCH_AT, 1);
    put32(BATCH_AT + 4, 8 + 3 * 8 + 3 * IMAGE_PAGE);
    put32(BATCH_AT + 8, 3);
    memset(content + BATCH_AT + 40 + IMAGE_PAGE, 'a', IMAGE_PAGE);
    memset(content + BATCH_AT + 40 + 2 * IMAGE_PAGE, 'b', IMAGE_PAGE);
    put32(OTHER_AT, 0x80000001);
    put32(OTHER_AT + 4, 16 + IMAGE_PAGE);
    put32(OTHER_AT + 8, 1);
}

static void must_make(const char *name, const char *parent, int level)
{
    struct xls_image_write_how how = {
        .level = level,
        .threads = 1,
        .parent = parent ? must_open(scratch(parent)) : NULL,
    };

    unlink(scratch(name));
    must_store(scratch(name), content, sizeof(content), &how);
    xls_image_close(how.parent);
}

/* The image to be changed, a child of "parent" or not. */
static struct file load(bool child, int level)
{
    struct file f;

    make_content();
    must_make("parent", NULL, level);
    must_make("image", child ? "parent" : NULL, level);
    f.data = read_file(scratch("image"), &f.len);
    must(file_parts(f.data, f.len, &f.parts));
    return f;
}

static int try_file(const struct file *f)
{
    logged_forget();
    write_file(scratch("image"), f->data, f->len);
    return try_image(scratch("image"), NULL, 0);
}

static void must_be_refused(struct file *f, const char *what)
{
    int rc;

    reseal(f->data, f->len);
    rc = try_file(f);
    if (rc != ERROR_SNAPSHOT_IMAGE_CORRUPT)
        wrong("%s: %d", what, rc);
    free(f->data);
}

/* Another end, for blocks that stay. */
static void change_index(struct file *f, const struct image_info *info,
                         const char *name)
{
    uint64_t table = le64toh(f->parts.trailer->table);
    struct image_header header = *f->parts.header;
    struct image_entry entries[16];
    uint32_t blocks = f->parts.blocks;
    size_t len;
    void *index;

    must(blocks <= 16);
    memcpy(entries, f->parts.table, blocks * sizeof(*entries));
    index = xls_image_make_index(&header, entries, blocks, info, name, table,
                                 &len);
    f->data = xls_realloc(f->data, table + len, 1);
    memcpy(f->data + table, index, len);
    f->len = table + len;
    free(index);
    must(file_parts(f->data, f->len, &f->parts));
}

enum part { HEADER, TRAILER, INFO, ENTRY };

struct lie {
    const char *what;
    enum part part;
    size_t at, size;
    uint64_t value;
};
#define LIE(part, type, field, value)                                        \
    { #field " " #value, part, offsetof(struct image_##type, field),         \
      sizeof(((struct image_##type *)0)->field), value }

static const struct lie lies[] = {
    LIE(HEADER, header, version, 0),
    LIE(HEADER, header, version, 2),
    LIE(HEADER, header, length, 0),
    LIE(HEADER, header, length, 511),
    LIE(HEADER, header, length, 65535),
    LIE(HEADER, header, incompatible, 1),
    LIE(HEADER, header, incompatible, 1U << 31),
    LIE(TRAILER, trailer, table, 0),
    LIE(TRAILER, trailer, table, 511),
    LIE(TRAILER, trailer, table, 1ULL << 40),
    LIE(TRAILER, trailer, table, UINT64_MAX),
    LIE(TRAILER, trailer, table, UINT64_MAX - 63),
    LIE(TRAILER, trailer, blocks, 0),
    LIE(TRAILER, trailer, blocks, 1),
    LIE(TRAILER, trailer, blocks, 43690),
    LIE(TRAILER, trailer, blocks, 17825792),
    LIE(TRAILER, trailer, blocks, 0x0aaaaaab),  /* times 24: wraps around */
    LIE(TRAILER, trailer, blocks, UINT32_MAX),
    LIE(TRAILER, trailer, info, 0),
    LIE(TRAILER, trailer, info, 111),
    LIE(TRAILER, trailer, info, 113),
    LIE(TRAILER, trailer, info, UINT32_MAX),
    LIE(TRAILER, trailer, length, 0),
    LIE(TRAILER, trailer, length, 1ULL << 42),
    LIE(TRAILER, trailer, length, UINT64_MAX),
    LIE(ENTRY, entry, stored, 0),
    LIE(ENTRY, entry, stored, 1),
    LIE(ENTRY, entry, stored, IMAGE_BLOCK),
    LIE(ENTRY, entry, stored, IMAGE_BLOCK + 1),
    LIE(ENTRY, entry, stored, UINT32_MAX),
    LIE(ENTRY, entry, raw, 0),
    LIE(ENTRY, entry, raw, 1),
    LIE(ENTRY, entry, raw, IMAGE_BLOCK),
    LIE(ENTRY, entry, raw, IMAGE_BLOCK + 1),
    LIE(ENTRY, entry, raw, UINT32_MAX),
    LIE(ENTRY, entry, type, 0),
    LIE(ENTRY, entry, type, 5),
    LIE(ENTRY, entry, type, 255),
    LIE(ENTRY, entry, codec, 4),
    LIE(ENTRY, entry, codec, 255),
    LIE(INFO, info, content, 0),
    LIE(INFO, info, content, UINT64_MAX),
    LIE(INFO, info, skeleton, 0),
    LIE(INFO, info, skeleton, 1ULL << 38),
    LIE(INFO, info, skeleton, UINT64_MAX),
    LIE(INFO, info, pages, 0),
    LIE(INFO, info, pages, 2),
    LIE(INFO, info, pages, 4),
    LIE(INFO, info, pages, IMAGE_MAX_PAGES),
    LIE(INFO, info, pages, 1ULL << 52),
    LIE(INFO, info, pages, UINT64_MAX),
    LIE(INFO, info, zero, UINT64_MAX),
    LIE(INFO, info, zero, 0),
    LIE(INFO, info, stored, 0),
    LIE(INFO, info, stored, 3),
    LIE(INFO, info, stored, UINT64_MAX),
    LIE(INFO, info, repeated, 1),
    LIE(INFO, info, repeated, UINT64_MAX),
    LIE(INFO, info, parent, 1),
    LIE(INFO, info, parent, UINT64_MAX),
    LIE(INFO, info, stream, UINT64_MAX),
    LIE(INFO, info, stream, 1 << 20),
    LIE(INFO, info, depth, 1),
    LIE(INFO, info, depth, IMAGE_MAX_CHAIN),
    LIE(INFO, info, depth, UINT32_MAX),
    LIE(INFO, info, parent_len, 1),
    LIE(INFO, info, parent_len, UINT32_MAX),
};

static void tell(struct file *f, const struct lie *lie, uint32_t block)
{
    uint8_t *to = lie->part == HEADER    ? (uint8_t *)f->parts.header
                  : lie->part == TRAILER ? (uint8_t *)f->parts.trailer
                  : lie->part == INFO    ? (uint8_t *)f->parts.info
                                         : (uint8_t *)&f->parts.table[block];
    uint64_t value = htole64(lie->value);

    memcpy(to + lie->at, &value, lie->size);
}

static void tell_all(const void *arg)
{
    size_t i;

    (void)arg;
    limit_memory(MOST_MIB);
    for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        uint32_t block = 0, blocks = 1;

        for (; block < blocks; block++) {
            struct file f = load(false, i % 2);

            if (lies[i].part == ENTRY)
                blocks = f.parts.blocks;
            tell(&f, &lies[i], block);
            must_be_refused(&f, lies[i].what);
            must(lies[i].part == TRAILER || !logged("damaged"));
        }
    }
}

static void a_wrong_number_is_refused(void **state)
{
    (void)state;
    assert_true(run_apart(tell_all, NULL));
}

static uint32_t find_block(const struct file *f, enum image_block_type type)
{
    uint32_t i;

    for (i = 0; i < f->parts.blocks; i++)
        if (f->parts.table[i].type == type)
            return i;
    wrong("there is no block of type %d", type);
}

static uint8_t *block_data(struct file *f, enum image_block_type type)
{
    return file_block(f->data, f->len, &f->parts, find_block(f, type));
}

static void map_lies(const void *arg)
{
    static const uint32_t entries[] = {
        IMAGE_ENTRY(IMAGE_PAGE_ZERO, 1),
        IMAGE_ENTRY(IMAGE_PAGE_ZERO, IMAGE_MAX_PAGES - 1),
        IMAGE_ENTRY(IMAGE_PAGE_STORED, 2),
        IMAGE_ENTRY(IMAGE_PAGE_STORED, 64),
        IMAGE_ENTRY(IMAGE_PAGE_STORED, IMAGE_MAX_PAGES - 1),
        IMAGE_ENTRY(IMAGE_PAGE_PARENT, 3),
        IMAGE_ENTRY(IMAGE_PAGE_PARENT, IMAGE_MAX_PAGES - 1),
        IMAGE_ENTRY(3, 0),
        UINT32_MAX,
    };
    size_t i;
    int child;

    (void)arg;
    limit_memory(MOST_MIB);
    for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
        for (child = 0; child < 2; child++) {
            struct file f = load(child, 0);
            uint32_t le = htole32(entries[i]);

            memcpy(block_data(&f, IMAGE_MAP) + 4, &le, sizeof(le));
            must_be_refused(&f, "an entry of the map");
        }
}

static void a_page_that_is_nowhere_is_refused(void **state)
{
    (void)state;
    assert_true(run_apart(map_lies, NULL));
}

/* More pages, and less, than the map has. */
static void other_numbers_of_pages_are_refused(void **state)
{
    struct file f;
    uint32_t v;

    (void)state;
    f = load(false, 0);
    v = htole32(1);
    memcpy(block_data(&f, IMAGE_SKELETON) + OTHER_SKELETON_AT, &v, sizeof(v));
    must_be_refused(&f, "a page more");
    assert_true(logged("has no page 3"));
    f = load(false, 0);
    v = htole32(8 + 3 * 8 + 2 * IMAGE_PAGE);
    memcpy(block_data(&f, IMAGE_SKELETON) + BATCH_AT + 4, &v, sizeof(v));
    must_be_refused(&f, "a page less");
    assert_true(logged("not as many as its stream says"));
}

/* What is stored is another content than its checksum is of. */
static void another_content_is_refused(void **state)
{
    struct file f = load(false, 0);

    (void)state;
    block_data(&f, IMAGE_DATA)[0] ^= 1;
    must_be_refused(&f, "another page");
    assert_true(logged("another content"));
    f = load(false, 0);
    block_data(&f, IMAGE_SKELETON)[OTHER_SKELETON_AT + 100] ^= 1;
    must_be_refused(&f, "another skeleton");
    f = load(false, 0);
    f.parts.info->checksum[15] ^= 1;
    must_be_refused(&f, "another checksum");
}

/* The skeleton's block is this instead; it claims to be so long. */
static void replace_skeleton(struct file *f, const void *packed, size_t len,
                             uint32_t raw)
{
    uint32_t n = find_block(f, IMAGE_SKELETON);
    uint64_t table = le64toh(f->parts.trailer->table);
    struct image_info info;
    struct file_parts from = f->parts;
    uint8_t *old = f->data;
    size_t old_len = f->len, at = 512;
    uint32_t i;

    f->len = old_len + len - le32toh(from.table[n].stored);
    f->data = xls_calloc(1, f->len);
    memcpy(f->data, old, 512);
    for (i = 0; i < from.blocks; i++) {
        size_t size = i == n ? len : le32toh(from.table[i].stored);

        memcpy(f->data + at,
               i == n ? packed : file_block(old, old_len, &from, i), size);
        at += size;
    }
    memcpy(f->data + at, old + table, old_len - table);
    memcpy(&info, f->data + f->len - 64 - sizeof(info), sizeof(info));
    info.skeleton = htole64(raw);
    info.content = htole64(raw + 3 * IMAGE_PAGE);
    memcpy(f->data + f->len - 64 - sizeof(info), &info, sizeof(info));
    f->parts.trailer = (void *)(f->data + f->len - 64);
    f->parts.trailer->table = htole64(at);
    f->parts.trailer->length = htole64(f->len);
    must(file_parts(f->data, f->len, &f->parts));
    f->parts.table[n].stored = htole32(len);
    f->parts.table[n].raw = htole32(raw);
    f->parts.table[n].codec = IMAGE_ZSTD;
    free(old);
}

static void unpack_badly(const void *arg)
{
    static const uint32_t raws[] = { 1 << 13, IMAGE_BLOCK - 1, IMAGE_BLOCK };
    size_t much = 64 << 20, len, i;
    uint8_t *zeros = xls_calloc(1, much), *packed = xls_calloc(1, 1 << 16);
    struct file f;

    (void)arg;
    limit_memory(MOST_MIB);
    len = ZSTD_compress(packed, 1 << 16, zeros, much, 19);
    must(!ZSTD_isError(len));
    for (i = 0; i < 3; i++) {
        f = load(false, 1);
        if (len < raws[i]) {
            replace_skeleton(&f, packed, len, raws[i]);
            must_be_refused(&f, "64 MiB in a block");
            must(logged("cannot be unpacked"));
        } else {
            free(f.data);
        }
    }
    /* As long as it says, which is longer than a block. */
    for (i = 1; i < 1 << 20; i *= 4) {
        len = ZSTD_compress(packed, 1 << 16, zeros, IMAGE_BLOCK + i, 1);
        f = load(false, 1);
        replace_skeleton(&f, packed, len, IMAGE_BLOCK + i);
        must_be_refused(&f, "a block that is too long");
        must(logged("its table has no sense"));
    }
    /* Less than it should be, and what is no frame at all. */
    len = ZSTD_compress(packed, 1 << 16, zeros, 1000, 1);
    for (i = 0; i < len; i++) {
        f = load(false, 1);
        replace_skeleton(&f, packed, len, 1001);
        must_be_refused(&f, "1000 bytes for 1001");
        must(i || logged("cannot be unpacked"));
        f = load(false, 1);
        replace_skeleton(&f, packed, len, 999);
        must_be_refused(&f, "1000 bytes for 999");
        must(i || logged("cannot be unpacked"));
        packed[i] ^= 0x55;
        f = load(false, 1);
        replace_skeleton(&f, packed, len, 1001);
        must_be_refused(&f, "a frame that is none");
    }
    free(zeros);
    free(packed);
}

static void what_unpacks_to_another_length_is_refused(void **state)
{
    (void)state;
    assert_true(run_apart(unpack_badly, NULL));
}

static struct image_info info_of(const struct file *f)
{
    struct image_info info;

    memcpy(&info, f->parts.info, sizeof(info));
    return info;
}

static void names_that_lead_away_are_refused(void **state)
{
    static const char *const names[] = {
        "/etc/passwd", "a/b", "../image", "./parent", "parent/", ".", "..",
        "fifo", "directory", "device",
    };
    struct image_info info;
    struct file f;
    char name[300];
    size_t i;

    (void)state;
    assert_int_equal(mkfifo(scratch("fifo"), 0600), 0);
    assert_int_equal(mkdir(scratch("directory"), 0700), 0);
    assert_int_equal(symlink("/dev/zero", scratch("device")), 0);
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        f = load(true, 0);
        info = info_of(&f);
        change_index(&f, &info, names[i]);
        must_be_refused(&f, names[i]);
    }
    for (i = 254; i < sizeof(name); i++) {
        int rc;

        memset(name, 'n', i);
        name[i] = '\0';
        f = load(true, 0);
        info = info_of(&f);
        change_index(&f, &info, name);
        rc = try_file(&f);
        /* The longest that a file can have; there is none of it. */
        assert_int_equal(rc, i > IMAGE_MAX_PARENT ? ERROR_SNAPSHOT_IMAGE_CORRUPT
                                                  : ERROR_SNAPSHOT_STORAGE);
        free(f.data);
    }
    f = load(true, 0);
    memcpy(f.parts.name, "pare\0t", 6);
    must_be_refused(&f, "a name with a NUL");
    f = load(true, 0);
    f.parts.info->depth = 0;
    must_be_refused(&f, "a parent but no depth");
}

/* It bounds nothing that opening does. */
static void a_depth_that_is_another_does_not_matter(void **state)
{
    struct file f = load(true, 0);

    (void)state;
    f.parts.info->depth = htole32(IMAGE_MAX_CHAIN - 1);
    reseal(f.data, f.len);
    assert_int_equal(try_file(&f), 0);
    free(f.data);
}

/* Writes it as another's parent and child at once. */
static void must_cycle(struct file *f, const char *name, const char *parent,
                       uint8_t own, uint8_t parents)
{
    struct image_info info = info_of(f);

    memset(info.checksum, own, sizeof(info.checksum));
    memset(info.parent_checksum, parents, sizeof(info.parent_checksum));
    change_index(f, &info, parent);
    write_file(scratch(name), f->data, f->len);
}

static void cycles_are_refused(void **state)
{
    struct file f = load(true, 0);

    (void)state;
    must_cycle(&f, "image", "image", 1, 1);
    assert_int_equal(try_image(scratch("image"), NULL, 0),
                     ERROR_SNAPSHOT_IMAGE_CORRUPT);
    assert_true(logged("more than 32"));
    logged_forget();
    must_cycle(&f, "a", "b", 1, 2);
    must_cycle(&f, "b", "c", 2, 3);
    must_cycle(&f, "c", "a", 3, 1);
    assert_int_equal(try_image(scratch("b"), NULL, 0),
                     ERROR_SNAPSHOT_IMAGE_CORRUPT);
    assert_true(logged("more than 32"));
    free(f.data);
}

/* An index of zeros at the end of a file that is nothing but long. */
static void make_sparse(const char *path, const struct file *f, uint64_t length,
                        uint32_t blocks, uint64_t info_len)
{
    static const uint8_t zeros[1 << 20];
    uint64_t index_len = blocks * 24ULL + info_len, left;
    struct image_trailer t = {
        .table = htole64(length - sizeof(t) - index_len),
        .blocks = htole32(blocks),
        .info = htole32(info_len),
        .length = htole64(length),
    };
    XXH3_state_t *state = XXH3_createState();
    XXH128_canonical_t checksum;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    memcpy(t.id, f->parts.header->id, sizeof(t.id));
    memcpy(t.magic, IMAGE_END, IMAGE_MAGIC_LEN);
    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, f->data, 512);
    /* One that is longer is never read. */
    for (left = index_len < 430U << 20 ? index_len : 0; left;) {
        size_t n = left < sizeof(zeros) ? left : sizeof(zeros);

        XXH3_128bits_update(state, zeros, n);
        left -= n;
    }
    XXH3_128bits_update(state, &t, offsetof(struct image_trailer, checksum));
    XXH128_canonicalFromHash(&checksum, XXH3_128bits_digest(state));
    XXH3_freeState(state);
    memcpy(t.checksum, checksum.digest, sizeof(t.checksum));
    must(fd >= 0 && !ftruncate(fd, length));
    must(!xls_fd_write_at(&image_log, fd, path, f->data, 512, 0));
    must(!xls_fd_write_at(&image_log, fd, path, &t, sizeof(t),
                          length - sizeof(t)));
    close(fd);
}

static void open_sparse(const void *arg)
{
    static const uint64_t lengths[] = { 1ULL << 32, 1ULL << 40, 1ULL << 62 };
    static const uint32_t blocks[] = { 0, 17825792, 17825793, UINT32_MAX };
    struct file f = load(false, 0);
    int i, j;

    (void)arg;
    /* The most blocks that are possible: their table is read, once here. */
    limit_memory(1200);
    for (i = 0; i < 3; i++)
        for (j = 0; j < 4; j++) {
            if (blocks[j] * 24ULL > lengths[i] - 4096 || (j == 1 && i != 1))
                continue;
            make_sparse(scratch("sparse"), &f, lengths[i], blocks[j], 112);
            must(try_image(scratch("sparse"), NULL, 0) ==
                 ERROR_SNAPSHOT_IMAGE_CORRUPT);
        }
    free(f.data);
}

static void huge_sparse_files_are_refused(void **state)
{
    (void)state;
    assert_true(run_apart(open_sparse, NULL));
}

/* One that is read fully has all that it says, so terabytes cannot be asked
 * for: not by zeros, either, for which the map is needed. */
static void many_pages_need_a_map(void **state)
{
    struct file f = load(false, 0);
    struct image_info info = info_of(&f);

    (void)state;
    info.pages = 1 << 29;
    info.zero = info.pages - 2;
    info.content = info.skeleton + info.pages * IMAGE_PAGE;
    change_index(&f, &info, NULL);
    must_be_refused(&f, "2 TiB");
    assert_true(logged("does not fit its blocks"));
}

static void a_gap_before_the_index_is_refused(void **state)
{
    struct file f = load(false, 1);
    uint64_t table = le64toh(f.parts.trailer->table);

    (void)state;
    f.data = xls_realloc(f.data, f.len + 8, 1);
    memmove(f.data + table + 8, f.data + table, f.len - table);
    f.len += 8;
    f.parts.trailer = (void *)(f.data + f.len - sizeof(*f.parts.trailer));
    f.parts.trailer->table = htole64(table + 8);
    f.parts.trailer->length = htole64(f.len);
    must_be_refused(&f, "a gap");
    assert_true(logged("do not fill it"));
}

static void numbers_that_wrap_around_are_refused(void **state)
{
    struct file f = load(false, 0);
    struct image_info info = info_of(&f);

    (void)state;
    info.repeated = info.zero + 1;
    info.zero = UINT64_MAX;
    change_index(&f, &info, NULL);
    must_be_refused(&f, "more zeros than pages");
    f = load(false, 0);
    info = info_of(&f);
    info.pages += 1ULL << 52;
    info.zero += 1ULL << 52;
    change_index(&f, &info, NULL);
    must_be_refused(&f, "2^64 bytes more");
}

int main(void)
{
#define TEST(name)                                                           \
    cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {
        TEST(a_wrong_number_is_refused),
        TEST(a_page_that_is_nowhere_is_refused),
        TEST(other_numbers_of_pages_are_refused),
        TEST(another_content_is_refused),
        TEST(what_unpacks_to_another_length_is_refused),
        TEST(names_that_lead_away_are_refused),
        TEST(a_depth_that_is_another_does_not_matter),
        TEST(cycles_are_refused),
        TEST(huge_sparse_files_are_refused),
        TEST(many_pages_need_a_map),
        TEST(a_gap_before_the_index_is_refused),
        TEST(numbers_that_wrap_around_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
