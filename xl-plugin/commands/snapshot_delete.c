/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include "commands/deletion.h"
#include "store/tree.h"

/* What was said on the command line. */
struct delete_options {
    bool children, children_only, metadata;
    libxl_snapshot_merge merge;         /* AUTO: not said */
};

static int read_options(struct cli *cli, int argc, char **argv,
                        struct delete_options *o, int *code)
{
    static const struct option options[] = {
        { "children", no_argument, NULL, 'c' },
        { "children-only", no_argument, NULL, 'o' },
        { "merge", required_argument, NULL, 'm' },
        { "metadata", no_argument, NULL, 'M' },
        CLI_OPTIONS
    };
    int opt;

    while ((opt = cli_option(cli, argc, argv, options, code)) != -1) {
        switch (opt) {
        case OPT_EXIT:
            return -1;
        case 'c':
            o->children = true;
            break;
        case 'o':
            o->children_only = true;
            break;
        case 'M':
            o->metadata = true;
            break;
        case 'm':
            if (!libxl_snapshot_merge_from_string(optarg, &o->merge))
                break;
            *code = cli_usage(cli, "--merge \"%s\" is not one of forward, "
                              "backward, auto", optarg);
            return -1;
        }
    }
    if (o->children && o->children_only)
        *code = cli_usage(cli, "--children is the snapshot and all below it, "
                          "--children-only all below it: which?");
    else if (o->metadata && o->merge != LIBXL_SNAPSHOT_MERGE_AUTO)
        *code = cli_usage(cli, "--metadata leaves all files as they are, so "
                          "--merge makes no sense with it");
    else
        *code = cli_words(cli, argc, 2, 2);
    return *code ? -1 : 0;
}

int command_delete(struct cli *cli, int argc, char **argv)
{
    struct delete_options o = { .merge = LIBXL_SNAPSHOT_MERGE_AUTO };
    struct strings names = { 0 };
    struct error e = { 0 };
    struct session s;
    int code;

    if (read_options(cli, argc, argv, &o, &code))
        return code;
    if (session_open(cli, argv[optind], false, &s, &e) ||
        tree_choose(s.store, argv[optind + 1],
                    o.children_only ? TREE_BELOW
                    : o.children ? TREE_WITH_BELOW : TREE_ONE, &names, &e))
        code = cli_fail(cli, &e);
    else if (o.metadata)
        code = deletion_forget(cli, &s, &names);
    else
        code = deletion_run(cli, &s, &names, o.merge, "deleted");
    strings_free(&names);
    session_close(&s);
    return code;
}
