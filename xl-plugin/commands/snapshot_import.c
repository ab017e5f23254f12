/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "session/merge_library.h"
#include "session/memory.h"
#include "store/outside.h"
#include "util/size.h"

struct import {
    struct cli *cli;
    struct session s;
    xl_snapshot_record *rec;
    char *file;
    bool force;
};

/* Nothing is lost when the snapshot's memory file is replaced. */
static int check_replaceable(struct import *i, struct error *e)
{
    const char *path = i->rec->memory_path;
    libxl_snapshot_memory_info info;
    struct strings faults = { 0 };
    struct error ignored = { 0 };
    int ret = 0;

    if (!i->rec->memory || access(path, F_OK))
        return 0;
    libxl_snapshot_memory_info_init(&info);
    if (!memory_info(i->cli, path, &info, &ignored) &&
        info.format == LIBXL_SNAPSHOT_MEMORY_FORMAT_IMAGE) {
        ret = memory_verify(i->cli, path, &faults, e);
        if (!ret && !faults.num)
            ret = error_set(e, "the memory of snapshot %s of %s, %s, is "
                            "sound: there is nothing to import", i->rec->name,
                            i->s.domain.name, path);
    }
    error_clear(&ignored);
    strings_free(&faults);
    libxl_snapshot_memory_info_dispose(&info);
    return ret;
}

static int check_file(struct import *i, struct error *e)
{
    libxl_snapshot_memory_info info;
    int ret;

    libxl_snapshot_memory_info_init(&info);
    ret = memory_info(i->cli, i->file, &info, e);
    if (!ret && info.format == LIBXL_SNAPSHOT_MEMORY_FORMAT_IMAGE)
        ret = error_set(e, "%s is a memory image; 'xl snapshot-export' makes "
                        "of that of a snapshot what can be imported", i->file);
    else if (!ret && !info.complete)
        ret = error_set(e, "%s is truncated: its stream does not go to its "
                        "end", i->file);
    libxl_snapshot_memory_info_dispose(&info);
    return ret;
}

static bool has_external(const xl_snapshot_record *rec)
{
    int i;

    for (i = 0; i < rec->num_disks; i++)
        if (rec->disks[i].method == LIBXL_SNAPSHOT_METHOD_EXTERNAL)
            return true;
    return false;
}

/* Memory and disks must be of one instant; the layers' names tell. */
static int check_fits(struct import *i, struct error *e)
{
    const xl_snapshot_record *rec = i->rec;
    int ret;

    /* It is the snapshot's memory already. */
    if (rec->memory && xls_same_file(i->file, rec->memory_path))
        return 0;
    ret = memory_fits(i->cli, i->file, rec, e);
    if (!ret && !has_external(rec))
        ret = error_set(e, "snapshot %s has no layer whose name in %s could "
                        "tell that they belong together", rec->name, i->file);
    if (!ret)
        return 0;
    if (!rec->memory)
        return error_set(e, "snapshot %s of %s is one of the disks alone, and "
                         "%s is not its memory: %s", rec->name,
                         i->s.domain.name, i->file, e->text);
    if (!i->force)
        return error_set(e, "%s. A guest that goes on with the memory of "
                         "another moment than that of its disks destroys its "
                         "file systems; add --force if you know that it is of "
                         "the same", e->text);
    cli_say(i->cli, "%s; imported all the same", e->text);
    error_clear(e);
    return 0;
}

/* Images that are based on the one that goes are written anew without it. */
static int keep_others(struct import *i, struct error *e)
{
    struct merge_library library;

    if (!i->rec->memory)
        return 0;
    merge_library_init(&library, i->cli, &i->s);
    if (!library.merge.memory(library.merge.user, i->rec, e))
        return 0;
    if (!i->force)
        return error_set(e, "%s, or give its memory up by --force", e->text);
    cli_say(i->cli, "%s; imported all the same", e->text);
    error_clear(e);
    return 0;
}

static int write_record(struct import *i, struct error *e)
{
    xl_snapshot_record *rec = i->rec;
    char *path = memory_is_outside(i->s.store, rec->memory_path)
        ? xls_strdup(rec->memory_path)
        : store_memory_path(i->s.store, rec->name);
    int ret = 0;

    if (!rec->memory || !str_same(rec->memory_path, path)) {
        rec->memory = true;
        str_replace(&rec->memory_path, path);
        ret = store_write(i->s.store, rec, e);
    }
    free(path);
    return ret;
}

/* The file may be the one that is replaced. */
static int replace(struct import *i, struct error *e)
{
    struct store *st = i->s.store;
    char *path = NULL;
    int ret;

    ret = store_new_memory(st, i->rec, &path, e);
    if (!ret)
        ret = memory_import(i->cli, i->file, path, e);
    if (!ret)
        ret = store_take_new_memory(st, i->rec, path, e);
    free(path);
    return ret ? ret : write_record(i, e);
}

static int print_result(struct import *i, struct error *e)
{
    libxl_snapshot_memory_info info;
    struct xls_json *o;
    char *size;
    int ret;

    libxl_snapshot_memory_info_init(&info);
    ret = memory_info(i->cli, i->rec->memory_path, &info, e);
    if (!ret && i->cli->json) {
        o = xls_json_set_str(xls_json_object(), "name", i->rec->name);
        xls_json_set_str(o, "memory_path", i->rec->memory_path);
        xls_json_set(o, "memory_stored", xls_json_uint(info.stored));
        xls_json_set(o, "memory_content", xls_json_uint(info.content));
        cli_print_json(o);
    } else if (!ret) {
        size = size_text(info.stored);
        printf("Memory of snapshot %s of %s imported, %s.\n", i->rec->name,
               i->s.domain.name, size);
        free(size);
    }
    libxl_snapshot_memory_info_dispose(&info);
    return ret;
}

static int import(struct import *i, char **argv, struct error *e)
{
    if (session_open(i->cli, argv[0], false, &i->s, e))
        return -1;
    i->rec = store_must_find(i->s.store, argv[1], e);
    if (!i->rec || check_file(i, e) || check_fits(i, e) ||
        check_replaceable(i, e) || keep_others(i, e) || replace(i, e))
        return -1;
    return print_result(i, e);
}

int command_import(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "force", no_argument, NULL, 'f' },
        CLI_OPTIONS
    };
    struct import i = { .cli = cli };
    struct error e = { 0 };
    int opt, code;

    while ((opt = cli_option(cli, argc, argv, options, &code)) != -1) {
        if (opt == OPT_EXIT)
            return code;
        i.force = true;
    }
    code = cli_words(cli, argc, 3, 3);
    if (code)
        return code;
    i.file = path_from_root(argv[optind + 2]);
    if (!i.file)
        return cli_usage(cli, "there is no current directory for %s to be in",
                         argv[optind + 2]);
    code = import(&i, argv + optind, &e) ? cli_fail(cli, &e) : EXIT_OK;
    session_close(&i.s);
    free(i.file);
    return code;
}
