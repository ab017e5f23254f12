/* SPDX-License-Identifier: LGPL-2.1-only */
#include "commands/chain_text.h"

#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/text.h"
#include "util/size.h"
#include "util/strings.h"

/* The last column is not padded. */
enum column {
    NUMBER, PARENT,             /* flat only */
    FORMAT, SIZE, ALLOCATED, CLUSTER, ACCESS, OWNER,
    LAYER,
    NUM_COLUMNS
};

static const char *const titles[NUM_COLUMNS] = {
    "No.", "Parent", "Format", "Size", "Allocated", "Cluster", "Access",
    "Owner", "Layer",
};

struct table {
    char *(*rows)[NUM_COLUMNS];
    size_t width[NUM_COLUMNS];
    enum column first;
};

static char *access_text(const libxl_disk_layer *l)
{
    return xls_asprintf("%s%s%s%s", l->read_only ? "ro" : "rw",
                        l->immutable ? ",immutable" : "",
                        l->dirty ? ",dirty" : "", l->corrupt ? ",corrupt" : "");
}

static char *owner_text(const libxl_disk_layer *l)
{
    const struct passwd *user;
    const struct group *group;
    char *owner, *both;

    if (!l->stat_valid)
        return xls_strdup("-");
    user = getpwuid(l->uid);
    owner = user ? xls_strdup(user->pw_name) : xls_asprintf("%u", l->uid);
    group = getgrgid(l->gid);
    both = group ? xls_asprintf("%s:%s %04o%s%s", owner, group->gr_name,
                                l->mode, l->label ? " " : "",
                                l->label ? l->label : "")
                 : xls_asprintf("%s:%u %04o%s%s", owner, l->gid, l->mode,
                                l->label ? " " : "", l->label ? l->label : "");
    free(owner);
    return both;
}

/* "backing" needs no mention where it is the rule. */
static char *layer_text(const libxl_disk_layer *l, const char *indent,
                        bool flat)
{
    bool named = l->child && (flat || strcmp(l->child, "backing"));
    char *name, *text;

    name = l->filename ? xls_strdup(l->filename)
                       : xls_asprintf("(%s)", l->node ? l->node : "");
    text = xls_asprintf("%s%s%s%s%s%s", indent, named ? l->child : "",
                        named ? ": " : "", name, flat && l->filename ? " " : "",
                        flat && l->filename && l->node ? l->node : "");
    free(name);
    return text;
}

static void fill_row(struct table *t, const libxl_disk_chain *chain, int i,
                     const char *indent, bool flat)
{
    const libxl_disk_layer *l = &chain->layers[i];
    char **row = t->rows[i + 1];
    int c;

    row[NUMBER] = xls_asprintf("%d", i);
    row[PARENT] = l->parent < 0 ? xls_strdup("-")
                                : xls_asprintf("%d", l->parent);
    row[FORMAT] = xls_strdup(l->driver ? l->driver : "");
    row[SIZE] = size_text(l->virtual_size);
    row[ALLOCATED] = l->allocated_size < 0 ? xls_strdup("?")
                                           : size_text(l->allocated_size);
    row[CLUSTER] = l->cluster_size ? size_text(l->cluster_size)
                                   : xls_strdup("-");
    row[ACCESS] = access_text(l);
    row[OWNER] = owner_text(l);
    row[LAYER] = layer_text(l, indent, flat);
    for (c = 0; c < NUM_COLUMNS; c++) {
        char *text = xls_harmless(row[c], SIZE_MAX);

        free(row[c]);
        row[c] = text;
    }
}

/* What stands before a layer's name, and before those below it. */
static void indents(const libxl_disk_chain *chain, int i, char **stems,
                    char **indent)
{
    int parent = chain->layers[i].parent;
    const char *stem;
    bool first, last;

    if (parent < 0 || parent >= i) {
        *indent = xls_strdup("");
        stems[i] = xls_strdup("");
        return;
    }
    stem = stems[parent];
    first = libxl_disk_chain_child(chain, parent, -1) == i;
    last = libxl_disk_chain_child(chain, parent, i) < 0;
    *indent = xls_asprintf("%s%s", stem, first && last ? "" : "+-");
    stems[i] = xls_asprintf("%s%s", stem,
                            first && last ? "" : last ? "  " : "| ");
}

static void print_row(const struct table *t, int i, FILE *out)
{
    int c;

    fputs("  ", out);
    for (c = t->first; c < LAYER; c++)
        fprintf(out, "%-*s  ", (int)t->width[c], t->rows[i][c]);
    fprintf(out, "%s\n", t->rows[i][LAYER]);
}

static void print_mismatches(const libxl_disk_layer *l, FILE *out)
{
    int i;

    for (i = 0; i < l->num_mismatches; i++) {
        char *text = xls_harmless(l->mismatches[i].text, SIZE_MAX);

        fprintf(out, "    ! %s\n", text);
        free(text);
    }
}

void chain_print(const libxl_disk_chain *chain, bool flat, FILE *out)
{
    struct table t = { .first = flat ? NUMBER : FORMAT };
    char **stems = xls_calloc(chain->num_layers, sizeof(*stems)), *indent;
    int i, c;

    t.rows = xls_calloc(chain->num_layers + 1, sizeof(*t.rows));
    for (c = 0; c < NUM_COLUMNS; c++)
        t.rows[0][c] = xls_strdup(titles[c]);
    for (i = 0; i < chain->num_layers; i++) {
        indents(chain, i, stems, &indent);
        fill_row(&t, chain, i, flat ? "" : indent, flat);
        free(indent);
    }
    for (i = 0; i <= chain->num_layers; i++)
        for (c = 0; c < NUM_COLUMNS; c++)
            if (strlen(t.rows[i][c]) > t.width[c])
                t.width[c] = strlen(t.rows[i][c]);

    fprintf(out, "%s: %d layer%s%s\n", chain->vdev, chain->num_layers,
            chain->num_layers == 1 ? "" : "s",
            !chain->validated ? "" : chain->agrees ? ", all agrees"
                                                   : ", NOT all agrees");
    for (i = 0; i <= chain->num_layers; i++) {
        print_row(&t, i, out);
        if (i)
            print_mismatches(&chain->layers[i - 1], out);
        for (c = 0; c < NUM_COLUMNS; c++)
            free(t.rows[i][c]);
    }
    for (i = 0; i < chain->num_layers; i++)
        free(stems[i]);
    free(stems);
    free(t.rows);
}
