/* SPDX-License-Identifier: LGPL-2.1-only */
#include "plugin.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "store/files.h"
#include "store/outside.h"
#include "store/store.h"

struct fixture {
    char *dir, *root;
};

static int setup(void **state)
{
    struct fixture *f = xls_calloc(1, sizeof(*f));

    f->dir = test_dir_make();
    f->root = xls_asprintf("%s/snapshots", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    test_dir_remove(f->dir);
    free(f->root);
    free(f);
    return 0;
}

static struct store *open_store(struct fixture *f, bool change)
{
    struct error e = { 0 };
    struct store *st;

    assert_good(store_open(f->root, "web1", change, 0, &st, &e), &e);
    return st;
}

static void add(struct store *st, const char *name, const char *parent,
                uint64_t created)
{
    xl_snapshot_record *rec = store_add(st, name);
    struct error e = { 0 };
    xl_snapshot_disk *d;

    rec->parent = xls_strdup(parent);
    rec->created = created;
    rec->config = xls_strdup("{\"c_info\": \"\\u0001 \xc3\xa4\"}");
    d = record_disk_add(rec, "xvda");
    d->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    d->layer_path = xls_asprintf("/images/a.%s", name);
    d->layer_format = LIBXL_DISK_FORMAT_QCOW2;
    assert_good(store_write(st, rec, &e), &e);
}

static void put(struct fixture *f, const char *name, const char *text)
{
    char *path = xls_asprintf("%s/web1/%s", f->root, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    free(path);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void open_fails(struct fixture *f, const char *why)
{
    struct error e = { 0 };
    struct store *st;

    assert_error(store_open(f->root, "web1", false, 0, &st, &e), &e, why);
    assert_null(st);
}

static void what_is_written_is_read_back(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, true);
    struct error e = { 0 };

    add(st, "b", "a", 20);
    add(st, "a", NULL, 10);
    store_add_uuid(st, "u1");
    store_add_uuid(st, "u2");
    store_add_uuid(st, "u1");
    str_replace(&st->info.current, "b");
    store_disk_add(st, "xvda")->top_path = xls_strdup("/images/a");
    store_disk_add(st, "xvdb")->top_path = xls_strdup("nbd://host/b");
    assert_good(store_write_info(st, &e), &e);
    store_close(st);

    st = open_store(f, false);
    assert_true(st->known);
    assert_int_equal(st->num_records, 2);
    assert_string_equal(st->records[0]->name, "a");
    assert_string_equal(st->records[1]->name, "b");
    assert_string_equal(st->records[1]->parent, "a");
    assert_string_equal(st->records[1]->config,
                        "{\"c_info\": \"\\u0001 \xc3\xa4\"}");
    assert_string_equal(record_disk(st->records[1], "xvda")->layer_path,
                        "/images/a.b");
    assert_null(record_disk(st->records[1], "xvdb"));
    assert_string_equal(st->info.current, "b");
    assert_int_equal(st->info.num_uuids, 2);
    assert_string_equal(st->info.uuids[1], "u1");
    assert_string_equal(store_disk(st, "xvda")->top_path, "/images/a");
    assert_string_equal(store_disk(st, "xvdb")->top_path, "nbd://host/b");
    store_close(st);
}

static void snapshot_names_do_not_collide_with_own_files(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, true);
    struct error e = { 0 };

    assert_good(store_write_info(st, &e), &e);
    add(st, "domain", NULL, 1);
    add(st, "domain.json", NULL, 2);
    add(st, "lock", NULL, 3);
    add(st, "x.snapshot.json", NULL, 4);
    add(st, "x.mem", NULL, 5);
    store_close(st);
    st = open_store(f, false);
    assert_int_equal(st->num_records, 5);
    store_close(st);
}

static unsigned mode_of(struct fixture *f, const char *name)
{
    char *path = xls_asprintf("%s%s", f->root, name);
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    free(path);
    return st.st_mode & 0777;
}

static void nobody_else_can_read_it(void **state)
{
    struct fixture *f = *state;
    mode_t before = umask(0);
    struct store *st = open_store(f, true);
    struct error e = { 0 };

    add(st, "a", NULL, 1);
    assert_good(store_write_info(st, &e), &e);
    store_close(st);
    umask(before);
    assert_int_equal(mode_of(f, ""), 0700);
    assert_int_equal(mode_of(f, "/web1"), 0700);
    assert_int_equal(mode_of(f, "/web1/a.snapshot.json"), 0600);
    assert_int_equal(mode_of(f, "/web1/domain.json"), 0600);
    assert_int_equal(mode_of(f, "/web1/lock"), 0600);
}

static void symlinks_are_not_followed(void **state)
{
    struct fixture *f = *state;
    char *there = xls_asprintf("%s/web1", f->root);
    char *other = xls_asprintf("%s/elsewhere", f->dir);
    char *record = xls_asprintf("%s/web1/a.snapshot.json", f->root);
    struct error e = { 0 };
    struct store *st;

    assert_int_equal(mkdir(f->root, 0700), 0);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_int_equal(symlink(other, there), 0);
    open_fails(f, "is not a directory");
    assert_error(store_open(f->root, "web1", true, 0, &st, &e), &e,
                 "is not a directory");

    assert_int_equal(unlink(there), 0);
    store_close(open_store(f, true));
    assert_int_equal(symlink("/etc/passwd", record), 0);
    open_fails(f, "is a symlink");
    free(record);
    free(other);
    free(there);
}

static void directories_of_others_are_not_trusted(void **state)
{
    struct fixture *f = *state;
    char *there = xls_asprintf("%s/web1", f->root);

    store_close(open_store(f, true));
    assert_int_equal(chmod(there, 0770), 0);
    open_fails(f, "can be written by others");
    assert_int_equal(chmod(there, 0700), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(there, 1, 1), 0);
        open_fails(f, "belongs to user 1");
    }
    free(there);
}

static void damaged_files_are_named_and_kept(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        { "", "a.snapshot.json is damaged" },
        { "{", "a.snapshot.json is damaged" },
        { "[]", "format_version is missing" },
        { "{\"format_version\": \"1\"}", "format_version is missing" },
        { "{\"format_version\": 2, \"new\": 3}", "has format_version 2" },
        { "{\"format_version\": 1, \"name\": \"a\", \"nmae\": 1}", "nmae" },
        { "{\"format_version\": 1, \"name\": \"b\"}", "does not match" },
        { "{\"format_version\": 1, \"name\": \"a\", \"parent\": \"../x\"}",
          "parent is no name" },
        { "{\"format_version\": 1, \"name\": \"a\", \"disks\": [{\"vdev\": "
          "\"xvda\", \"layer_path\": \"nbd:x\"}]}", "not absolute" },
        { "{\"format_version\": 1, \"name\": \"a\", \"disks\": [{\"vdev\": "
          "\"xvda\", \"method\": \"extern\"}]}", "disks[0].method" },
        { "{\"format_version\": 1, \"name\": \"a\", \"disks\": [{\"vdev\": "
          "\"xvda\", \"layer_path\": \"/x\", \"internal_name\": \"a,b\"}]}",
          "internal_name" },
    };
    struct fixture *f = *state;
    size_t i;

    store_close(open_store(f, true));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put(f, "a.snapshot.json", bad[i].text);
        open_fails(f, bad[i].why);
        mode_of(f, "/web1/a.snapshot.json");
    }
}

static void paths_that_a_killed_command_noted_are_distrusted(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        { "\"writing\": \"a\"", "writing is not absolute: \"a\"" },
        { "\"merged\": {\"from\": \"nbd:x\", \"to\": \"/b\"}",
          "from is not absolute: \"nbd:x\"" },
        { "\"merged\": {\"from\": \"/a\"}", "to is not absolute" },
    };
    struct fixture *f = *state;
    size_t i;

    store_close(open_store(f, true));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *text = xls_asprintf("{\"format_version\": 1, \"name\": \"web1\""
                                  ", %s}", bad[i].text);

        put(f, "domain.json", text);
        open_fails(f, bad[i].why);
        free(text);
    }
}

static void a_file_half_written_is_not_seen(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, true);
    struct error e = { 0 };

    add(st, "a", NULL, 1);
    put(f, ".a.snapshot.json.new", "{\"format_ver");
    store_close(st);
    st = open_store(f, true);
    assert_int_equal(st->num_records, 1);
    str_replace(&st->records[0]->description, "again");
    assert_good(store_write(st, st->records[0], &e), &e);
    store_close(st);
    st = open_store(f, false);
    assert_string_equal(st->records[0]->description, "again");
    store_close(st);
}

/* Killed at any moment, a writer leaves the old text or the new one. */
static void a_killed_writer_leaves_a_whole_file(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, true);
    struct error e = { 0 };
    int round;

    add(st, "a", NULL, 1);
    store_close(st);
    for (round = 0; round < 30; round++) {
        pid_t pid = fork();

        if (pid == 0) {
            st = open_store(f, true);
            for (;;)
                if (store_write(st, st->records[0], &e))
                    _exit(1);
        }
        usleep(1000 + 700 * round);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        st = open_store(f, true);
        assert_int_equal(st->num_records, 1);
        store_close(st);
    }
}

static void a_second_command_is_told_who_is_busy(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, true), *second;
    char *me = xls_asprintf("process %d", getpid());
    struct error e = { 0 };

    assert_error(store_open(f->root, "web1", true, 0, &second, &e), &e, me);
    second = open_store(f, false);
    store_close(second);
    store_close(st);
    store_close(open_store(f, true));
    free(me);
}

static void an_unknown_domain_is_an_empty_store(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, false);
    struct strings names = { 0 };
    struct error e = { 0 };

    assert_int_equal(st->dir, -1);
    assert_int_equal(st->num_records, 0);
    store_close(st);
    assert_int_equal(access(f->root, F_OK), -1);
    assert_good(store_domains(f->root, &names, &e), &e);
    assert_int_equal(names.num, 0);

    store_close(open_store(f, true));
    assert_good(store_domains(f->root, &names, &e), &e);
    assert_int_equal(names.num, 1);
    assert_string_equal(names.v[0], "web1");
    strings_free(&names);
}

static void a_missing_snapshot_is_answered_with_those_there_are(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, true);
    struct error e = { 0 };

    add(st, "a", NULL, 1);
    add(st, "b", NULL, 2);
    add(st, "gone", NULL, 3);
    store_find(st, "gone")->hidden = true;
    assert_non_null(store_must_find(st, "a", &e));
    assert_null(store_must_find(st, "gone", &e));
    assert_error(-1, &e, "it has: a, b");
    store_close(st);
}

static bool has(struct fixture *f, const char *name)
{
    char *path = xls_asprintf("%s/web1/%s", f->root, name);
    bool is = !access(path, F_OK);

    free(path);
    return is;
}

static void memory_files_half_made_are_swept(void **state)
{
    static const char *const half[] = { "a.mem.xls-new-0123abcd",
                                        ".a.mem.new.xls-new-89abcdef",
                                        "b.xls-new-1.mem.xls-new-0123abcd",
                                        "a.mem.new", ".a.mem.new",
                                        ".a.mem.new.new" };
    static const char *const whole[] = { "a.mem", "a.mem.xls-new-0123abcdx",
                                         "xls-new-01.mem", "b.xls-new-12",
                                         "a.mem.new.mem", "a.new",
                                         "a.mem.new.snapshot.json.x" };
    struct fixture *f = *state;
    struct store *st = open_store(f, true);
    struct error e = { 0 };
    size_t i;

    for (i = 0; i < sizeof(half) / sizeof(half[0]); i++)
        put(f, half[i], "half");
    for (i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        put(f, whole[i], "whole");
    assert_good(store_sweep(st, &e), &e);
    for (i = 0; i < sizeof(half) / sizeof(half[0]); i++)
        assert_false(has(f, half[i]));
    for (i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        assert_true(has(f, whole[i]));
    store_close(st);
}

static void new_memory_takes_the_place_of_the_old(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, true);
    struct error e = { 0 };
    char *path, *text;
    size_t len;

    add(st, "a", NULL, 1);
    str_replace(&st->records[0]->memory_path, "/old");
    assert_null(store_find_memory(st, "/old"));
    st->records[0]->memory = true;
    assert_ptr_equal(store_find_memory(st, "/old"), st->records[0]);
    path = store_memory_path(st, "a");
    str_replace(&st->records[0]->memory_path, path);
    free(path);
    put(f, "a.mem", "old");
    put(f, ".a.mem.new", "left over");
    assert_good(store_new_memory(st, st->records[0], &path, &e), &e);
    assert_int_equal(access(path, F_OK), -1);
    put(f, strrchr(path, '/') + 1, "new");
    assert_good(store_take_new_memory(st, st->records[0], path, &e), &e);
    assert_good(store_file_read(st->dir, st->path, "a.mem", &text, &len, &e),
                &e);
    assert_string_equal(text, "new");
    assert_error(store_take_new_memory(st, st->records[0], path, &e), &e,
                 "cannot rename");
    free(text);
    free(path);
    store_close(st);
}

/* A file of the user's choice, in a directory that is root's. */
static void memory_is_kept_outside_of_the_store(void **state)
{
    struct fixture *f = *state;
    char *dir = xls_asprintf("%s/elsewhere", f->dir), *temp, *other;
    char *path = xls_asprintf("%s/m", dir), *in_store;
    struct store *st = open_store(f, true);
    struct error e = { 0 };

    assert_error(memory_outside_check(st, path, &e), &e, "no directory");
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_good(memory_outside_check(st, path, &e), &e);
    assert_error(memory_outside_check(st, "m", &e), &e, "no absolute path");
    in_store = store_memory_path(st, "a");
    assert_error(memory_outside_check(st, in_store, &e), &e, "of the store");
    assert_int_equal(chmod(dir, 0770), 0);
    assert_error(memory_outside_check(st, path, &e), &e, "not trusted");
    assert_int_equal(chmod(dir, 0700), 0);

    add(st, "a", NULL, 1);
    st->records[0]->memory = true;
    str_replace(&st->records[0]->memory_path, path);
    /* What is begun is beside it, and swept when it is left there. */
    assert_good(store_new_memory(st, st->records[0], &temp, &e), &e);
    assert_int_equal(strncmp(temp, path, strlen(path)), 0);
    write_file(temp, "\211XLSMEM\nsome");
    assert_good(store_take_new_memory(st, st->records[0], temp, &e), &e);
    assert_int_equal(access(temp, F_OK), -1);
    assert_error(memory_outside_check(st, path, &e), &e, "exists already");
    write_file(temp, "half");
    other = xls_asprintf("%s/n.xls-new-00000000", dir);
    write_file(other, "another's");
    assert_good(store_sweep(st, &e), &e);
    assert_int_equal(access(temp, F_OK), -1);
    assert_int_equal(access(other, F_OK), 0);

    assert_good(store_remove_memory(st, st->records[0], &e), &e);
    assert_int_equal(access(path, F_OK), -1);
    assert_good(store_remove_memory(st, st->records[0], &e), &e);
    /* Another file that is there by now is nobody's memory. */
    write_file(path, "letters");
    assert_error(store_remove_memory(st, st->records[0], &e), &e,
                 "not the memory");
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    assert_int_equal(symlink(other, path), 0);
    assert_error(store_remove_memory(st, st->records[0], &e), &e,
                 "not the memory");
    assert_int_equal(access(other, F_OK), 0);
    store_close(st);
    free(dir);
    free(path);
    free(temp);
    free(other);
    free(in_store);
}

static void a_renamed_record_keeps_its_place_in_the_tree(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, true);
    struct error e = { 0 };

    add(st, "a", NULL, 10);
    add(st, "b", "a", 20);
    str_replace(&st->info.current, "a");
    store_find(st, "a")->hidden = true;
    assert_good(store_rename(st, "a", "a.deleted.1", &e), &e);
    assert_null(store_find(st, "a"));
    store_close(st);

    st = open_store(f, false);
    assert_int_equal(st->num_records, 2);
    assert_null(store_find(st, "a"));
    assert_true(store_find(st, "a.deleted.1")->hidden);
    assert_int_equal(store_find(st, "a.deleted.1")->created, 10);
    assert_string_equal(record_disk(store_find(st, "a.deleted.1"),
                                    "xvda")->layer_path, "/images/a.a");
    assert_string_equal(store_find(st, "b")->parent, "a.deleted.1");
    assert_string_equal(st->info.current, "a.deleted.1");
    store_close(st);
}

/* As if the process ended before or after the directory's rename. */
static void is_the_same_under(struct fixture *f, const char *name,
                              bool change)
{
    struct error e = { 0 };
    struct store *st;
    char *memory;

    assert_good(store_open(f->root, name, change, 0, &st, &e), &e);
    assert_int_equal(st->num_records, 2);
    assert_string_equal(st->info.name, change ? name : st->info.name);
    memory = store_memory_path(st, "a");
    assert_string_equal(store_find(st, "a")->memory_path, memory);
    assert_int_equal(access(memory, F_OK), 0);
    assert_string_equal(store_find(st, "b")->memory_path, "/elsewhere/b.mem");
    free(memory);
    store_close(st);
}

static void a_store_follows_a_rename(void **state)
{
    static const char *const names[] = { "web 2/\xc3\xa4%", "web3" };
    struct fixture *f = *state;
    struct error e = { 0 };
    struct store *st = open_store(f, true), *other;
    char *line;

    add(st, "a", "", 10);
    add(st, "b", "a", 20);
    store_find(st, "a")->memory = store_find(st, "b")->memory = true;
    store_find(st, "a")->memory_path = store_memory_path(st, "a");
    store_find(st, "b")->memory_path = xls_strdup("/elsewhere/b.mem");
    put(f, "a.mem", "memory");
    assert_good(store_write(st, store_find(st, "a"), &e), &e);
    assert_good(store_write(st, store_find(st, "b"), &e), &e);
    assert_good(store_write_info(st, &e), &e);

    /* Not onto another's, but what is left of an empty one goes. */
    assert_good(store_open(f->root, "web4", true, 0, &other, &e), &e);
    add(other, "x", "", 1);
    assert_good(store_write_info(other, &e), &e);
    store_close(other);
    assert_error(store_move(st, "web4", &e), &e, "web4");
    assert_good(store_open(f->root, names[0], true, 0, &other, &e), &e);
    assert_good(store_write_info(other, &e), &e);
    store_close(other);
    assert_good(store_move(st, names[0], &e), &e);
    assert_string_equal(st->domain, names[0]);
    store_close(st);
    is_the_same_under(f, names[0], false);
    is_the_same_under(f, names[0], true);
    st = open_store(f, false);
    assert_int_equal(st->num_records, 0);
    store_close(st);

    /* Killed before the directory has its new name, and after. */
    assert_good(store_open(f->root, names[0], true, 0, &st, &e), &e);
    str_replace(&st->info.moving, names[1]);
    assert_good(store_write_info(st, &e), &e);
    store_close(st);
    is_the_same_under(f, names[0], false);
    line = xls_asprintf("cd '%s' && mv web%%20* web3", f->root);
    assert_int_equal(system(line), 0);
    free(line);
    is_the_same_under(f, names[1], false);
    is_the_same_under(f, names[1], true);
    is_the_same_under(f, names[1], false);
}

/* The moved one stays web1's; web2's is as it was. */
static void is_not_moved_onto(struct fixture *f, const char *why,
                              const char *out)
{
    struct store *st = open_store(f, true), *other;
    struct error e = { 0 };

    assert_error(store_move(st, "web2", &e), &e, why);
    assert_error(store_move(st, "web2", &e), &e, out);
    store_close(st);
    st = open_store(f, false);
    assert_int_equal(st->num_records, 1);
    store_close(st);
    assert_good(store_open(f->root, "web2", false, 0, &other, &e), &e);
    assert_true(other->known);
    store_close(other);
}

static void a_store_that_alone_knows_the_disk_is_not_thrown_away(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, true), *other;
    char *file = xls_asprintf("%s/web2/notes", f->root);
    xl_snapshot_domain_disk *d;
    struct error e = { 0 };

    add(st, "a", "", 10);
    assert_good(store_write_info(st, &e), &e);
    store_close(st);
    assert_good(store_open(f->root, "web2", true, 0, &other, &e), &e);
    d = store_disk_add(other, "xvda");
    d->config_path = xls_strdup("/images/b");
    d->top_path = xls_strdup("/images/b.s1");
    assert_good(store_write_info(other, &e), &e);
    store_close(other);
    is_not_moved_onto(f, "is /images/b.s1", "name /images/b.s1 and move");

    assert_good(store_open(f->root, "web2", true, 0, &other, &e), &e);
    str_replace(&store_disk(other, "xvda")->top_path, "/images/b");
    str_replace(&other->info.reverting, "s1");
    assert_good(store_write_info(other, &e), &e);
    is_not_moved_onto(f, "busy", "web2");
    store_close(other);
    is_not_moved_onto(f, "interrupted", "xl snapshot-delete web2");
    assert_good(store_open(f->root, "web2", true, 0, &other, &e), &e);
    str_replace(&other->info.reverting, NULL);
    str_replace(&other->info.merged.from, "/images/b.s1");
    str_replace(&other->info.merged.to, "/images/b");
    assert_good(store_write_info(other, &e), &e);
    store_close(other);
    is_not_moved_onto(f, "interrupted", "xl snapshot-delete web2");

    /* A file that is not the store's own. */
    assert_good(store_open(f->root, "web2", true, 0, &other, &e), &e);
    str_replace(&other->info.merged.from, NULL);
    str_replace(&other->info.merged.to, NULL);
    assert_good(store_write_info(other, &e), &e);
    store_close(other);
    write_file(file, "of the admin");
    is_not_moved_onto(f, "notes", "move that directory");
    unlink(file);
    free(file);
    /* But what a killed command half wrote is nothing. */
    file = xls_asprintf("%s/web2/.domain.json.new", f->root);
    write_file(file, "{");
    free(file);
    st = open_store(f, true);
    assert_good(store_move(st, "web2", &e), &e);
    store_close(st);
}

/* Each of its bytes takes three in the directory's name. */
static void a_name_that_no_directory_can_have_is_an_empty_store(void **state)
{
    struct fixture *f = *state;
    struct store *st, *long_one;
    char name[2 * 43 + 1] = "";
    struct error e = { 0 };
    size_t i;

    for (i = 0; i < 43; i++)
        strcat(name, "\xc3\xa4");
    assert_good(store_open(f->root, name, false, 0, &long_one, &e), &e);
    assert_int_equal(long_one->dir, -1);
    store_close(long_one);
    st = open_store(f, true);
    add(st, "a", "", 10);
    assert_good(store_write_info(st, &e), &e);
    assert_good(store_open(f->root, name, false, 0, &long_one, &e), &e);
    store_close(long_one);
    assert_error(store_open(f->root, name, true, 0, &long_one, &e), &e,
                 "too long");
    assert_error(store_move(st, name, &e), &e, "too long");
    assert_true(str_none(st->info.moving));
    store_close(st);
    /* 255 bytes. */
    name[85] = 0;
    assert_good(store_open(f->root, name, true, 0, &long_one, &e), &e);
    assert_int_not_equal(long_one->dir, -1);
    store_close(long_one);
}

/* A record by both names, as it is while it gets another one. */
static void a_rename_that_was_killed_is_completed_by_the_next(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, true);
    struct error e = { 0 };
    xl_snapshot_record *rec;

    add(st, "a", NULL, 10);
    add(st, "b", "a.deleted.1", 20);
    rec = store_find(st, "a");
    rec->hidden = true;
    assert_good(store_write(st, rec, &e), &e);
    rec = store_add(st, "a.deleted.1");
    xl_snapshot_record_dispose(rec);
    xl_snapshot_record_copy(NULL, rec, store_find(st, "a"));
    str_replace(&rec->name, "a.deleted.1");
    assert_good(store_write(st, rec, &e), &e);

    assert_good(store_give_name_away(st, "a", &e), &e);
    assert_null(store_find(st, "a"));
    assert_int_equal(st->num_records, 2);
    assert_non_null(store_find(st, "a.deleted.1"));
    assert_string_equal(store_find(st, "b")->parent, "a.deleted.1");
    store_close(st);

    /* Another one of that name is not it. */
    st = open_store(f, true);
    add(st, "a", NULL, 30);
    store_find(st, "a")->hidden = true;
    assert_good(store_give_name_away(st, "a", &e), &e);
    store_close(st);
    st = open_store(f, false);
    assert_int_equal(st->num_records, 3);
    assert_int_equal(store_find(st, "a.deleted.1")->created, 10);
    assert_int_equal(store_find(st, "a.deleted.2")->created, 30);
    store_close(st);
}

/* Whoever waited for the lock of a store does not go on in another's. */
static void a_store_that_was_moved_meanwhile_is_not_locked(void **state)
{
    struct fixture *f = *state;
    struct store *st = open_store(f, true), *late;
    struct error e = { 0 };
    int status;
    pid_t pid;

    add(st, "a", "", 10);
    assert_good(store_write_info(st, &e), &e);
    pid = fork();
    if (!pid) {
        close(st->lock);
        _exit(store_open(f->root, "web1", true, 20, &late, &e) &&
              strstr(e.text, "another name") ? 0 : 1);
    }
    usleep(300 * 1000);
    assert_good(store_move(st, "web2", &e), &e);
    store_close(st);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_back),
        TEST(snapshot_names_do_not_collide_with_own_files),
        TEST(nobody_else_can_read_it),
        TEST(symlinks_are_not_followed),
        TEST(directories_of_others_are_not_trusted),
        TEST(damaged_files_are_named_and_kept),
        TEST(paths_that_a_killed_command_noted_are_distrusted),
        TEST(a_file_half_written_is_not_seen),
        TEST(a_killed_writer_leaves_a_whole_file),
        TEST(a_second_command_is_told_who_is_busy),
        TEST(an_unknown_domain_is_an_empty_store),
        TEST(a_missing_snapshot_is_answered_with_those_there_are),
        TEST(memory_files_half_made_are_swept),
        TEST(new_memory_takes_the_place_of_the_old),
        TEST(memory_is_kept_outside_of_the_store),
        TEST(a_renamed_record_keeps_its_place_in_the_tree),
        TEST(a_rename_that_was_killed_is_completed_by_the_next),
        TEST(a_store_follows_a_rename),
        TEST(a_store_that_alone_knows_the_disk_is_not_thrown_away),
        TEST(a_name_that_no_directory_can_have_is_an_empty_store),
        TEST(a_store_that_was_moved_meanwhile_is_not_locked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
