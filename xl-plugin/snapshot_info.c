/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "storage/image.h"
#include "store/tree.h"

static void print_text(const struct store *st, const xl_snapshot_record *rec)
{
    const xl_snapshot_record *parent = tree_parent(st, rec);
    bool current = tree_visible(st, st->info.current) == rec;
    time_t created = rec->created;
    char when[32] = "?";
    struct stat file;
    struct tm tm;
    int i;

    if (gmtime_r(&created, &tm))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
    printf("Name:         %s%s%s\n", rec->name, current ? " (current)" : "",
           rec->provisional ? " (incomplete)" : "");
    printf("Domain:       %s (uuid %s at the time)\n", st->domain,
           rec->domain_uuid);
    if (!str_none(rec->description))
        printf("Description:  %s\n", rec->description);
    printf("Created:      %s\n", when);
    printf("Parent:       %s\n", parent ? parent->name : "-");
    if (!rec->memory)
        puts("Memory:       no");
    else if (stat(rec->memory_path, &file))
        printf("Memory:       %s (missing!)\n", rec->memory_path);
    else
        printf("Memory:       %s (%" PRIu64 " bytes%s)\n", rec->memory_path,
               (uint64_t)file.st_size, rec->live ? ", saved live" : "");
    for (i = 0; i < rec->num_disks; i++) {
        const xl_snapshot_disk *d = &rec->disks[i];

        printf("Disk:         %s %s %s (%s)%s%s", d->vdev,
               method_name(d->method), d->layer_path,
               libxl_disk_format_to_string(d->layer_format),
               d->method == LIBXL_SNAPSHOT_METHOD_INTERNAL ? ", inside as "
                                                           : "",
               d->method == LIBXL_SNAPSHOT_METHOD_INTERNAL ? d->internal_name
                                                           : "");
        if (d->on_delete != LIBXL_SNAPSHOT_MERGE_AUTO)
            printf(", merged %s when deleted",
                   libxl_snapshot_merge_to_string(d->on_delete));
        putchar('\n');
    }
}

int command_info(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = { CLI_OPTIONS };
    const xl_snapshot_record *rec = NULL;
    struct error e = { 0 };
    struct session s;
    int code;

    if (cli_option(cli, argc, argv, options, &code) == OPT_EXIT)
        return code;
    code = cli_words(cli, argc, 2, 2);
    if (code)
        return code;

    if (!session_look(cli, argv[optind], &s, &e))
        rec = store_must_find(s.store, argv[optind + 1], &e);
    if (!rec) {
        code = cli_fail(cli, &e);
    } else {
        if (cli->json)
            cli_print_json(record_json(s.store, rec, true));
        else
            print_text(s.store, rec);
        code = EXIT_OK;
    }
    session_close(&s);
    return code;
}
