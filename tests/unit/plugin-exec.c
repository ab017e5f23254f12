/* SPDX-License-Identifier: LGPL-2.1-only */
#include "plugin.h"

#include <sys/wait.h>

#include <libxlutil.h>

#include "xlcreate/rewrite.h"
#include "xlcreate/start_lock.h"

#define WORDS(...) \
    (int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)), \
    (const char *const[]){ __VA_ARGS__ }

static void takes(int num, const char *const words[], const char *file,
                  const char *extra)
{
    char *got_file, *got_extra;

    assert_true(create_words(num, words, &got_file, &got_extra));
    assert_string_equal(got_file, file);
    assert_string_equal(got_extra ? got_extra : "", extra);
    free(got_file);
    free(got_extra);
}

static void leaves(int num, const char *const words[])
{
    char *file, *extra;

    assert_false(create_words(num, words, &file, &extra));
    assert_null(file);
    assert_null(extra);
}

static void create_is_understood_as_xl_does(void **state)
{
    (void)state;
    takes(WORDS("create", "a.cfg"), "a.cfg", "");
    takes(WORDS("-v", "-f", "-vtT", "create", "a.cfg"), "a.cfg", "");
    takes(WORDS("create", "-c", "-V", "a.cfg", "-p"), "a.cfg", "");
    takes(WORDS("create", "-f", "a.cfg"), "a.cfg", "");
    takes(WORDS("create", "-fa.cfg", "memory=3"), "a.cfg", "memory=3\n");
    takes(WORDS("create", "--defconfig=a.cfg"), "a.cfg", "");
    takes(WORDS("create", "--defconfig", "a.cfg", "--quiet"), "a.cfg", "");
    takes(WORDS("create", "a.cfg", "x=1", "y='2 3'"), "a.cfg",
          "x=1\ny='2 3'\n");
}

static void what_xl_would_refuse_is_left_to_xl(void **state)
{
    (void)state;
    leaves(WORDS("create"));
    leaves(WORDS("create", "name=x"));
    leaves(WORDS("create", "a.cfg", "b.cfg"));
    leaves(WORDS("create", "--help"));
    leaves(WORDS("create", "-Z", "a.cfg"));
    leaves(WORDS("create", "a.cfg", "-f"));
    leaves(WORDS("-X", "create", "a.cfg"));
}

static void becomes(const char *spec, const char *wanted)
{
    char *made = disk_spec_rewrite(spec, "/n,e=w.qcow2",
                                   LIBXL_DISK_FORMAT_QCOW2);

    if (!made)
        fail_msg("\"%s\" is not rewritten", spec);
    assert_string_equal(made, wanted);
    free(made);
}

static void stays(const char *spec)
{
    assert_null(disk_spec_rewrite(spec, "/new", LIBXL_DISK_FORMAT_QCOW2));
}

static void disk_specifications_keep_all_but_the_image(void **state)
{
    (void)state;
    becomes("/a.img,raw,xvda,w",
            "format=qcow2,access=w,vdev=xvda,target=/n,e=w.qcow2");
    becomes("/a.img,,xvda", "format=qcow2,vdev=xvda,target=/n,e=w.qcow2");
    becomes("/a.img,raw,xvda,ro,discard,script=",
            "format=qcow2,discard,script=,access=ro,vdev=xvda,"
            "target=/n,e=w.qcow2");
    becomes(" /a.img, raw, xvda, rw",
            "format=qcow2,access=rw,vdev=xvda,target=/n,e=w.qcow2");
    becomes("format=raw, vdev=xvda, access=rw, target=/a, b=c.img",
            "format=qcow2,access=rw,vdev=xvda,target=/n,e=w.qcow2");
    becomes("vdev=xvda,backendtype=qdisk,direct-io-safe,no-discard,"
            "target=/a.img",
            "format=qcow2,backendtype=qdisk,direct-io-safe,no-discard,"
            "vdev=xvda,target=/n,e=w.qcow2");
    becomes("file:/a.img,xvda,w",
            "format=qcow2,access=w,vdev=xvda,target=/n,e=w.qcow2");
    becomes("tap:aio:/a.img,xvda,w",
            "format=qcow2,access=w,vdev=xvda,target=/n,e=w.qcow2");
    becomes("/a.img,raw,hda:disk,w",
            "format=qcow2,access=w,vdev=hda,target=/n,e=w.qcow2");
}

static void disks_that_cannot_be_replaced_stay(void **state)
{
    (void)state;
    stays("/a.iso,raw,hdc:cdrom,r");
    stays("/a.iso,raw,hdc,r,cdrom");
    stays("iscsi:/a,xvda,w");
    stays("/a.img,raw,xvda,w,script=block-x");
    stays("/dev/x,raw,xvda,w,backendtype=phy");
    stays("/a.img,nonsense,xvda,w");
    stays("");
}

static struct store *make_store(const char *root)
{
    xl_snapshot_domain_disk *d;
    struct error e = { 0 };
    struct store *st;

    assert_good(store_open(root, "web1", true, 0, &st, &e), &e);
    d = store_disk_add(st, "xvda");
    d->config_path = xls_strdup("/i/a.qcow2");
    d->top_path = xls_strdup("/i/a.qcow2");
    d->config_format = d->top_format = LIBXL_DISK_FORMAT_QCOW2;
    d = store_disk_add(st, "xvdb");
    d->config_path = xls_strdup("/i/b's\\.raw");
    d->config_format = LIBXL_DISK_FORMAT_RAW;
    d->top_path = xls_strdup("/i/b's\\.raw.active.qcow2");
    d->top_format = LIBXL_DISK_FORMAT_QCOW2;
    return st;
}

/* xl must read from the word what was meant. */
static void check_word(const char *word, int num, const char *const wanted[])
{
    XLU_Config *config = xlu_cfg_init(stderr, "test");
    XLU_ConfigList *list;
    int i, entries;

    assert_int_equal(xlu_cfg_readdata(config, word, strlen(word)), 0);
    assert_int_equal(xlu_cfg_get_list(config, "disk", &list, &entries, 0), 0);
    assert_int_equal(entries, num);
    for (i = 0; i < num; i++)
        assert_string_equal(xlu_cfg_get_listitem(list, i), wanted[i]);
    xlu_cfg_destroy(config);
}

static void a_raw_disk_starts_on_its_overlay(void **state)
{
    const char *text = "name='web1'\n"
        "disk=['/i/a.qcow2,qcow2,xvda,w', '/i/b\\'s\\\\.raw,raw,xvdb,w',\n"
        "      '/i/c.iso,raw,hdc:cdrom,r']\n";
    const char *const wanted[] = {
        "/i/a.qcow2,qcow2,xvda,w",
        "format=qcow2,access=w,vdev=xvdb,target=/i/b's\\.raw.active.qcow2",
        "/i/c.iso,raw,hdc:cdrom,r",
    };
    char *root = test_dir_make(), *word, *whole;
    struct store *st = make_store(root);
    struct strings notes = { 0 };

    (void)state;
    word = disk_assignment(text, st, &notes);
    assert_non_null(word);
    assert_int_equal(notes.num, 1);
    assert_non_null(strstr(notes.v[0], "xvdb"));
    check_word(word, 3, wanted);
    whole = xls_asprintf("%s\n%s\n", text, word);
    check_word(whole, 3, wanted);
    free(whole);
    free(word);
    strings_free(&notes);
    store_close(st);
    test_dir_remove(root);
}

static void unchanged(const struct store *st, const char *text)
{
    struct strings notes = { 0 };

    assert_null(disk_assignment(text, st, &notes));
    strings_free(&notes);
}

static void other_configurations_stay_as_they_are(void **state)
{
    char *root = test_dir_make();
    struct store *st = make_store(root);

    (void)state;
    unchanged(st, "");
    unchanged(st, "disk=");
    unchanged(st, "disk='/i/b,raw,xvdb,w'\n");
    unchanged(st, "disk=['/i/a.qcow2,qcow2,xvda,w']\n");
    unchanged(st, "disk=['/other,raw,xvdb,w']\n");
    unchanged(st, "disk=['/i/b\\'s\\\\.raw.active.qcow2,qcow2,xvdb,w']\n");
    unchanged(st, "disk=['garbage']\n");
    store_close(st);
    test_dir_remove(root);
}

static void obstructed(const char *root, const char *text, const char *by)
{
    char *why = start_obstacle(text, root);

    if (!by)
        assert_null(why);
    else if (!why || !strstr(why, by))
        fail_msg("%s: \"%s\"", text, why ? why : "");
    free(why);
}

static void a_start_that_would_write_a_frozen_layer_is_refused(void **state)
{
    char *root = test_dir_make();
    struct store *st = make_store(root);
    xl_snapshot_record *rec = store_add(st, "s1");
    struct error e = { 0 };
    xl_snapshot_disk *d;

    (void)state;
    d = record_disk_add(rec, "xvdb");
    d->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    d->layer_path = xls_strdup("/i/b's\\.raw");
    d = record_disk_add(rec, "xvda");
    d->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    d->layer_path = xls_strdup("/i/a.qcow2.s1");
    assert_good(store_write(st, rec, &e), &e);
    assert_good(store_write_info(st, &e), &e);
    store_close(st);

    obstructed(root, "disk=['/i/a.qcow2.s1,qcow2,xvda,w']\n", "/i/a.qcow2 in");
    obstructed(root, "disk=['/i/b\\'s\\\\.raw,raw,xvdb,w']\n", "s1 of web1");
    obstructed(root, "disk=['/x,raw,xvda,w','/i/a.qcow2.s1,qcow2,xvdb,w']\n",
               "xvdb");
    obstructed(root, "disk=['/i/a.qcow2.s1,qcow2,xvda,r']\n", NULL);
    obstructed(root, "disk=['/i/a.qcow2,qcow2,xvda,w']\n", NULL);
    obstructed(root, "disk=['/i/b\\'s\\\\.raw.active.qcow2,qcow2,xvdb,w']\n",
               NULL);
    obstructed(root, "name='x'\n", NULL);
    /* What is given last counts, as for xl. */
    obstructed(root, "disk=['/i/a.qcow2.s1,qcow2,xvda,w']\n"
               "disk=['/i/a.qcow2,qcow2,xvda,w']\n", NULL);
    test_dir_remove(root);
}

static bool is_locked(const char *root)
{
    struct error e = { 0 };
    struct store *st;
    bool locked = store_open(root, "web1", true, 0, &st, &e) != 0;

    error_clear(&e);
    store_close(st);
    return locked;
}

/* Stands for xl: it has none of the lock, and its caller's pipe closes. */
static void the_lock_is_held_until_what_was_started_ends(void **state)
{
    char *root = test_dir_make();
    struct error e = { 0 };
    int ends[2], tries;
    struct store *st;
    char byte;
    pid_t pid;

    (void)state;
    store_close(make_store(root));
    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        dup2(ends[1], 1);
        close(ends[1]);
        if (store_open(root, "web1", true, 5, &st, &e))
            _exit(1);
        start_lock_hold(st->lock, "web1");
        execl("/bin/sh", "sh", "-c", "for f in /proc/$$/fd/*; do "
              "readlink $f | grep -q /lock && exit 3; done; echo; exec >&-; "
              "sleep 2; exit 7", NULL);
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    assert_true(is_locked(root));
    assert_int_equal(waitpid(pid, &tries, 0), pid);
    assert_true(WIFEXITED(tries) && WEXITSTATUS(tries) == 7);
    for (tries = 0; tries < 50 && is_locked(root); tries++)
        usleep(100000);
    assert_false(is_locked(root));
    test_dir_remove(root);
}

static void the_name_is_found(void **state)
{
    char *name = config_name("a=1\nname = \"web 1\"\n\nname='web2'\n");

    (void)state;
    assert_string_equal(name, "web2");
    free(name);
    assert_null(config_name("x=1\n"));
    assert_null(config_name("name=[\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_is_understood_as_xl_does),
        cmocka_unit_test(what_xl_would_refuse_is_left_to_xl),
        cmocka_unit_test(disk_specifications_keep_all_but_the_image),
        cmocka_unit_test(disks_that_cannot_be_replaced_stay),
        cmocka_unit_test(a_raw_disk_starts_on_its_overlay),
        cmocka_unit_test(other_configurations_stay_as_they_are),
        cmocka_unit_test(the_name_is_found),
        cmocka_unit_test(a_start_that_would_write_a_frozen_layer_is_refused),
        cmocka_unit_test(the_lock_is_held_until_what_was_started_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
