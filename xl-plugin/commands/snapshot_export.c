/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "session/memory.h"
#include "util/size.h"

static int check(const struct session *s, const xl_snapshot_record *rec,
                 const char *file, struct error *e)
{
    struct stat st;

    if (!rec->memory)
        return error_set(e, "snapshot %s of %s has no memory to export: it is "
                         "one of the disks alone", rec->name, s->domain.name);
    if (!lstat(file, &st))
        return error_set(e, "%s exists; choose another name, or remove it "
                         "first", file);
    return 0;
}

/* What it names is what was frozen; layers may have been merged since. */
static void warn(struct cli *cli, const xl_snapshot_record *rec,
                 const char *file)
{
    struct error e = { 0 };

    if (memory_fits(cli, file, rec, &e))
        cli_say(cli, "%s; 'xl restore' needs a configuration that names the "
                "right files", e.text);
    error_clear(&e);
}

static void print_result(struct cli *cli, const struct session *s,
                         const xl_snapshot_record *rec, const char *file)
{
    struct stat st = { .st_size = 0 };
    struct xls_json *o;
    char *size;

    stat(file, &st);
    if (cli->json) {
        o = xls_json_set_str(xls_json_object(), "file", file);
        xls_json_set(o, "bytes", xls_json_uint(st.st_size));
        cli_print_json(o);
        return;
    }
    size = size_text(st.st_size);
    printf("Memory of snapshot %s of %s written to %s, %s.\n", rec->name,
           s->domain.name, file, size);
    free(size);
}

static int export(struct cli *cli, struct session *s, char **argv,
                  const char *file, struct error *e)
{
    const xl_snapshot_record *rec;

    if (session_look(cli, argv[0], s, e))
        return -1;
    rec = store_must_find(s->store, argv[1], e);
    if (!rec || check(s, rec, file, e) ||
        memory_export(cli, rec->memory_path, file, e))
        return -1;
    warn(cli, rec, file);
    print_result(cli, s, rec, file);
    return 0;
}

int command_export(struct cli *cli, int argc, char **argv)
{
    struct error e = { 0 };
    struct session s;
    char *file;
    int code;

    if (!cli_plain(cli, argc, argv, 3, 3, &code))
        return code;
    file = path_from_root(argv[optind + 2]);
    if (!file)
        return cli_usage(cli, "there is no current directory for %s to be in",
                         argv[optind + 2]);
    code = export(cli, &s, argv + optind, file, &e) ? cli_fail(cli, &e)
                                                    : EXIT_OK;
    session_close(&s);
    free(file);
    return code;
}
