/* SPDX-License-Identifier: LGPL-2.1-only */
/* What a terminal and a closed pipe do to a command at work, and to the programs
 * that it has started. */
#include "plugin.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "cli/progress.h"
#include "cli/signals.h"

static int to_child[2], from_child[2];
static pid_t child;

static bool cancelled(struct progress *p)
{
    const libxl_snapshot_progress now = { .phase = "memory" };

    return progress_report(p, &now);
}

/* Answers each byte with whether it was cancelled. */
static void work(void)
{
    struct progress progress;
    char byte;

    signals_ignore();
    progress_start(&progress);
    progress_shield(&progress);
    while (read(to_child[0], &byte, 1) == 1) {
        byte = cancelled(&progress) ? 'c' : 'w';
        if (write(from_child[1], &byte, 1) != 1)
            break;
    }
    _exit(0);
}

static pid_t start(void)
{
    pid_t pid;

    assert_int_equal(pipe(to_child) | pipe(from_child), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        close(to_child[1]);
        close(from_child[0]);
        work();
    }
    close(to_child[0]);
    close(from_child[1]);
    child = pid;
    return pid;
}

static char ask(void)
{
    struct pollfd answer = { .fd = from_child[0], .events = POLLIN };
    char byte = 0;

    assert_int_equal(write(to_child[1], "?", 1), 1);
    if (poll(&answer, 1, 5000) != 1)
        kill(child, SIGKILL);
    assert_int_equal(read(from_child[0], &byte, 1), 1);
    return byte;
}

static void finish(pid_t pid)
{
    int status;

    close(to_child[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    close(from_child[0]);
}

static void what_would_stop_or_end_it_does_not(void **state)
{
    static const int signals[] = { SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE,
                                   SIGXFSZ };
    pid_t pid = start();
    size_t i;
    int status;

    (void)state;
    assert_int_equal(ask(), 'w');
    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        kill(pid, signals[i]);
        assert_int_equal(ask(), 'w');
        assert_int_equal(waitpid(pid, &status, WNOHANG | WUNTRACED), 0);
    }
    finish(pid);
}

static void what_asks_it_to_end_cancels(void **state)
{
    static const int signals[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        pid_t pid = start();

        assert_int_equal(ask(), 'w');
        kill(pid, signals[i]);
        assert_int_equal(ask(), 'c');
        finish(pid);
    }
}

/* The bits that a program which is started sees in /proc/self/status. */
static unsigned long long bits(const char *name)
{
    unsigned long long value = 0;
    int fds[2], status;
    char line[256];
    pid_t pid;
    FILE *f;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(fds[1], STDOUT_FILENO);
        execlp("cat", "cat", "/proc/self/status", NULL);
        _exit(1);
    }
    close(fds[1]);
    f = fdopen(fds[0], "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        if (!strncmp(line, name, strlen(name)))
            value = strtoull(line + strlen(name) + 1, NULL, 16);
    fclose(f);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return value;
}

#define BIT(number) (1ull << ((number) - 1))

static void programs_that_it_starts_are_not_stopped_and_end_as_ever(
    void **state)
{
    struct progress progress;

    (void)state;
    signals_ignore();
    progress_start(&progress);
    assert_true(bits("SigIgn:") & BIT(SIGTSTP));
    assert_true(bits("SigIgn:") & BIT(SIGTTOU));
    assert_false(bits("SigIgn:") & BIT(SIGPIPE));
    assert_false(bits("SigBlk:") & (BIT(SIGTERM) | BIT(SIGINT)));
    progress_shield(&progress);
    assert_true(bits("SigBlk:") & BIT(SIGQUIT));
    progress_end(&progress);
    assert_false(bits("SigBlk:") & BIT(SIGQUIT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_would_stop_or_end_it_does_not),
        cmocka_unit_test(what_asks_it_to_end_cancels),
        cmocka_unit_test(
            programs_that_it_starts_are_not_stopped_and_end_as_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
