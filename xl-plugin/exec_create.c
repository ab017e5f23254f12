/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-snapshot exec-create XL WORDS...: becomes "XL WORDS...", an xl create,
 * with the current layers of the domain's disks where its config file cannot
 * name them. Whatever is in the way, xl is run with the words as they are.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "exec/rewrite.h"

#define MAX_CONFIG (1 << 20)

/* The text that xl will parse; NULL when it cannot be read. */
static char *read_config(const char *path, const char *extra)
{
    char *text, *whole = NULL;
    struct stat st;
    ssize_t len;
    int fd;

    if (!strcmp(path, "/dev/null"))
        return xls_asprintf("\n%s\n", extra ? extra : "");
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size < MAX_CONFIG) {
        text = xls_calloc(st.st_size + 1, 1);
        len = pread(fd, text, st.st_size, 0);
        if (len == st.st_size && strlen(text) == (size_t)len)
            whole = xls_asprintf("%s\n%s\n", text, extra ? extra : "");
        free(text);
    }
    close(fd);
    return whole;
}

/* The word to add, or NULL. */
static char *find_word(int num, const char *const words[])
{
    char *file, *extra, *text, *name = NULL, *word = NULL;
    struct strings notes = { 0 };
    struct store *st = NULL;
    struct error e = { 0 };
    int i;

    if (!create_words(num, words, &file, &extra))
        return NULL;
    text = read_config(file, extra);
    if (text)
        name = config_name(text);
    if (name && store_open(STORE_ROOT, name, false, 0, &st, &e))
        fprintf(stderr, "xl create: the snapshots of %s are left out of "
                "account: %s\n", name, e.text);
    else if (name) {
        store_assume_merged(st);
        word = disk_assignment(text, st, &notes);
    }
    for (i = 0; i < notes.num; i++)
        fprintf(stderr, "xl create: %s\n", notes.v[i]);
    strings_free(&notes);
    store_close(st);
    error_clear(&e);
    free(name);
    free(text);
    free(file);
    free(extra);
    return word;
}

int command_exec_create(struct cli *cli, int argc, char **argv)
{
    char **words;
    int i;

    if (argc < 3)
        return cli_usage(cli, "which xl, and what for?");
    words = xls_calloc(argc + 1, sizeof(*words));
    words[0] = argv[1];
    for (i = 2; i < argc; i++)
        words[i - 1] = argv[i];
    words[argc - 1] = find_word(argc - 2, (const char *const *)argv + 2);
    execv(argv[1], words);
    fprintf(stderr, "xl: cannot run %s: %s\n", argv[1], strerror(errno));
    return 126;
}
