/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/progress.h"
#include "common/alloc.h"
#include "common/text.h"
#include "layers/check.h"
#include "session/memory.h"

/* A memory image may have any number of damaged blocks. */
#define MAX_OF_IMAGE 16

struct verify {
    struct cli *cli;
    struct session s;
    const xl_snapshot_record **chosen;
    int num_chosen;
    struct faults faults;
    struct progress progress;
};

static void choose_one(struct verify *v, const xl_snapshot_record *rec)
{
    v->chosen[v->num_chosen++] = rec;
}

/* With the hidden ones, whose layers others need. */
static void choose_all(struct verify *v)
{
    const struct store *st = v->s.store;
    int i;

    for (i = 0; i < st->num_records; i++)
        if (st->records[i]->provisional)
            cli_say(v->cli, "snapshot %s is being taken, or that was "
                    "interrupted: it is passed over", st->records[i]->name);
        else
            choose_one(v, st->records[i]);
}

static int choose(struct verify *v, const char *name, struct error *e)
{
    const xl_snapshot_record *rec;

    v->chosen = xls_calloc(v->s.store->num_records + 1, sizeof(*v->chosen));
    if (!name) {
        choose_all(v);
        return 0;
    }
    rec = store_must_find(v->s.store, name, e);
    if (!rec)
        return -1;
    if (rec->provisional)
        return error_set(e, "snapshot %s is being taken, or that was "
                         "interrupted; the next command that changes "
                         "something about %s puts it in order", name,
                         v->s.store->domain);
    choose_one(v, rec);
    return 0;
}

static void notice(void *user, const char *file, const char *text)
{
    struct verify *v = user;

    cli_say(v->cli, "%s: %s", file, text);
}

static int report(void *user, uint64_t done)
{
    const libxl_snapshot_progress progress = { .phase = "disks",
                                               .done = done };
    struct verify *v = user;

    return progress_report(&v->progress, &progress);
}

static int verify_disks(struct verify *v, struct error *e)
{
    struct check check = { .faults = &v->faults, .notice = notice,
                           .progress = report, .user = v };
    int i, cancelled;

    for (i = 0; i < v->num_chosen; i++)
        check_add(&check, v->chosen[i]);
    progress_start(&v->progress);
    cancelled = check_contents(&check);
    progress_end(&v->progress);
    if (check.missing)
        cli_say(v->cli, "if images were moved or copied elsewhere: 'xl "
                "snapshot-relocate %s OLD NEW' has the snapshots follow",
                v->s.domain.name);
    check_free(&check);
    return cancelled ? error_set(e, "cancelled; nothing has changed") : 0;
}

/* Which file a message of the library is about: the first that it names, in
 * its chain the verified one or another snapshot's. */
static const char *file_of(const struct store *st, const char *verified,
                           const char *text)
{
    const char *file = verified, *first = strstr(text, verified);
    int i;

    for (i = 0; i < st->num_records; i++) {
        const char *path = st->records[i]->memory_path;
        const char *at = str_none(path) ? NULL : strstr(text, path);

        if (at && (!first || at < first)) {
            first = at;
            file = path;
        }
    }
    return file;
}

/* The file's name stands before it already. */
static const char *without_name(const char *text, const char *file)
{
    static const char start[] = "the memory image ";
    static const char end[] = " cannot be used: ";
    const char *s = text;

    if (!strncmp(s, start, strlen(start)))
        s += strlen(start);
    if (strncmp(s, file, strlen(file)))
        return text;
    s += strlen(file);
    return strncmp(s, end, strlen(end)) ? text : s + strlen(end);
}

static int verify_memory(struct verify *v, const xl_snapshot_record *rec,
                         struct error *e)
{
    struct strings said = { 0 };
    int i, ret;

    ret = memory_verify(v->cli, rec->memory_path, &said, e);
    for (i = 0; i < said.num && i < MAX_OF_IMAGE; i++) {
        const char *text = said.v[i];
        const char *file = file_of(v->s.store, rec->memory_path, text);

        faults_add(&v->faults, file, without_name(text, file), rec->name);
    }
    if (said.num > MAX_OF_IMAGE) {
        char *more = xls_asprintf("%d more faults", said.num - MAX_OF_IMAGE);

        faults_add(&v->faults, rec->memory_path, more, rec->name);
        free(more);
    }
    strings_free(&said);
    return ret;
}

static struct timespec when_changed(const struct store *st)
{
    struct stat stat = { 0 };

    if (st->dir >= 0)
        fstat(st->dir, &stat);
    return stat.st_mtim;
}

/* All files of the store are replaced when they change. */
static int verify_all(struct verify *v, struct error *e)
{
    struct timespec before = when_changed(v->s.store), after;
    int i, ret;

    ret = verify_disks(v, e);
    for (i = 0; !ret && i < v->num_chosen; i++)
        if (v->chosen[i]->memory)
            ret = verify_memory(v, v->chosen[i], e);
    after = when_changed(v->s.store);
    if (!ret && v->faults.num && (before.tv_sec != after.tv_sec ||
                                  before.tv_nsec != after.tv_nsec))
        cli_say(v->cli, "another command was at work on %s meanwhile: look "
                "again when it is done", v->s.domain.name);
    return ret;
}

static char *needed_by(const struct verify *v, const struct fault *fault)
{
    struct strings names = { 0 };
    char *all;
    int i;

    for (i = 0; i < fault->snapshots.num; i++) {
        const char *name = fault->snapshots.v[i];
        char *one = xls_asprintf("%s%s", name,
                                 store_find(v->s.store, name)->hidden
                                     ? " (deleted)" : "");

        strings_add(&names, one);
        free(one);
    }
    all = strings_join(&names, ", ");
    strings_free(&names);
    return all;
}

static void print_text(const struct verify *v)
{
    int i;

    for (i = 0; i < v->faults.num; i++) {
        const struct fault *fault = &v->faults.v[i];
        char *names = needed_by(v, fault);
        char *line = xls_asprintf("%s: %s; needed by %s", fault->file,
                                  fault->what, names);
        char *harmless = xls_harmless(line, SIZE_MAX);

        puts(harmless);
        free(harmless);
        free(line);
        free(names);
    }
    for (i = 0; i < v->num_chosen; i++)
        if (!v->chosen[i]->hidden &&
            !faults_concern(&v->faults, v->chosen[i]->name))
            printf("%s: ok\n", v->chosen[i]->name);
}

static struct xls_json *snapshot_json(const struct verify *v,
                                      const xl_snapshot_record *rec)
{
    struct xls_json *o = xls_json_object(), *list = xls_json_array(), *one;
    int i;

    for (i = 0; i < v->faults.num; i++) {
        const struct fault *fault = &v->faults.v[i];

        if (!strings_has(&fault->snapshots, rec->name))
            continue;
        one = xls_json_set_str(xls_json_object(), "file", fault->file);
        xls_json_append(list, xls_json_set_str(one, "what", fault->what));
    }
    xls_json_set_str(o, "name", rec->name);
    if (rec->hidden)
        xls_json_set_bool(o, "deleted", true);
    xls_json_set_bool(o, "ok", !xls_json_len(list));
    xls_json_set(o, "faults", list);
    return o;
}

static void print_json(const struct verify *v)
{
    struct xls_json *o = xls_json_object(), *list = xls_json_array();
    int i;

    for (i = 0; i < v->num_chosen; i++)
        if (!v->chosen[i]->hidden ||
            faults_concern(&v->faults, v->chosen[i]->name))
            xls_json_append(list, snapshot_json(v, v->chosen[i]));
    xls_json_set_bool(o, "ok", !v->faults.num);
    xls_json_set(o, "snapshots", list);
    cli_print_json(o);
}

int command_verify(struct cli *cli, int argc, char **argv)
{
    struct verify v = { .cli = cli };
    struct error e = { 0 };
    int code;

    if (!cli_plain(cli, argc, argv, 1, 2, &code))
        return code;

    if (session_look(cli, argv[optind], &v.s, &e)) {
        code = cli_fail(cli, &e);
        goto out;
    }
    store_assume_merged(v.s.store);
    if (choose(&v, argc - optind > 1 ? argv[optind + 1] : NULL, &e) ||
        verify_all(&v, &e)) {
        code = cli_fail(cli, &e);
        goto out;
    }
    if (cli->json)
        print_json(&v);
    else
        print_text(&v);
    code = v.faults.num ? EXIT_FAILED : EXIT_OK;

out:
    faults_free(&v.faults);
    free(v.chosen);
    session_close(&v.s);
    return code;
}
