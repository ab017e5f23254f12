/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdio.h>

#include "store/tree.h"

int command_current(struct cli *cli, int argc, char **argv)
{
    const xl_snapshot_record *rec;
    struct error e = { 0 };
    struct session s;
    int code;

    if (!cli_plain(cli, argc, argv, 1, 1, &code))
        return code;

    if (session_look(cli, argv[optind], &s, &e)) {
        code = cli_fail(cli, &e);
        goto out;
    }
    rec = tree_visible(s.store, s.store->info.current);
    code = EXIT_OK;
    if (cli->json) {
        struct xls_json *o = xls_json_object();

        xls_json_set(o, "current", rec ? xls_json_string(rec->name)
                                       : xls_json_null());
        cli_print_json(o);
    } else if (rec) {
        puts(rec->name);
    } else {
        cli_say(cli, "the disks of %s are not based on any snapshot",
                s.domain.name);
        code = EXIT_FAILED;
    }

out:
    session_close(&s);
    return code;
}
