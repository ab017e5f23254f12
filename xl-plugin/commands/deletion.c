/* SPDX-License-Identifier: LGPL-2.1-only */
#include "commands/deletion.h"

#include <stdio.h>

#include "layers/identity.h"
#include "store/tree.h"

static void print_json(const struct store *st, const struct strings *deleted,
                       const struct strings *files)
{
    const xl_snapshot_record *current = tree_visible(st, st->info.current);
    struct xls_json *o = xls_json_object(), *kept = xls_json_array();
    struct xls_json *names = xls_json_array(), *stay = xls_json_array();
    int i;

    for (i = 0; i < deleted->num; i++)
        xls_json_append(names, xls_json_string(deleted->v[i]));
    for (i = 0; i < st->num_records; i++)
        if (st->records[i]->hidden)
            xls_json_append(kept, xls_json_string(st->records[i]->name));
    for (i = 0; i < files->num; i++)
        xls_json_append(stay, xls_json_string(files->v[i]));
    xls_json_set(o, "deleted", names);
    xls_json_set(o, "layers_kept_of", kept);
    xls_json_set(o, "files_kept", stay);
    xls_json_set(o, "current", current ? xls_json_string(current->name)
                                       : xls_json_null());
    cli_print_json(o);
}

static void print_result(struct cli *cli, const struct session *s,
                         const struct strings *deleted, const char *done,
                         const struct strings *files)
{
    int i;

    if (cli->json) {
        print_json(s->store, deleted, files);
        return;
    }
    for (i = 0; i < deleted->num; i++)
        printf("Snapshot %s of %s %s.\n", deleted->v[i], s->domain.name, done);
    for (i = 0; i < files->num; i++)
        printf("%s stays.\n", files->v[i]);
}

static int hide(struct store *st, const struct strings *names,
                libxl_snapshot_merge merge, struct strings *deleted,
                struct error *e)
{
    int i;

    for (i = 0; i < names->num; i++) {
        xl_snapshot_record *rec = store_find(st, names->v[i]);
        bool hidden = rec->hidden;

        if (merge_hide(st, rec, merge, e))
            return -1;
        if (!hidden)
            strings_add(deleted, names->v[i]);
    }
    return 0;
}

int deletion_run(struct cli *cli, struct session *s,
                 const struct strings *names, libxl_snapshot_merge merge,
                 const char *done)
{
    struct strings deleted = { 0 }, no_files = { 0 };
    struct merge_library library;
    struct error e = { 0 };
    int code = EXIT_OK;

    merge_library_init(&library, cli, s);
    if (identity_begin_merge(s->store, &s->live, s->domain.domid, &e) ||
        hide(s->store, names, merge, &deleted, &e)) {
        code = cli_fail(cli, &e);
    } else if (merge_all(&library.merge, &e) ||
               identity_end_merge(s->store, &s->live, s->domain.domid, &e)) {
        cli_say(cli, "%s, but not all of its storage could be freed; the next "
                "snapshot-delete of %s tries again", done, s->domain.name);
        code = cli_fail(cli, &e);
    } else {
        print_result(cli, s, &deleted, done, &no_files);
    }
    strings_free(&deleted);
    return code;
}

static void add_files(const xl_snapshot_record *rec, struct strings *files)
{
    int i;

    if (rec->memory)
        strings_add(files, rec->memory_path);
    for (i = 0; i < rec->num_disks; i++)
        if (!strings_has(files, rec->disks[i].layer_path))
            strings_add(files, rec->disks[i].layer_path);
}

int deletion_forget(struct cli *cli, struct session *s,
                    const struct strings *names)
{
    struct strings forgotten = { 0 }, files = { 0 };
    struct error e = { 0 };
    int i, ret, code;

    ret = identity_begin_merge(s->store, &s->live, s->domain.domid, &e);
    for (i = 0; !ret && i < names->num; i++) {
        xl_snapshot_record *rec = store_find(s->store, names->v[i]);

        add_files(rec, &files);
        ret = tree_take_out(s->store, rec->name, &e) ||
              store_remove(s->store, rec, &e);
        if (!ret)
            strings_add(&forgotten, names->v[i]);
    }
    if (!ret)
        ret = identity_end_merge(s->store, &s->live, s->domain.domid, &e);
    code = ret ? cli_fail(cli, &e) : EXIT_OK;
    if (!ret)
        print_result(cli, s, &forgotten, "forgotten", &files);
    strings_free(&forgotten);
    strings_free(&files);
    return code;
}
