/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-snapshot exec-rename XL WORDS...: runs "XL WORDS...", an xl rename, and has
 * the domain's snapshots follow.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/names.h"

/* The words that are neither options nor the command. */
static int operands(char *const words[], const char *found[2])
{
    bool command = false;
    int num = 0;

    for (; *words; words++) {
        if (**words == '-')
            continue;
        if (!command)
            command = true;
        else if (num++ < 2)
            found[num - 1] = *words;
    }
    return num;
}

static int run_xl(char *const words[])
{
    int status;
    pid_t pid = fork();

    if (!pid) {
        execv(words[0], words);
        fprintf(stderr, "xl: cannot run %s: %s\n", words[0],
                strerror(errno));
        _exit(126);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 126;
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

/* Whether the new name is free for the snapshots. */
static int check_name(const char *name, struct error *e)
{
    struct store *st;
    int ret;

    if (domain_name_check(name, e))
        return -1;
    ret = store_open(STORE_ROOT, name, false, 0, &st, e);
    if (!ret)
        ret = store_check_free(st, e);
    store_close(st);
    return ret;
}

static int rename_domain(struct cli *cli, char *const words[],
                         const char *old, const char *name)
{
    struct error e = { 0 };
    struct store *st = NULL;
    int code;

    if (check_name(name, &e) ||
        store_open(STORE_ROOT, old, true, LOCK_WAIT, &st, &e))
        return cli_fail(cli, &e);
    code = run_xl(words);
    if (!code && store_move(st, name, &e))
        code = cli_fail(cli, &e);
    store_close(st);
    return code;
}

/* Snapshots, or what else only its store knows. */
static bool has_snapshots(const char *name)
{
    struct error ignored = { 0 };
    struct store *st;
    bool has = !store_open(STORE_ROOT, name, false, 0, &st, &ignored) &&
        store_check_free(st, &ignored);

    error_clear(&ignored);
    store_close(st);
    return has;
}

int command_exec_rename(struct cli *cli, int argc, char **argv)
{
    const char *found[2] = { NULL, NULL };
    struct domain domain = { 0 };
    struct error ignored = { 0 };
    int code;

    if (argc < 3)
        return cli_usage(cli, "which xl, and what for?");
    if (operands(argv + 2, found) != 2 ||
        cli_domain(cli, found[0], true, &domain, &ignored) ||
        !has_snapshots(domain.name))
        code = run_xl(argv + 1);
    else
        code = rename_domain(cli, argv + 1, domain.name, found[1]);
    error_clear(&ignored);
    free(domain.name);
    return code;
}
