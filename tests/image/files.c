/* SPDX-License-Identifier: LGPL-2.1-only */
/* The public functions for memory files: what they make, and what they leave
 * when they cannot. IMAGE_SEED is another run than that of every day. */
#include "support.h"

#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "generate.h"

#define MAX_CHAIN 8

static libxl_snapshot_how how;

/* What is at a path of the test's directory, or goes there; for the test's
 * time. */
static char *at(const char *fmt, int number)
{
    char *name = number < 0 ? xls_strdup(fmt) : xls_asprintf("%s%d", fmt,
                                                             number);
    char *path = xls_strdup(scratch(name));

    free(name);
    return path;
}

static void generate_file(struct guest *g, uint64_t seed, const char *path,
                          struct generated *content)
{
    generate(g, seed, content);
    write_file(path, content->data, content->len);
}

static bool is_there(const char *path)
{
    return !access(path, F_OK);
}

static void must_export(const char *path, const struct generated *content)
{
    char *raw = at("exported", -1);
    struct stat st;
    uint8_t *data;
    size_t len;

    must(!libxl_snapshot_memory_export(NULL, path, raw, &how));
    must(!stat(raw, &st) && (st.st_mode & 07777) == 0600);
    data = read_file(raw, &len);
    must(len == content->len && !memcmp(data, content->data, len));
    unlink(raw);
    free(data);
    free(raw);
}

struct chain {
    int num;
    char *paths[MAX_CHAIN];
    int parents[MAX_CHAIN];     /* -1: none */
    bool deleted[MAX_CHAIN];
    struct generated contents[MAX_CHAIN];
};

static void chain_make(struct chain *c, int num, struct rng *rng)
{
    struct guest *g = guest_new(rng_next(rng));
    char *raw = at("raw", -1);
    int i;

    memset(c, 0, sizeof(*c));
    c->num = num;
    for (i = 0; i < num; i++) {
        guest_run(g);
        generate_file(g, rng_next(rng), raw, &c->contents[i]);
        c->paths[i] = at("image", i);
        /* A chain most often, sometimes a tree. */
        c->parents[i] = i && rng_one_in(rng, 4) ? (int)rng_below(rng, i)
                                                : i - 1;
        must(!libxl_snapshot_memory_import(
            NULL, raw, c->paths[i],
            i ? c->paths[c->parents[i]] : NULL, i % 3, &how));
        unlink(raw);
    }
    free(raw);
    guest_free(g);
}

static void chain_free(struct chain *c)
{
    int i;

    for (i = 0; i < c->num; i++) {
        unlink(c->paths[i]);
        free(c->paths[i]);
        generated_free(&c->contents[i]);
    }
}

/* As a toolstack does it. */
static void chain_delete(struct chain *c, int which)
{
    int parent = c->parents[which], i;

    for (i = 0; i < c->num; i++) {
        if (c->deleted[i] || c->parents[i] != which)
            continue;
        must(!libxl_snapshot_memory_rebase(
            NULL, c->paths[i], parent < 0 ? NULL : c->paths[parent], 1, &how));
        c->parents[i] = parent;
    }
    must(!unlink(c->paths[which]));
    c->deleted[which] = true;
}

static void chain_holds(const struct chain *c)
{
    libxl_snapshot_memory_info info;
    int i;

    libxl_snapshot_memory_info_init(&info);
    for (i = 0; i < c->num; i++) {
        int parent = c->parents[i];

        if (c->deleted[i])
            continue;
        must(!libxl_snapshot_memory_verify(NULL, c->paths[i], &how));
        must_export(c->paths[i], &c->contents[i]);
        must(!libxl_snapshot_memory_get_info(NULL, c->paths[i], &how, &info));
        must(info.complete && info.content == c->contents[i].len);
        must(parent < 0 ? !info.parent
                        : !strcmp(info.parent, c->paths[parent]));
    }
    libxl_snapshot_memory_info_dispose(&info);
}

static void chains_merge_in_any_order(void **state)
{
    struct rng rng = rng_for(seed_given(), 1);
    int num, left, which;

    (void)state;
    for (num = 2; num <= MAX_CHAIN; num++) {
        struct chain c;

        chain_make(&c, num, &rng);
        chain_holds(&c);
        for (left = num; left > 1; left--) {
            do
                which = rng_below(&rng, num);
            while (c.deleted[which]);
            chain_delete(&c, which);
            chain_holds(&c);
        }
        chain_free(&c);
    }
}

/* Nothing is where something was to be made, not even half of it. */
static void must_leave_nothing(const char *path)
{
    char *half = xls_asprintf("%s.*", path);
    glob_t found;

    must(!is_there(path) && glob(half, 0, NULL, &found) == GLOB_NOMATCH);
    free(half);
}

static void what_is_damaged_makes_nothing(void **state)
{
    struct rng rng = rng_for(seed_given(), 2);
    char *raw = at("exported", -1);
    uint8_t *data, *after;
    size_t len, same;
    struct chain c;

    (void)state;
    chain_make(&c, 2, &rng);
    data = read_file(c.paths[0], &len);
    data[len / 2] ^= 1;
    write_file(c.paths[0], data, len);
    free(data);
    data = read_file(c.paths[1], &len);
    must(libxl_snapshot_memory_verify(NULL, c.paths[0], &how) ==
         ERROR_SNAPSHOT_IMAGE_CORRUPT);
    must(logged(c.paths[0]));
    must(libxl_snapshot_memory_export(NULL, c.paths[0], raw, &how) ==
         ERROR_SNAPSHOT_IMAGE_CORRUPT);
    must_leave_nothing(raw);
    /* It may or may not need what is damaged. */
    if (libxl_snapshot_memory_rebase(NULL, c.paths[1], NULL, 1, &how)) {
        after = read_file(c.paths[1], &same);
        must(same == len && !memcmp(after, data, len));
        free(after);
    } else {
        must_export(c.paths[1], &c.contents[1]);
    }
    chain_free(&c);
    free(data);
    free(raw);
}

static void what_is_no_whole_save_file_is_refused(void **state)
{
    struct rng rng = rng_for(seed_given(), 3);
    struct guest *g = guest_new(rng_next(&rng));
    char *raw = at("raw", -1), *image = at("image", -1);
    struct generated content;
    size_t len;

    (void)state;
    generate(g, rng_next(&rng), &content);
    for (len = 0; len < content.len; len += 1 + rng_below(&rng, content.len / 9)) {
        write_file(raw, content.data, len);
        must(libxl_snapshot_memory_import(NULL, raw, image, NULL, 1, &how) ==
             ERROR_SNAPSHOT_IMAGE_CORRUPT);
        must_leave_nothing(image);
        must(libxl_snapshot_memory_verify(NULL, raw, &how) ==
             ERROR_SNAPSHOT_IMAGE_CORRUPT);
    }
    write_file(raw, content.data, content.len);
    must(!libxl_snapshot_memory_verify(NULL, raw, &how));
    unlink(raw);
    generated_free(&content);
    guest_free(g);
    free(image);
    free(raw);
}

static int cancel(void *user, const libxl_snapshot_progress *progress)
{
    (void)user;
    (void)progress;
    return 1;
}

static void misuse_says_so_and_changes_nothing(void **state)
{
    const libxl_snapshot_how cancelling = { .logger = how.logger,
                                            .progress = cancel };
    struct rng rng = rng_for(seed_given(), 4);
    struct guest *g = guest_new(1);
    char *raw = at("raw", -1), *image = at("another", -1);
    char *exported = at("e", -1);
    struct generated content;
    struct chain c;

    (void)state;
    chain_make(&c, 3, &rng);
    generate_file(g, 1, raw, &content);

    must(libxl_snapshot_memory_import(NULL, raw, c.paths[0], NULL, 1, &how) ==
         ERROR_SNAPSHOT_EXISTS);
    must(libxl_snapshot_memory_export(NULL, c.paths[0], raw, &how) ==
         ERROR_SNAPSHOT_EXISTS);
    must(libxl_snapshot_memory_import(NULL, raw, image, NULL, 20, &how) ==
         ERROR_INVAL);
    must(libxl_snapshot_memory_import(NULL, raw, image, "/elsewhere/image", 1,
                                      &how) == ERROR_INVAL);
    must(libxl_snapshot_memory_import(NULL, raw, image, raw, 1, &how) ==
         ERROR_SNAPSHOT_IMAGE_CORRUPT);
    must(libxl_snapshot_memory_import(NULL, image, image, NULL, 1, &how) ==
         ERROR_SNAPSHOT_STORAGE);
    must(libxl_snapshot_memory_rebase(NULL, raw, NULL, 1, &how) ==
         ERROR_INVAL);
    /* Not one of those below it. */
    must(libxl_snapshot_memory_rebase(NULL, c.paths[0], c.paths[1], 1,
                                      &how) == ERROR_INVAL);
    must(libxl_snapshot_memory_export(NULL, c.paths[0], exported,
                                      &cancelling) == ERROR_ABORTED);
    must_leave_nothing(exported);
    must(libxl_snapshot_memory_rebase(NULL, c.paths[1], NULL, 1,
                                      &cancelling) == ERROR_ABORTED);
    chain_holds(&c);
    must_leave_nothing(image);

    unlink(image);
    unlink(raw);
    chain_free(&c);
    generated_free(&content);
    guest_free(g);
    free(exported);
    free(image);
    free(raw);
}

static void files_with_a_like_name_are_left_alone(void **state)
{
    struct rng rng = rng_for(seed_given(), 5);
    char *exported = at("e", -1), *theirs = xls_asprintf("%s.new", exported);
    char *image_theirs;
    struct chain c;
    uint8_t *data;
    size_t len;

    (void)state;
    chain_make(&c, 2, &rng);
    image_theirs = xls_asprintf("%s.new", c.paths[1]);
    write_file(theirs, "theirs", 6);
    write_file(image_theirs, "theirs", 6);
    must(!libxl_snapshot_memory_export(NULL, c.paths[1], exported, &how));
    must(libxl_snapshot_memory_export(NULL, c.paths[1], exported, &how) ==
         ERROR_SNAPSHOT_EXISTS);
    unlink(exported);
    must(!libxl_snapshot_memory_rebase(NULL, c.paths[1], NULL, 1, &how));
    data = read_file(theirs, &len);
    must(len == 6 && !memcmp(data, "theirs", 6));
    free(data);
    data = read_file(image_theirs, &len);
    must(len == 6 && !memcmp(data, "theirs", 6));
    free(data);
    unlink(theirs);
    unlink(image_theirs);
    chain_free(&c);
    free(theirs);
    free(image_theirs);
    free(exported);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_merge_in_any_order),
        cmocka_unit_test(what_is_damaged_makes_nothing),
        cmocka_unit_test(what_is_no_whole_save_file_is_refused),
        cmocka_unit_test(files_with_a_like_name_are_left_alone),
        cmocka_unit_test(misuse_says_so_and_changes_nothing),
    };

    how.logger = image_log.lg;
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
