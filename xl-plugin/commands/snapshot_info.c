/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/text.h"
#include "session/memory.h"
#include "store/tree.h"
#include "util/size.h"

/* A snapshot's memory file, as it is now. */
struct memory {
    libxl_snapshot_memory_info info;
    char *fault;                /* why it cannot be used; NULL: it can */
    const char *parent_name;    /* the snapshot whose image it is based on;
                                 * NULL: none of this store */
};

static void memory_read(struct cli *cli, const struct store *st,
                        const xl_snapshot_record *rec, struct memory *m)
{
    const xl_snapshot_record *parent;
    struct error e = { 0 };

    libxl_snapshot_memory_info_init(&m->info);
    m->fault = NULL;
    m->parent_name = NULL;
    if (!rec->memory)
        return;
    if (access(rec->memory_path, F_OK))
        error_set(&e, "missing");
    else if (!memory_info(cli, rec->memory_path, &m->info, &e) &&
             !m->info.complete)
        error_set(&e, "its stream does not go to its end");
    m->fault = e.text ? xls_harmless(e.text, SIZE_MAX) : NULL;
    error_clear(&e);
    parent = m->info.parent ? store_find_memory(st, m->info.parent) : NULL;
    m->parent_name = parent ? parent->name : NULL;
}

static void memory_dispose(struct memory *m)
{
    libxl_snapshot_memory_info_dispose(&m->info);
    free(m->fault);
}

static bool is_image(const struct memory *m)
{
    return m->info.format == LIBXL_SNAPSHOT_MEMORY_FORMAT_IMAGE;
}

static void print_memory(const xl_snapshot_record *rec, const struct memory *m)
{
    const libxl_snapshot_memory_info *i = &m->info;
    char *stored = size_text(i->stored), *content = size_text(i->content);

    if (!rec->memory)
        puts("Memory:       no");
    else if (m->fault)
        printf("Memory:       %s (%s)\n", rec->memory_path, m->fault);
    else
        printf("Memory:       %s (%s, %s%s)\n", rec->memory_path,
               libxl_snapshot_memory_format_to_string(i->format), stored,
               rec->live ? ", saved live" : "");
    if (rec->memory && !m->fault && is_image(m)) {
        printf("  content:    %s, %.1f times as much\n", content,
               (double)i->content / i->stored);
        printf("  pages:      %" PRIu64 ": %" PRIu64 " zero, %" PRIu64
               " stored, %" PRIu64 " repeated, %" PRIu64 " in the parent\n",
               i->pages, i->pages_zero, i->pages_stored, i->pages_repeated,
               i->pages_parent);
        printf("  based on:   %s%s%s%s\n", i->parent ? i->parent : "-",
               m->parent_name ? " (snapshot " : "",
               m->parent_name ? m->parent_name : "",
               m->parent_name ? ")" : "");
        printf("  chain:      %" PRIu32 "\n", i->chain);
    }
    free(stored);
    free(content);
}

static void memory_json(const xl_snapshot_record *rec, const struct memory *m,
                        struct xls_json *o)
{
    const libxl_snapshot_memory_info *i = &m->info;
    struct xls_json *pages;

    if (!rec->memory)
        return;
    if (m->fault) {
        xls_json_set_str(o, "memory_fault", m->fault);
        return;
    }
    xls_json_set_str(o, "memory_format",
                     libxl_snapshot_memory_format_to_string(i->format));
    xls_json_set(o, "memory_stored", xls_json_uint(i->stored));
    xls_json_set(o, "memory_content", xls_json_uint(i->content));
    xls_json_set(o, "memory_chain", xls_json_uint(i->chain));
    if (!is_image(m))
        return;
    pages = xls_json_object();
    xls_json_set(pages, "all", xls_json_uint(i->pages));
    xls_json_set(pages, "zero", xls_json_uint(i->pages_zero));
    xls_json_set(pages, "stored", xls_json_uint(i->pages_stored));
    xls_json_set(pages, "repeated", xls_json_uint(i->pages_repeated));
    xls_json_set(pages, "parent", xls_json_uint(i->pages_parent));
    xls_json_set(o, "memory_pages", pages);
    xls_json_set_str(o, "memory_parent", i->parent);
    xls_json_set_str(o, "memory_parent_snapshot", m->parent_name);
}

static void print_text(const struct store *st, const xl_snapshot_record *rec,
                       const struct memory *memory)
{
    const xl_snapshot_record *parent = tree_parent(st, rec);
    bool current = tree_visible(st, st->info.current) == rec;
    time_t created = rec->created;
    char when[32] = "?";
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
    print_memory(rec, memory);
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
    for (i = 0; i < rec->num_left_out; i++)
        printf("Left out:     %s%s\n", rec->left_out[i],
               rec->memory ? " (a revert needs --force)" : "");
}

static void print(struct cli *cli, const struct store *st,
                  const xl_snapshot_record *rec)
{
    struct memory memory;
    struct xls_json *o;

    memory_read(cli, st, rec, &memory);
    if (cli->json) {
        o = record_json(st, rec, true);
        memory_json(rec, &memory, o);
        cli_print_json(o);
    } else {
        print_text(st, rec, &memory);
    }
    memory_dispose(&memory);
}

int command_info(struct cli *cli, int argc, char **argv)
{
    const xl_snapshot_record *rec = NULL;
    struct error e = { 0 };
    struct session s;
    int code;

    if (!cli_plain(cli, argc, argv, 2, 2, &code))
        return code;

    if (!session_look(cli, argv[optind], &s, &e))
        rec = store_must_find(s.store, argv[optind + 1], &e);
    if (!rec) {
        code = cli_fail(cli, &e);
    } else {
        print(cli, s.store, rec);
        code = EXIT_OK;
    }
    session_close(&s);
    return code;
}
