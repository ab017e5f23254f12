/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/tree.h"

int cli_usage(struct cli *cli, const char *fmt, ...)
{
    va_list al;

    fprintf(stderr, "xl %s: ", cli->command->name);
    va_start(al, fmt);
    vfprintf(stderr, fmt, al);
    va_end(al);
    fprintf(stderr, "\nUsage: xl %s %s\n", cli->command->name,
            cli->command->usage);
    return EXIT_USAGE;
}

int cli_fail(struct cli *cli, struct error *e)
{
    fprintf(stderr, "xl %s: %s\n", cli->command->name,
            e->text ? e->text : "failed");
    error_clear(e);
    return EXIT_FAILED;
}

void cli_say(struct cli *cli, const char *fmt, ...)
{
    va_list al;

    fprintf(stderr, "xl %s: ", cli->command->name);
    va_start(al, fmt);
    vfprintf(stderr, fmt, al);
    va_end(al);
    fputc('\n', stderr);
}

void cli_print_json(struct xls_json *v)
{
    char *text = xls_json_print(v, true);

    if (text)
        fputs(text, stdout);
    else
        fputs("xl: the result cannot be put into JSON: a name in it is not "
              "UTF-8\n", stderr);
    free(text);
    xls_json_free(v);
}

void command_help(const struct command *command)
{
    const char *line;

    printf("Usage: xl %s %s\n\n%s.\n\nOptions:\n\n", command->name,
           command->usage, command->summary);
    for (line = command->options; line && *line;
         line = strchr(line, '\n') + 1)
        printf("%.*s", (int)(strchr(line, '\n') + 1 - line), line);
    puts("--json                 print in JSON\n"
         "--help                 this text");
}

int cli_option(struct cli *cli, int argc, char **argv,
               const struct option *options, int *code)
{
    int opt;

    opterr = 0;
    for (;;) {
        int word = optind;

        opt = getopt_long(argc, argv, ":", options, NULL);
        switch (opt) {
        case 'j':
            cli->json = true;
            continue;
        case 'h':
            command_help(cli->command);
            *code = EXIT_OK;
            return OPT_EXIT;
        case ':':
            *code = cli_usage(cli, "%s needs a value", argv[optind - 1]);
            return OPT_EXIT;
        case '?':
            *code = cli_usage(cli, "there is no option %s, or it takes no "
                              "value", argv[optind > word ? optind - 1
                                                          : word]);
            return OPT_EXIT;
        default:
            return opt;
        }
    }
}

int cli_words(struct cli *cli, int argc, int min, int max)
{
    static const char *const needed[] = {
        "",
        "which domain?",
        "a domain and the name of a snapshot are needed",
        "a domain, the name of a snapshot and a file are needed",
    };

    if (argc - optind < min)
        return cli_usage(cli, "%s", needed[min]);
    if (argc - optind > max)
        return cli_usage(cli, "too many words");
    return 0;
}

bool cli_plain(struct cli *cli, int argc, char **argv, int min, int max,
               int *code)
{
    static const struct option options[] = { CLI_OPTIONS };

    if (cli_option(cli, argc, argv, options, code) == OPT_EXIT)
        return false;
    *code = cli_words(cli, argc, min, max);
    return *code == EXIT_OK;
}

const char *method_name(libxl_snapshot_method method)
{
    return libxl_snapshot_method_to_string(method);
}

int cli_error_rc(struct error *e, int rc, const char *what)
{
    return error_set(e, "%s: %s", what, libxl_snapshot_strerror(rc));
}

bool outcome_unknown(int rc)
{
    return rc == ERROR_SNAPSHOT_INCOMPLETE || rc == ERROR_SNAPSHOT_QMP ||
           rc == ERROR_TIMEDOUT;
}

static struct xls_json *disk_json(const xl_snapshot_disk *d)
{
    struct xls_json *o = xls_json_object();

    xls_json_set_str(o, "vdev", d->vdev);
    xls_json_set_str(o, "method", method_name(d->method));
    xls_json_set_str(o, "layer_path", d->layer_path);
    xls_json_set_str(o, "layer_format",
                     libxl_disk_format_to_string(d->layer_format));
    if (!str_none(d->internal_name))
        xls_json_set_str(o, "internal_name", d->internal_name);
    if (d->on_delete != LIBXL_SNAPSHOT_MERGE_AUTO)
        xls_json_set_str(o, "on_delete",
                         libxl_snapshot_merge_to_string(d->on_delete));
    return o;
}

struct xls_json *record_json(const struct store *st,
                             const xl_snapshot_record *rec, bool all)
{
    const xl_snapshot_record *parent = tree_parent(st, rec);
    struct xls_json *o = xls_json_object(), *disks, *left_out;
    int i;

    xls_json_set_str(o, "name", rec->name);
    if (!str_none(rec->description))
        xls_json_set_str(o, "description", rec->description);
    xls_json_set(o, "created", xls_json_uint(rec->created));
    if (parent)
        xls_json_set_str(o, "parent", parent->name);
    xls_json_set_bool(o, "current",
                      tree_visible(st, st->info.current) == rec);
    xls_json_set_bool(o, "memory", rec->memory);
    if (rec->provisional)
        xls_json_set_bool(o, "incomplete", true);
    if (!all)
        return o;
    disks = xls_json_array();
    left_out = xls_json_array();
    if (rec->memory)
        xls_json_set_str(o, "memory_path", rec->memory_path);
    xls_json_set_bool(o, "live", rec->live);
    xls_json_set_str(o, "domain_uuid", rec->domain_uuid);
    for (i = 0; i < rec->num_disks; i++)
        xls_json_append(disks, disk_json(&rec->disks[i]));
    xls_json_set(o, "disks", disks);
    for (i = 0; i < rec->num_left_out; i++)
        xls_json_append(left_out, xls_json_string(rec->left_out[i]));
    if (i)
        xls_json_set(o, "left_out", left_out);
    else
        xls_json_free(left_out);
    return o;
}
