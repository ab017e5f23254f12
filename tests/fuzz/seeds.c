/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Makes the kept corpus: seeds DIRECTORY FILE…, each a recipe. A last line
 * makes an image of a content: "image LEVEL", or "child LEVEL", which is based
 * on the targets' parent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "place.h"
#include "recipe.h"

static bool make_image(struct recipe *r, const char *line)
{
    struct xls_image *parent = NULL;
    bool child = !strncmp(line, "child ", 6);

    if (!child && strncmp(line, "image ", 6))
        return false;
    if (child)
        parent = place_open("parent");
    if (place_store("input", r->data, r->len, atoi(line + 6), parent))
        return false;
    xls_image_close(parent);
    free(r->data);
    r->data = place_read("input", &r->len);
    return true;
}

static void make(const char *directory, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *to = xls_asprintf("%s/%s", directory, slash ? slash + 1 : path);
    FILE *in = fopen(path, "re"), *out = fopen(to, "we");
    struct recipe r = { 0 };
    char line[4096];

    if (!in || !out) {
        fprintf(stderr, "cannot make %s of %s\n", to, path);
        exit(1);
    }
    while (fgets(line, sizeof(line), in)) {
        line[strcspn(line, "\n")] = '\0';
        if (*line && *line != '#' && !recipe_line(&r, line) &&
            !make_image(&r, line)) {
            fprintf(stderr, "%s: what is \"%s\"?\n", path, line);
            exit(1);
        }
    }
    if (fwrite(r.data, 1, r.len, out) != r.len || fclose(out)) {
        fprintf(stderr, "cannot write %s\n", to);
        exit(1);
    }
    fclose(in);
    free(r.data);
    free(to);
}

int main(int argc, char **argv)
{
    int i;

    if (argc < 2)
        return 2;
    place_make();
    for (i = 2; i < argc; i++)
        make(argv[1], argv[i]);
    return 0;
}
