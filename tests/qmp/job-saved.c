/* SPDX-License-Identifier: LGPL-2.1-only */
/* A domain that is being saved is left alone, and nobody can pretend that it
 * is. This program, under another name, is what libxl's helper looks like. */
#include "qmp/job_support.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define NOBODY 65534

/* Where anybody may run it. */
static char place[] = "/tmp/xls-helper-XXXXXX";

struct helper {
    const char *name;           /* of the program's file */
    bool nobody;                /* runs it, and hides who it is */
};

static pid_t start(const struct helper *h)
{
    char *path = xls_asprintf("%s/%s", place, h->name), byte, fd[16], id[16];
    int ready[2];
    pid_t pid;

    sh("cp /proc/%d/exe '%s' && chmod 755 '%s' '%s'", getpid(), path, path,
       place);
    assert_int_equal(pipe(ready), 0);
    snprintf(fd, sizeof(fd), "%d", ready[1]);
    snprintf(id, sizeof(id), "%d", HOST_DOMID);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        if (h->nobody && (setgroups(0, NULL) || setgid(NOBODY) ||
                          setuid(NOBODY)))
            _exit(1);
        execl(path, "/usr/lib/xen/bin/libxl-save-helper", "--save-domain", fd,
              id, NULL);
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    free(path);
    return pid;
}

/* What the copy does. */
static int helper(int fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Its files in /proc are root's then, whoever runs it. */
    prctl(PR_SET_DUMPABLE, 0);
    if (write(fd, "", 1) != 1)
        return 1;
    pause();
    return 0;
}

static int snapshot_beside(const struct helper *h, int number)
{
    pid_t pid = start(h);
    int rc;

    vm_log_clear();
    rc = snapshot(number);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return rc;
}

static void only_roots_helper_counts(void **state)
{
    static const struct helper real = { "libxl-save-helper", false };
    static const struct helper users = { "libxl-save-helper", true };
    static const struct helper another = { "another", false };

    (void)state;
    if (getuid()) {
        puts("skipped: only root can be more than one user");
        skip();
    }
    chain_start(1, 1);
    assert_int_equal(snapshot_beside(&real, 1), ERROR_SNAPSHOT_STATE);
    assert_non_null(strstr(vm_logged(), "being saved"));
    assert_int_equal(snapshot_beside(&users, 1), 0);
    assert_int_equal(snapshot_beside(&another, 2), 0);
}

static int teardown(void **state)
{
    sh("rm -rf '%s'", place);
    return host_teardown(state);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(only_roots_helper_counts, teardown),
    };

    if (argc > 2 && !strcmp(argv[1], "--save-domain"))
        return helper(atoi(argv[2]));
    if (!mkdtemp(place))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
