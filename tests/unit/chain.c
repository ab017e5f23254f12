/* SPDX-License-Identifier: LGPL-2.1-only */
/* Chains out of what a QEMU of another version, or a hostile one, may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block/chain.h"
#include "common/alloc.h"
#include "xen/records.h"

/* Replies of QEMU, and what is made of them. */
struct fixture {
    struct xls_block_query query;
    struct xls_graph graph;
    struct xls_json *debug, *stats;
    libxl_disk_chain chain;
};

static int setup(void **state)
{
    struct fixture *f = xls_calloc(1, sizeof(*f));

    f->query.nodes = xls_json_array();
    f->graph.query = &f->query;
    libxl_disk_chain_init(&f->chain);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    xls_block_query_dispose(&f->query);
    xls_json_free(f->debug);
    xls_json_free(f->stats);
    libxl_disk_chain_dispose(&f->chain);
    free(f);
    return 0;
}

/* ' stands for ". */
static struct xls_json *json(const char *text)
{
    char *copy = xls_strdup(text), *p, *error = NULL;
    struct xls_json *v;

    for (p = copy; (p = strchr(p, '\'')); )
        *p = '"';
    v = xls_json_parse(copy, strlen(copy), &xls_json_limits_qmp, &error);
    if (!v)
        fail_msg("%s: %s", copy, error);
    free(copy);
    return v;
}

/* children: "name=node ..." gives the list that QEMU has since 10.1; NULL: no
 * list. */
static void node(struct fixture *f, const char *name, const char *driver,
                 const char *children)
{
    struct xls_json *o = xls_json_object(), *list = xls_json_array();
    char *copy = xls_strdup(children ? children : ""), *save = NULL, *word;
    char *file = xls_asprintf("/nonexistent/%s", name);

    xls_json_set_str(o, "node-name", name);
    xls_json_set_str(o, "drv", driver);
    xls_json_set_str(o, "file", file);
    for (word = strtok_r(copy, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        struct xls_json *item = xls_json_object();
        char *equals = strchr(word, '=');

        *equals = '\0';
        xls_json_set_str(item, "child", word);
        xls_json_set_str(item, "node-name", equals + 1);
        xls_json_append(list, item);
    }
    if (children)
        xls_json_set(o, "children", list);
    else
        xls_json_free(list);
    xls_json_append(f->query.nodes, o);
    free(file);
    free(copy);
}

static enum xls_chain_answer read_from(struct fixture *f, const char *stats)
{
    libxl_disk_chain_dispose(&f->chain);
    libxl_disk_chain_init(&f->chain);
    xls_json_free(f->stats);
    f->stats = json(stats);
    f->graph.debug = f->debug;
    return xls_chain_read(&f->graph, f->stats, &f->chain);
}

static void layer_is(const struct fixture *f, int i, int parent,
                     const char *child, const char *name, const char *filename)
{
    const libxl_disk_layer *l = &f->chain.layers[i];

    assert_true(i < f->chain.num_layers);
    assert_int_equal(l->parent, parent);
    if (child)
        assert_string_equal(l->child, child);
    else
        assert_null(l->child);
    assert_string_equal(l->node, name);
    if (filename)
        assert_string_equal(l->filename, filename);
    else
        assert_null(l->filename);
}

/* As QEMU opens a qdisk's image for a read-only disk or a CD-ROM. */
static void raw_on_read_only_storage_is_read_only(void **state)
{
    struct fixture *f = *state;

    node(f, "a", "raw", "file=af");
    xls_json_append(f->query.nodes, json(
        "{'node-name':'af','drv':'file','file':'/nonexistent/af','ro':true,"
        "'children':[]}"));
    assert_int_equal(read_from(f, "{'node-name':'a'}"), XLS_CHAIN_TOLD);
    assert_int_equal(f->chain.num_layers, 1);
    assert_true(f->chain.layers[0].read_only);
}

static void quorum_as_listed_since_10_1(void **state)
{
    struct fixture *f = *state;

    node(f, "q", "quorum", "children.0=a children.1=b");
    node(f, "a", "qcow2", "file=af backing=base");
    node(f, "b", "qcow2", "file=bf backing=base");
    node(f, "base", "raw", "file=basef");
    node(f, "af", "file", "");
    node(f, "bf", "file", "");
    node(f, "basef", "host_device", "");
    assert_int_equal(read_from(f, "{'node-name':'q'}"), XLS_CHAIN_TOLD);
    assert_int_equal(f->chain.num_layers, 5);
    layer_is(f, 0, -1, NULL, "q", NULL);
    layer_is(f, 1, 0, "children.0", "a", "/nonexistent/af");
    layer_is(f, 2, 1, "backing", "base", "/nonexistent/basef");
    layer_is(f, 3, 0, "children.1", "b", "/nonexistent/bf");
    layer_is(f, 4, 3, "backing", "base", "/nonexistent/basef");
    assert_int_equal(f->chain.layers[2].kind, LIBXL_DISK_LAYER_KIND_BLOCK);
}

static void quorum_by_the_debug_graph_before_that(void **state)
{
    struct fixture *f = *state;

    node(f, "f", "throttle", NULL);
    node(f, "q", "quorum", NULL);
    node(f, "a", "qcow2", NULL);
    node(f, "b", "raw", NULL);
    node(f, "af", "file", NULL);
    node(f, "bf", "nbd", NULL);
    assert_int_equal(read_from(f, "{'node-name':'f','parent':{'node-name':'q',"
                                  "'parent':{'node-name':'a'}},'backing':"
                                  "{'node-name':'q','parent':"
                                  "{'node-name':'a'}}}"),
                     XLS_CHAIN_ASK_DEBUG);
    f->debug = json("{'nodes':[{'id':1,'name':'q'},{'id':2,'name':'a'},"
                    "{'id':3,'name':'b'},{'id':4,'name':'af'},"
                    "{'id':5,'name':'bf'},{'id':6,'name':'f'}],"
                    "'edges':[{'parent':1,'child':2,'name':'children.0'},"
                    "{'parent':1,'child':3,'name':'children.1'},"
                    "{'parent':2,'child':4,'name':'file'},"
                    "{'parent':3,'child':5,'name':'file'}]}");
    assert_int_equal(read_from(f, "{'node-name':'f','parent':{'node-name':'q'},"
                                  "'backing':{'node-name':'q'}}"),
                     XLS_CHAIN_TOLD);
    assert_int_equal(f->chain.num_layers, 4);
    layer_is(f, 0, -1, NULL, "f", NULL);
    layer_is(f, 1, 0, "file", "q", NULL);
    layer_is(f, 2, 1, "children.0", "a", "/nonexistent/af");
    layer_is(f, 3, 1, "children.1", "b", "/nonexistent/bf");
    assert_int_equal(f->chain.layers[3].kind, LIBXL_DISK_LAYER_KIND_NBD);
}

static void storage_without_a_format_is_a_raw_layer(void **state)
{
    struct fixture *f = *state;

    node(f, "plain", "file", NULL);
    assert_int_equal(read_from(f, "{'node-name':'plain'}"), XLS_CHAIN_TOLD);
    layer_is(f, 0, -1, NULL, "plain", "/nonexistent/plain");
    assert_int_equal(f->chain.layers[0].format, LIBXL_DISK_FORMAT_RAW);
}

/* A format in a format's file: what is inside has the storage. */
static void file_that_has_children_is_a_layer(void **state)
{
    struct fixture *f = *state;

    node(f, "top", "qcow2", NULL);
    node(f, "part", "raw", NULL);
    node(f, "disk", "host_device", NULL);
    assert_int_equal(read_from(f, "{'node-name':'top','parent':{'node-name':"
                                  "'part','parent':{'node-name':'disk'}}}"),
                     XLS_CHAIN_TOLD);
    assert_int_equal(f->chain.num_layers, 2);
    layer_is(f, 0, -1, NULL, "top", NULL);
    layer_is(f, 1, 0, "file", "part", "/nonexistent/disk");
}

static void circles_end(void **state)
{
    struct fixture *f = *state;

    node(f, "a", "qcow2", "backing=b");
    node(f, "b", "qcow2", "backing=a");
    node(f, "self", "raw", "file=self");
    node(f, "q", "quorum", NULL);
    assert_int_equal(read_from(f, "{'node-name':'a'}"), XLS_CHAIN_TOO_LARGE);
    assert_int_equal(read_from(f, "{'node-name':'self'}"),
                     XLS_CHAIN_TOO_LARGE);
    f->debug = json("{'nodes':[{'id':1,'name':'q'}],'edges':["
                    "{'parent':1,'child':1,'name':'children.0'},"
                    "{'parent':1,'child':1,'name':'file'}]}");
    assert_int_equal(read_from(f, "{'node-name':'q'}"), XLS_CHAIN_TOO_LARGE);
}

/* Each of 60 nodes twice below the one above: 2^60 layers. */
static void layers_that_multiply_end(void **state)
{
    struct fixture *f = *state;
    char name[16], children[64];
    int i;

    for (i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        snprintf(children, sizeof(children), "children.0=n%d children.1=n%d",
                 i + 1, i + 1);
        node(f, name, "quorum", children);
    }
    node(f, "n60", "file", "");
    assert_int_equal(read_from(f, "{'node-name':'n0'}"), XLS_CHAIN_TOO_LARGE);
    assert_true(f->chain.num_layers <= XLS_CHAIN_MAX_LAYERS);
}

/* As many edges as a reply can hold, all of one node to itself: neither time
 * nor memory goes with it. */
static void edges_that_multiply_end(void **state)
{
    struct fixture *f = *state;
    struct xls_json *edges, *edge;
    int i;

    node(f, "q", "quorum", NULL);
    f->debug = json("{'nodes':[{'id':1,'name':'q'}]}");
    edges = xls_json_array();
    for (i = 0; i < 200000; i++) {
        edge = xls_json_set_str(xls_json_object(), "name", "children.0");
        xls_json_set_int(edge, "parent", 1);
        xls_json_append(edges, xls_json_set_int(edge, "child", 1));
    }
    xls_json_set(f->debug, "edges", edges);
    assert_int_equal(read_from(f, "{'node-name':'q'}"), XLS_CHAIN_TOO_LARGE);
    assert_int_equal(f->chain.num_layers, 0);
}

static void names_too_long_to_be_any_are_not_copied(void **state)
{
    struct fixture *f = *state;
    struct xls_json *o = xls_json_object();
    char *longest = xls_calloc(8193, 1), *longer = xls_calloc(8194, 1);

    memset(longest, 'x', 8192);
    memset(longer, 'x', 8193);
    xls_json_set_str(o, "node-name", "a");
    xls_json_set_str(o, "drv", "file");
    xls_json_set_str(o, "file", longer);
    xls_json_append(f->query.nodes, o);
    assert_int_equal(read_from(f, "{'node-name':'a'}"), XLS_CHAIN_TOLD);
    assert_null(f->chain.layers[0].filename);
    assert_null(f->chain.layers[0].spec);
    xls_chain_stat(&f->chain);
    xls_chain_check(NULL, &f->chain);
    assert_int_equal(f->chain.layers[0].num_mismatches, 1);
    xls_json_set_str(o, "file", longest);
    assert_int_equal(read_from(f, "{'node-name':'a'}"), XLS_CHAIN_TOLD);
    assert_string_equal(f->chain.layers[0].filename, longest);
    xls_json_set_str(o, "drv", longer);
    assert_int_equal(read_from(f, "{'node-name':'a'}"), XLS_CHAIN_TOO_LARGE);
    xls_json_set_str(o, "drv", "file");
    xls_json_append(f->query.nodes,
                    json("{'node-name':'b','drv':'raw','children':"
                         "[{'node-name':'a'}]}"));
    xls_json_set_str(f->query.nodes->u.list.items[1]->u.list.items[2]
                         ->u.list.items[0], "child", longer);
    assert_int_equal(read_from(f, "{'node-name':'b'}"), XLS_CHAIN_TOO_LARGE);
    free(longest);
    free(longer);
}

static void deep(struct fixture *f, int depth)
{
    char name[16], children[64];
    int i;

    xls_json_free(f->query.nodes);
    f->query.nodes = xls_json_array();
    for (i = 0; i < depth; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        snprintf(children, sizeof(children), "file=f%s%.0d",
                 i + 1 < depth ? " backing=n" : "",
                 i + 1 < depth ? i + 1 : 0);
        node(f, name, "qcow2", children);
    }
    node(f, "f", "file", "");
}

static void as_many_layers_as_are_allowed_and_no_more(void **state)
{
    struct fixture *f = *state;
    char *text;

    deep(f, XLS_CHAIN_MAX_LAYERS);
    assert_int_equal(read_from(f, "{'node-name':'n0'}"), XLS_CHAIN_TOLD);
    assert_int_equal(f->chain.num_layers, XLS_CHAIN_MAX_LAYERS);
    text = libxl_disk_chain_to_json(NULL, &f->chain);
    assert_non_null(text);
    free(text);
    /* Not as deep as that. */
    assert_null(libxl_disk_chain_to_nested_json(NULL, &f->chain));
    deep(f, XLS_CHAIN_MAX_LAYERS + 1);
    assert_int_equal(read_from(f, "{'node-name':'n0'}"), XLS_CHAIN_TOO_LARGE);
}

static void nested_json_is_as_deep_as_it_says(void **state)
{
    struct fixture *f = *state;
    const struct xls_json *at;
    struct xls_json *v;
    char *text, *error = NULL;
    int i;

    deep(f, 116);
    assert_int_equal(read_from(f, "{'node-name':'n0'}"), XLS_CHAIN_TOLD);
    assert_null(libxl_disk_chain_to_nested_json(NULL, &f->chain));
    deep(f, 115);
    assert_int_equal(read_from(f, "{'node-name':'n0'}"), XLS_CHAIN_TOLD);
    xls_chain_stat(&f->chain);
    xls_chain_check(NULL, &f->chain);
    assert_true(f->chain.layers[114].num_mismatches > 0);
    text = libxl_disk_chain_to_nested_json(NULL, &f->chain);
    assert_non_null(text);
    v = xls_json_parse(text, strlen(text), &xls_json_limits_qmp, &error);
    if (!v)
        fail_msg("%s", error);
    at = xls_json_get(v, "top");
    for (i = 0; i < 115; i++) {
        char *name = xls_asprintf("n%d", i);

        assert_string_equal(xls_json_get_str(at, "node"), name);
        assert_null(xls_json_get(at, "parent"));
        assert_null(xls_json_get(at, "children"));
        free(name);
        at = xls_json_get(at, "backing");
    }
    assert_null(at);
    xls_json_free(v);
    free(text);
    libxl_disk_chain_dispose(&f->chain);
    libxl_disk_chain_init(&f->chain);
    assert_null(libxl_disk_chain_to_nested_json(NULL, &f->chain));
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_from(f, "{}"), XLS_CHAIN_GONE);
    assert_int_equal(read_from(f, "[]"), XLS_CHAIN_GONE);
    assert_int_equal(read_from(f, "{'node-name':7}"), XLS_CHAIN_GONE);
    assert_int_equal(read_from(f, "{'node-name':'gone'}"), XLS_CHAIN_GONE);
    node(f, "a", "qcow2", "file=gone");
    assert_int_equal(read_from(f, "{'node-name':'a'}"), XLS_CHAIN_GONE);
    node(f, "b", "qcow2", "backing=gone");
    assert_int_equal(read_from(f, "{'node-name':'b'}"), XLS_CHAIN_GONE);
    xls_json_append(f->query.nodes, json("{'node-name':'c'}"));
    assert_int_equal(read_from(f, "{'node-name':'c'}"), XLS_CHAIN_GONE);
}

static void values_of_other_types_count_as_unknown(void **state)
{
    struct fixture *f = *state;
    const libxl_disk_layer *l;
    char *text;

    xls_json_append(f->query.nodes, json(
        "{'node-name':'a','drv':'qcow2','file':[],'ro':'yes','children':{},"
        "'image':{'virtual-size':-1,'actual-size':-5,'cluster-size':1.5,"
        "'dirty-flag':1,'backing-filename':{},'format-specific':[]}}"));
    assert_int_equal(read_from(f, "{'node-name':'a','backing':'b'}"),
                     XLS_CHAIN_TOLD);
    l = &f->chain.layers[0];
    assert_int_equal(l->virtual_size, 0);
    assert_int_equal(l->allocated_size, -1);
    assert_int_equal(l->cluster_size, 0);
    assert_false(l->read_only);
    assert_false(l->dirty);
    assert_null(l->spec);
    assert_null(l->backing_recorded);
    xls_chain_stat(&f->chain);
    xls_chain_check(NULL, &f->chain);
    text = libxl_disk_chain_to_nested_json(NULL, &f->chain);
    assert_non_null(text);
    free(text);
}

/* Any graph of a few nodes: it ends, and what it gives is a tree. */
static void random_graphs_give_trees(void **state)
{
    static const char *const drivers[] = { "qcow2", "raw", "quorum", "file" };
    static const char *const names[] = { "file", "backing", "children.0" };
    struct fixture *f = *state;
    unsigned seed = getpid();
    int round, i, k, told = 0;

    print_message("seed %u\n", seed);
    srand(seed);
    for (round = 0; round < 3000; round++) {
        int num = 1 + rand() % 6;

        xls_json_free(f->query.nodes);
        f->query.nodes = xls_json_array();
        for (i = 0; i < num; i++) {
            char text[200] = "", name[8];

            for (k = rand() % 3; k > 0; k--)
                snprintf(text + strlen(text), sizeof(text) - strlen(text),
                         "%s=n%d ", names[rand() % 3],
                         i + (rand() % 8 ? 1 : 0) + rand() % (num - i));
            snprintf(name, sizeof(name), "n%d", i);
            node(f, name, drivers[rand() % 4], text);
        }
        if (read_from(f, "{'node-name':'n0'}") != XLS_CHAIN_TOLD)
            continue;
        told++;
        xls_chain_stat(&f->chain);
        xls_chain_check(NULL, &f->chain);
        for (i = 0; i < f->chain.num_layers; i++) {
            libxl_disk_layer *l = &f->chain.layers[i];
            int children = 0;

            assert_true(l->parent < i && l->parent >= (i ? 0 : -1));
            assert_int_equal(!l->child, i == 0);
            assert_int_equal(!l->filename,
                             l->kind == LIBXL_DISK_LAYER_KIND_NONE);
            for (k = libxl_disk_chain_child(&f->chain, i, -1); k >= 0;
                 k = libxl_disk_chain_child(&f->chain, i, k)) {
                assert_true(k > i);
                children++;
            }
            if (l->kind == LIBXL_DISK_LAYER_KIND_NONE)
                assert_true(children > 0);
        }
        free(libxl_disk_chain_to_nested_json(NULL, &f->chain));
    }
    assert_true(told > 100);
}

static void children_are_walked_whatever_the_parents_are(void **state)
{
    struct fixture *f = *state;
    libxl_disk_layer *layers = xls_calloc(4, sizeof(*layers));
    int i;

    for (i = 0; i < 4; i++)
        libxl_disk_layer_init(&layers[i]);
    f->chain.layers = layers;
    f->chain.num_layers = 4;
    layers[1].parent = 1;
    layers[2].parent = 3;
    layers[3].parent = 2;
    assert_int_equal(libxl_disk_chain_child(&f->chain, -1, -1), 0);
    assert_int_equal(libxl_disk_chain_child(&f->chain, -1, 0), -1);
    assert_int_equal(libxl_disk_chain_child(&f->chain, 1, -1), -1);
    assert_int_equal(libxl_disk_chain_child(&f->chain, 2, -1), 3);
    assert_int_equal(libxl_disk_chain_child(&f->chain, 3, -1), -1);
    assert_int_equal(libxl_disk_chain_child(&f->chain, 99, -1), -1);
    assert_int_equal(libxl_disk_chain_child(&f->chain, -7, -1), -1);
}

static void params_of_xenstore_are_understood(void **state)
{
    const char *path;

    (void)state;
    assert_int_equal(xls_records_params_split("aio:/a:b", &path),
                     LIBXL_DISK_FORMAT_RAW);
    assert_string_equal(path, "/a:b");
    assert_int_equal(xls_records_params_split("qcow2:/x", &path),
                     LIBXL_DISK_FORMAT_QCOW2);
    assert_string_equal(path, "/x");
    assert_int_equal(xls_records_params_split("what:/x", &path),
                     LIBXL_DISK_FORMAT_UNKNOWN);
    assert_string_equal(path, "");
    assert_int_equal(xls_records_params_split("", &path),
                     LIBXL_DISK_FORMAT_UNKNOWN);
    assert_string_equal(path, "");
}

/* The number of mismatches of libxl's records, and one of their texts. */
static void records_say(struct fixture *f,
                        const struct xls_chain_records *records, int num,
                        const char *text)
{
    const libxl_disk_layer *top;
    int i, found = 0, said = 0;

    node(f, "a", "qcow2", "file=af");
    node(f, "af", "file", "");
    assert_int_equal(read_from(f, "{'node-name':'a'}"), XLS_CHAIN_TOLD);
    xls_chain_check(records, &f->chain);
    top = &f->chain.layers[0];
    for (i = 0; i < top->num_mismatches; i++)
        if (top->mismatches[i].kind == LIBXL_DISK_MISMATCH_KIND_RECORD) {
            found++;
            said += text && strstr(top->mismatches[i].text, text) != NULL;
        }
    assert_int_equal(found, num);
    assert_int_equal(said, num);
}

static void records_are_compared_with_the_top(void **state)
{
    struct fixture *f = *state;
    libxl_device_disk disk;
    struct xls_chain_records records = {
        .disk = &disk,
        .params = "qcow2:/nonexistent/af",
        .backend_params = "qcow2:/nonexistent/af",
    };

    libxl_device_disk_init(&disk);
    disk.pdev_path = xls_strdup("/nonexistent/af");
    disk.format = LIBXL_DISK_FORMAT_QCOW2;
    disk.readwrite = 1;
    records_say(f, &records, 0, NULL);
    records.params = "qcow2:/nonexistent/old";
    records_say(f, &records, 1, "/nonexistent/old");
    records.params = "aio:/nonexistent/af";
    records_say(f, &records, 1, "raw");
    records.params = "qcow2:/nonexistent/af";
    records.backend_params = NULL;
    records_say(f, &records, 1, "no file");
    records.backend_params = records.params;
    disk.readwrite = 0;
    records_say(f, &records, 1, "read-only");
    libxl_device_disk_dispose(&disk);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(raw_on_read_only_storage_is_read_only),
        TEST(quorum_as_listed_since_10_1),
        TEST(quorum_by_the_debug_graph_before_that),
        TEST(storage_without_a_format_is_a_raw_layer),
        TEST(file_that_has_children_is_a_layer),
        TEST(circles_end),
        TEST(layers_that_multiply_end),
        TEST(edges_that_multiply_end),
        TEST(names_too_long_to_be_any_are_not_copied),
        TEST(as_many_layers_as_are_allowed_and_no_more),
        TEST(nested_json_is_as_deep_as_it_says),
        TEST(what_makes_no_sense_is_refused),
        TEST(values_of_other_types_count_as_unknown),
        TEST(random_graphs_give_trees),
        TEST(children_are_walked_whatever_the_parents_are),
        TEST(params_of_xenstore_are_understood),
        TEST(records_are_compared_with_the_top),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
