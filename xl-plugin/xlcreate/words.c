/* SPDX-License-Identifier: LGPL-2.1-only */
#include "xlcreate/rewrite.h"

#include <getopt.h>
#include <stdlib.h>

#include "common/alloc.h"

/* xl's own options, as of Xen 4.17 to 4.20. */
static const struct option options[] = {
    { "defconfig", required_argument, NULL, 'f' },
    { "dryrun", no_argument, NULL, 'n' },
    { "ignore-global-affinity-masks", no_argument, NULL, 'i' },
    { "quiet", no_argument, NULL, 'q' },
    { "vncviewer", no_argument, NULL, 'V' },
    { "vncviewer-autopass", no_argument, NULL, 'A' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 }
};

static void append(char **text, const char *line)
{
    char *more = xls_asprintf("%s%s\n", *text ? *text : "", line);

    free(*text);
    *text = more;
}

/* Follows what xl's main_create does with its words. */
static bool command_words(int argc, char **argv, char **file, char **extra)
{
    int opt;

    if (argc > 1 && argv[1][0] != '-' && !strchr(argv[1], '=')) {
        *file = xls_strdup(argv[1]);
        argc--;
        argv++;
    }
    optind = 0;
    opterr = 0;
    while ((opt = getopt_long(argc, argv, "AFVcdef:inpq", options, NULL)) >=
           0) {
        if (opt == '?' || opt == 'h')
            return false;
        if (opt == 'f')
            str_replace(file, optarg);
    }
    for (; optind < argc; optind++) {
        if (strchr(argv[optind], '='))
            append(extra, argv[optind]);
        else if (!*file)
            *file = xls_strdup(argv[optind]);
        else
            return false;
    }
    return *file != NULL;
}

bool create_words(int num, const char *const words[], char **file,
                  char **extra)
{
    /* getopt sorts the words, which must reach xl as they are. */
    char **argv = xls_calloc(num + 2, sizeof(*argv));
    bool usable = true;
    int opt, i;

    *file = *extra = NULL;
    argv[0] = (char *)"xl";
    for (i = 0; i < num; i++)
        argv[i + 1] = (char *)words[i];
    optind = 0;
    opterr = 0;
    while ((opt = getopt(num + 1, argv, "+vftTN")) >= 0)
        usable &= opt != '?';
    i = optind;
    if (!usable || i > num ||
        !command_words(num + 1 - i, argv + i, file, extra)) {
        free(*file);
        free(*extra);
        *file = *extra = NULL;
        usable = false;
    }
    free(argv);
    return usable;
}
