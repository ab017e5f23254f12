/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdio.h>

#include "cli/fold_library.h"
#include "store/tree.h"

static int hide(struct session *s, const char *name, bool children,
                struct strings *deleted, struct error *e)
{
    const xl_snapshot_record *named = store_find(s->store, name);
    struct strings names = { 0 };
    int i, ret = 0;

    /* Said again of one that is deleted: to free what had to stay then. */
    if (!(named && named->hidden) && !store_must_find(s->store, name, e))
        return -1;
    if (children)
        tree_subtree(s->store, name, &names);
    else
        strings_add(&names, name);
    /* Children first: an interruption leaves a tree that is whole. */
    for (i = 0; !ret && i < names.num; i++) {
        xl_snapshot_record *rec = store_find(s->store, names.v[i]);

        if (rec->hidden)
            continue;
        ret = fold_hide(s->store, rec, e);
        if (!ret)
            strings_add(deleted, rec->name);
    }
    strings_free(&names);
    return ret;
}

static void print_result(struct cli *cli, const struct session *s,
                         const struct strings *deleted)
{
    const xl_snapshot_record *current =
        tree_visible(s->store, s->store->info.current);
    struct xls_json *o, *names, *kept;
    int i;

    if (!cli->json) {
        for (i = 0; i < deleted->num; i++)
            printf("Snapshot %s of %s deleted.\n", deleted->v[i],
                   s->domain.name);
        return;
    }
    o = xls_json_object();
    names = xls_json_array();
    kept = xls_json_array();
    for (i = 0; i < deleted->num; i++)
        xls_json_append(names, xls_json_string(deleted->v[i]));
    for (i = 0; i < s->store->num_records; i++)
        if (s->store->records[i]->hidden)
            xls_json_append(kept,
                            xls_json_string(s->store->records[i]->name));
    xls_json_set(o, "deleted", names);
    xls_json_set(o, "layers_kept_of", kept);
    xls_json_set(o, "current", current ? xls_json_string(current->name)
                                       : xls_json_null());
    cli_print_json(o);
}

int command_delete(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "children", no_argument, NULL, 'c' },
        CLI_OPTIONS
    };
    struct strings deleted = { 0 };
    struct fold_library fold;
    struct error e = { 0 };
    bool children = false;
    struct session s;
    int opt, code;

    while ((opt = cli_option(cli, argc, argv, options, &code)) != -1) {
        if (opt == OPT_EXIT)
            return code;
        children = true;
    }
    code = cli_words(cli, argc, 2, 2);
    if (code)
        return code;

    if (session_open(cli, argv[optind], false, &s, &e) ||
        hide(&s, argv[optind + 1], children, &deleted, &e)) {
        code = cli_fail(cli, &e);
        goto out;
    }
    fold_library_init(&fold, cli, &s);
    if (fold_all(&fold.fold, &e)) {
        cli_say(cli, "deleted, but not all of its storage could be freed; "
                "the next snapshot-delete of %s tries again", s.domain.name);
        code = cli_fail(cli, &e);
        goto out;
    }
    print_result(cli, &s, &deleted);
    code = EXIT_OK;

out:
    strings_free(&deleted);
    session_close(&s);
    return code;
}
