/* SPDX-License-Identifier: LGPL-2.1-only */
#include "store/tree.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"

const xl_snapshot_record *tree_visible(const struct store *st,
                                       const char *name)
{
    const xl_snapshot_record *rec;
    int steps;

    rec = str_none(name) ? NULL : store_find(st, name);
    for (steps = 0; rec && rec->hidden; steps++) {
        if (steps > st->num_records || str_none(rec->parent))
            return NULL;
        rec = store_find(st, rec->parent);
    }
    return rec;
}

const xl_snapshot_record *tree_parent(const struct store *st,
                                      const xl_snapshot_record *rec)
{
    const xl_snapshot_record *parent = tree_visible(st, rec->parent);

    return parent == rec ? NULL : parent;
}

bool tree_is_above(const struct store *st, const char *above,
                   const char *name)
{
    const xl_snapshot_record *rec = store_find(st, name);
    int steps;

    for (steps = 0; rec && steps <= st->num_records; steps++) {
        if (str_same(rec->name, above))
            return true;
        rec = str_none(rec->parent) ? NULL : store_find(st, rec->parent);
    }
    return false;
}

static int depth(const struct store *st, const char *name)
{
    const xl_snapshot_record *rec = store_find(st, name);
    int d;

    for (d = 0; rec && d <= st->num_records; d++)
        rec = str_none(rec->parent) ? NULL : store_find(st, rec->parent);
    return d;
}

void tree_subtree(const struct store *st, const char *name,
                  struct strings *names)
{
    int level, i;

    for (level = st->num_records + 1; level >= 0; level--)
        for (i = 0; i < st->num_records; i++) {
            const char *here = st->records[i]->name;

            if (depth(st, here) == level && tree_is_above(st, name, here))
                strings_add(names, here);
        }
}

int tree_choose(const struct store *st, const char *name,
                enum tree_range range, struct strings *names,
                struct error *e)
{
    const xl_snapshot_record *named = store_find(st, name);
    struct strings below = { 0 };
    int i;

    if (!(named && named->hidden) && !store_must_find(st, name, e))
        return -1;
    /* Children first: an interruption leaves a tree that is whole. */
    if (range != TREE_ONE)
        tree_subtree(st, name, &below);
    for (i = 0; i < below.num; i++)
        if (!str_same(below.v[i], name) && !store_find(st, below.v[i])->hidden)
            strings_add(names, below.v[i]);
    strings_free(&below);
    if (range != TREE_BELOW)
        strings_add(names, name);
    return 0;
}

int tree_take_out(struct store *st, const char *name, struct error *e)
{
    char *parent = xls_strdup(store_find(st, name)->parent);
    int i, ret = 0;

    for (i = 0; !ret && i < st->num_records; i++)
        if (str_same(st->records[i]->parent, name)) {
            str_replace(&st->records[i]->parent, parent);
            ret = store_write(st, st->records[i], e);
        }
    if (!ret && str_same(st->info.current, name)) {
        str_replace(&st->info.current, parent);
        ret = store_write_info(st, e);
    }
    free(parent);
    return ret;
}

static bool is_child(const struct store *st, const xl_snapshot_record *rec,
                     const xl_snapshot_record *parent)
{
    return !rec->hidden && tree_parent(st, rec) == parent;
}

static void print_below(const struct store *st,
                        const xl_snapshot_record *parent, const char *indent,
                        int level, FILE *out)
{
    const xl_snapshot_record *current = tree_visible(st, st->info.current);
    int i, last = -1;

    if (level > st->num_records)
        return;
    for (i = 0; i < st->num_records; i++)
        if (is_child(st, st->records[i], parent))
            last = i;
    for (i = 0; i <= last; i++) {
        const xl_snapshot_record *rec = st->records[i];
        char *below;

        if (!is_child(st, rec, parent))
            continue;
        fprintf(out, "%s%s%s%s%s\n", indent, parent ? "+-" : "", rec->name,
                rec == current ? " *" : "",
                rec->provisional ? " (incomplete)" : "");
        below = xls_asprintf("%s%s", indent,
                             !parent ? "" : i < last ? "| " : "  ");
        print_below(st, rec, below, level + 1, out);
        free(below);
    }
}

void tree_print(const struct store *st, FILE *out)
{
    print_below(st, NULL, "", 0, out);
}
