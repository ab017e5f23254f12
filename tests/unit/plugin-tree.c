/* SPDX-License-Identifier: LGPL-2.1-only */
#include "plugin.h"

#include "store/tree.h"

/*
 * a -- b -- c
 *   \- d -- e
 * f
 */
struct fixture {
    char *root;
    struct store *st;
};

static void add(struct store *st, const char *name, const char *parent)
{
    xl_snapshot_record *rec = store_add(st, name);
    struct error e = { 0 };

    rec->parent = xls_strdup(parent);
    rec->created = st->num_records;
    assert_good(store_write(st, rec, &e), &e);
}

static int setup(void **state)
{
    struct fixture *f = xls_calloc(1, sizeof(*f));
    struct error e = { 0 };

    f->root = test_dir_make();
    assert_good(store_open(f->root, "web1", true, 0, &f->st, &e), &e);
    add(f->st, "a", "");
    add(f->st, "b", "a");
    add(f->st, "c", "b");
    add(f->st, "d", "a");
    add(f->st, "e", "d");
    add(f->st, "f", NULL);
    str_replace(&f->st->info.current, "e");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    store_close(f->st);
    test_dir_remove(f->root);
    free(f);
    return 0;
}

static void parent_is(struct store *st, const char *name, const char *parent)
{
    const xl_snapshot_record *rec = tree_parent(st, store_find(st, name));

    if (parent) {
        assert_non_null(rec);
        assert_string_equal(rec->name, parent);
    } else {
        assert_null(rec);
    }
}

static void hidden_snapshots_are_skipped(void **state)
{
    struct store *st = ((struct fixture *)*state)->st;

    parent_is(st, "c", "b");
    parent_is(st, "f", NULL);
    store_find(st, "d")->hidden = true;
    parent_is(st, "e", "a");
    store_find(st, "a")->hidden = true;
    parent_is(st, "e", NULL);
    parent_is(st, "b", NULL);
    store_find(st, "e")->hidden = true;
    assert_null(tree_visible(st, st->info.current));
    assert_null(tree_visible(st, "nowhere"));
    assert_null(tree_visible(st, ""));
}

static void taking_one_out_gives_its_children_to_its_parent(void **state)
{
    struct fixture *f = *state;
    struct error e = { 0 };
    struct store *st;

    assert_good(tree_take_out(f->st, "d", &e), &e);
    parent_is(f->st, "e", "a");
    assert_string_equal(f->st->info.current, "e");
    assert_good(tree_take_out(f->st, "e", &e), &e);
    assert_string_equal(f->st->info.current, "a");
    assert_good(tree_take_out(f->st, "a", &e), &e);
    parent_is(f->st, "b", NULL);
    assert_string_equal(f->st->info.current, "");

    assert_good(store_open(f->root, "web1", false, 0, &st, &e), &e);
    assert_true(str_none(store_find(st, "b")->parent));
    assert_true(str_none(st->info.current));
    store_close(st);
}

static void a_subtree_comes_children_first(void **state)
{
    struct store *st = ((struct fixture *)*state)->st;
    struct strings names = { 0 };
    int i, j;

    tree_subtree(st, "a", &names);
    assert_int_equal(names.num, 5);
    assert_false(strings_has(&names, "f"));
    for (i = 0; i < names.num; i++)
        for (j = 0; j < i; j++)
            assert_false(tree_is_above(st, names.v[j], names.v[i]));
    strings_free(&names);
    tree_subtree(st, "d", &names);
    assert_int_equal(names.num, 2);
    assert_string_equal(names.v[0], "e");
    assert_string_equal(names.v[1], "d");
    strings_free(&names);
}

static void chosen(struct store *st, const char *name, enum tree_range range,
                   const char *expected)
{
    struct strings names = { 0 };
    struct error e = { 0 };
    char text[32] = "";
    int i;

    assert_good(tree_choose(st, name, range, &names, &e), &e);
    for (i = 0; i < names.num; i++)
        strcat(text, names.v[i]);
    assert_string_equal(text, expected);
    strings_free(&names);
}

static void one_is_chosen_with_or_without_those_below_it(void **state)
{
    struct store *st = ((struct fixture *)*state)->st;
    struct strings names = { 0 };
    struct error e = { 0 };

    chosen(st, "d", TREE_ONE, "d");
    chosen(st, "d", TREE_WITH_BELOW, "ed");
    chosen(st, "d", TREE_BELOW, "e");
    chosen(st, "e", TREE_BELOW, "");
    /* A deleted one is only meant when it is named. */
    store_find(st, "d")->hidden = true;
    chosen(st, "a", TREE_BELOW, "ceb");
    chosen(st, "d", TREE_ONE, "d");
    assert_error(tree_choose(st, "nope", TREE_ONE, &names, &e), &e, "nope");
}

static void the_tree_is_drawn(void **state)
{
    struct store *st = ((struct fixture *)*state)->st;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    tree_print(st, out);
    fclose(out);
    assert_string_equal(text, "a\n"
                              "+-b\n"
                              "| +-c\n"
                              "+-d\n"
                              "  +-e *\n"
                              "f\n");
    free(text);
}

static void circles_and_lost_parents_end(void **state)
{
    struct store *st = ((struct fixture *)*state)->st;
    struct strings names = { 0 };
    FILE *out = fopen("/dev/null", "w");

    str_replace(&store_find(st, "a")->parent, "c");
    str_replace(&store_find(st, "f")->parent, "lost");
    parent_is(st, "f", NULL);
    tree_subtree(st, "b", &names);
    strings_free(&names);
    tree_print(st, out);
    store_find(st, "a")->hidden = true;
    store_find(st, "b")->hidden = true;
    store_find(st, "c")->hidden = true;
    assert_null(tree_visible(st, "a"));
    fclose(out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(hidden_snapshots_are_skipped),
        TEST(taking_one_out_gives_its_children_to_its_parent),
        TEST(a_subtree_comes_children_first),
        TEST(one_is_chosen_with_or_without_those_below_it),
        TEST(the_tree_is_drawn),
        TEST(circles_and_lost_parents_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
