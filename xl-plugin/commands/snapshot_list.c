/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdio.h>
#include <time.h>

#include "store/tree.h"

static void print_table(const struct store *st)
{
    const xl_snapshot_record *current = tree_visible(st, st->info.current);
    int i;

    printf("  %-24s %-20s %-6s %-24s %s\n", "Name", "Created (UTC)", "Memory",
           "Parent", "Description");
    for (i = 0; i < st->num_records; i++) {
        const xl_snapshot_record *rec = st->records[i], *parent;
        time_t created = rec->created;
        char when[32] = "?";
        struct tm tm;

        if (rec->hidden)
            continue;
        if (gmtime_r(&created, &tm))
            strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
        parent = tree_parent(st, rec);
        printf("%s %-24s %-20s %-6s %-24s %s%s\n", rec == current ? "*" : " ",
               rec->name, when, rec->memory ? "yes" : "no",
               parent ? parent->name : "-",
               rec->provisional ? "(incomplete) " : "",
               rec->description ? rec->description : "");
    }
}

static void print_json(const struct store *st)
{
    struct xls_json *list = xls_json_array();
    int i;

    for (i = 0; i < st->num_records; i++)
        if (!st->records[i]->hidden)
            xls_json_append(list, record_json(st, st->records[i], false));
    cli_print_json(list);
}

int command_list(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "tree", no_argument, NULL, 't' },
        CLI_OPTIONS
    };
    struct error e = { 0 };
    struct session s;
    bool tree = false;
    int opt, code;

    while ((opt = cli_option(cli, argc, argv, options, &code)) != -1) {
        if (opt == OPT_EXIT)
            return code;
        tree = true;
    }
    code = cli_words(cli, argc, 1, 1);
    if (code)
        return code;

    if (session_look(cli, argv[optind], &s, &e)) {
        code = cli_fail(cli, &e);
    } else {
        if (cli->json)
            print_json(s.store);
        else if (tree)
            tree_print(s.store, stdout);
        else
            print_table(s.store);
        code = EXIT_OK;
    }
    session_close(&s);
    return code;
}
