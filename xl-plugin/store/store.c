/* SPDX-License-Identifier: LGPL-2.1-only */
#include "store/store.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "store/check.h"
#include "store/files.h"

xl_snapshot_record *store_find(const struct store *st, const char *name)
{
    int i;

    for (i = 0; i < st->num_records; i++)
        if (str_same(st->records[i]->name, name))
            return st->records[i];
    return NULL;
}

xl_snapshot_record *store_must_find(const struct store *st, const char *name,
                                    struct error *e)
{
    xl_snapshot_record *rec = store_find(st, name);
    struct strings have = { 0 };
    char *names;
    int i;

    if (rec && !rec->hidden)
        return rec;
    for (i = 0; i < st->num_records; i++)
        if (!st->records[i]->hidden)
            strings_add(&have, st->records[i]->name);
    names = strings_join(&have, ", ");
    error_set(e, "domain %s has no snapshot \"%s\"%s%s", st->domain, name,
              have.num ? "; it has: " : "", names);
    free(names);
    strings_free(&have);
    return NULL;
}

xl_snapshot_record *store_find_memory(const struct store *st,
                                      const char *path)
{
    int i;

    for (i = 0; i < st->num_records; i++)
        if (st->records[i]->memory && str_same(st->records[i]->memory_path,
                                               path))
            return st->records[i];
    return NULL;
}

xl_snapshot_record *store_add(struct store *st, const char *name)
{
    xl_snapshot_record *rec = xls_calloc(1, sizeof(*rec));

    xl_snapshot_record_init(rec);
    rec->format_version = STORE_FORMAT_VERSION;
    rec->name = xls_strdup(name);
    st->records = xls_realloc(st->records, st->num_records + 1,
                              sizeof(*st->records));
    st->records[st->num_records++] = rec;
    return rec;
}

int store_write(struct store *st, const xl_snapshot_record *rec,
                struct error *e)
{
    char *file = xls_asprintf("%s" STORE_RECORD, rec->name);
    char *text = xl_snapshot_record_to_json(NULL, rec);
    int ret;

    ret = store_check_record(st, file, rec, e);
    if (ret)
        store_unreadable(e);
    else if (text)
        ret = store_file_write(st->dir, st->path, file, text, e);
    else
        ret = error_set(e, "%s/%s cannot be written: a name or path in it is "
                        "not UTF-8", st->path, file);
    free(text);
    free(file);
    return ret;
}

int store_remove(struct store *st, xl_snapshot_record *rec, struct error *e)
{
    char *file = xls_asprintf("%s" STORE_RECORD, rec->name);
    int i, ret;

    ret = store_file_remove(st->dir, st->path, file, e);
    free(file);
    if (ret)
        return ret;
    for (i = 0; st->records[i] != rec; i++)
        ;
    st->num_records--;
    memmove(&st->records[i], &st->records[i + 1],
            (st->num_records - i) * sizeof(*st->records));
    xl_snapshot_record_dispose(rec);
    free(rec);
    return 0;
}

int store_write_info(struct store *st, struct error *e)
{
    char *text;
    int ret;

    st->info.format_version = STORE_FORMAT_VERSION;
    str_replace(&st->info.name, st->domain);
    text = xl_snapshot_domain_to_json(NULL, &st->info);
    ret = store_check_info(st, e);
    if (ret)
        store_unreadable(e);
    else if (text)
        ret = store_file_write(st->dir, st->path, STORE_INFO, text, e);
    else
        ret = error_set(e, "%s/" STORE_INFO " cannot be written: a name or path "
                        "in it is not UTF-8", st->path);
    free(text);
    if (!ret)
        st->known = true;
    return ret;
}
