/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-snapshot exec-create XL WORDS...: becomes "XL WORDS...", an xl create,
 * with the current layers of the domain's disks where its config file cannot
 * name them. Words that xl would refuse are left to it. A domain that has
 * snapshots is started once nothing works on them any more, and with what was
 * interrupted put in order.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "xlcreate/rewrite.h"
#include "xlcreate/start_lock.h"

#define MAX_CONFIG (16 << 20)

/* All that is in fd, less than MAX_CONFIG bytes of text; NULL otherwise. */
static char *read_text(int fd)
{
    size_t len = 0, size = 4096;
    char *text = xls_calloc(size, 1);
    ssize_t got = 1;

    while (got > 0 && len < MAX_CONFIG) {
        if (len + 1 == size)
            text = xls_realloc(text, size *= 2, 1);
        got = read(fd, text + len, size - len - 1);
        len += got > 0 ? got : 0;
    }
    text[len] = '\0';
    if (!got && strlen(text) == len)
        return text;
    free(text);
    return NULL;
}

/* What can be read once only: xl gets a copy; the path of that, malloc'ed. */
static char *copy_for_xl(const char *text)
{
    int fd = memfd_create("xl.cfg", 0);
    size_t len = strlen(text);

    if (fd >= 0 && write(fd, text, len) == (ssize_t)len &&
        !lseek(fd, 0, SEEK_SET))
        return xls_asprintf("/proc/self/fd/%d", fd);
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* The text that xl will parse; NULL when it cannot be read. *copy: see
 * copy_for_xl; NULL: xl can read the file itself. */
static char *read_config(const char *path, const char *extra, char **copy)
{
    char *text = NULL, *whole = NULL;
    struct stat st;
    int fd;

    *copy = NULL;
    if (!strcmp(path, "/dev/null"))
        return xls_asprintf("\n%s\n", extra ? extra : "");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (!fstat(fd, &st) && !S_ISDIR(st.st_mode))
        text = read_text(fd);
    if (text && !S_ISREG(st.st_mode))
        *copy = copy_for_xl(text);
    if (text)
        whole = xls_asprintf("%s\n%s\n", text, extra ? extra : "");
    free(text);
    close(fd);
    return whole;
}

static bool has_store(const char *domain)
{
    struct error ignored = { 0 };
    struct store *st;
    bool has;

    /* One that cannot be read is there. */
    has = store_open(STORE_ROOT, domain, false, 0, &st, &ignored) ||
        st->dir >= 0;
    error_clear(&ignored);
    store_close(st);
    return has;
}

static int refuse(const char *name, const char *why)
{
    fprintf(stderr, "xl create: %s is not started: %s\n", name, why);
    return -1;
}

/* The word to add, or NULL. -1: the domain must not be started. */
static int prepare(struct cli *cli, const char *name, const char *text,
                   char **word)
{
    struct strings notes = { 0 };
    struct session s = { 0 };
    struct error e = { 0 };
    char *whole, *why;
    int i, ret = 0;

    if (has_store(name)) {
        if (session_start(cli, name, &s, &e))
            ret = refuse(name, e.text);
        else if (s.store)
            *word = disk_assignment(text, s.store, &notes);
    }
    for (i = 0; i < notes.num; i++)
        fprintf(stderr, "xl create: %s\n", notes.v[i]);
    whole = xls_asprintf("%s\n%s\n", text, *word ? *word : "");
    why = ret ? NULL : start_obstacle(whole, STORE_ROOT);
    if (why)
        ret = refuse(name, why);
    if (!ret && s.store)
        start_lock_hold(s.store->lock, name);
    free(whole);
    free(why);
    strings_free(&notes);
    session_close(&s);
    error_clear(&e);
    return ret;
}

/* The same for xl's words. */
static int find_word(struct cli *cli, int num, const char *words[],
                     char **word)
{
    char *file, *extra, *text, *copy, *name = NULL;
    struct error e = { 0 };
    int i, ret = 0;

    if (!create_words(num, words, &file, &extra))
        return 0;
    text = read_config(file, extra, &copy);
    for (i = 0; copy && i < num; i++)
        if (!strcmp(words[i], file)) {
            words[i] = copy;
            break;
        }
    if (text)
        name = config_name(text);
    /* Without Xen, it is xl that says so. */
    if (name && *name && !cli_libxl(cli, &e))
        ret = prepare(cli, name, text, word);
    error_clear(&e);
    free(name);
    free(text);
    free(file);
    free(extra);
    return ret;
}

int command_exec_create(struct cli *cli, int argc, char **argv)
{
    struct command named = *cli->command;
    const char **words;
    char *word = NULL;
    int i;

    if (argc < 3)
        return cli_usage(cli, "which xl, and what for?");
    named.name = "create";
    cli->command = &named;
    words = xls_calloc(argc + 1, sizeof(*words));
    for (i = 1; i < argc; i++)
        words[i - 1] = argv[i];
    if (find_word(cli, argc - 2, words + 1, &word))
        return EXIT_FAILED;
    words[argc - 1] = word;
    execv(argv[1], (char **)words);
    fprintf(stderr, "xl: cannot run %s: %s\n", argv[1], strerror(errno));
    return 126;
}
