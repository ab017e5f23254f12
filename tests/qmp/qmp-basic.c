/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The QMP client and a real QEMU: handshake, errors, events, large messages,
 * one client after another, a QEMU that hangs or dies.
 */
#include "qmp/support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_logged(const char *words)
{
    if (!strstr(vm_logged(), words))
        fail_msg("'%s' is not in the log: '%s'", words, vm_logged());
}

static void version_is_what_query_version_says(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    struct xls_json *v = vm_run(vm, "query-version", NULL);
    const struct xls_json *q = xls_json_get(v, "qemu");
    int64_t major, minor, micro;

    (void)state;
    assert_true(xls_json_get_int(q, "major", &major));
    assert_true(xls_json_get_int(q, "minor", &minor));
    assert_true(xls_json_get_int(q, "micro", &micro));
    assert_int_equal(xls_qmp_version(vm->qmp),
                     major * 1000000 + minor * 1000 + micro);
    assert_in_range(xls_qmp_version(vm->qmp), 6000000, 99999999);
    xls_json_free(v);
}

static void commands_are_known(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    bool has;

    (void)state;
    assert_int_equal(xls_qmp_has_command(vm->qmp, "blockdev-snapshot", &has),
                     0);
    assert_true(has);
    assert_int_equal(xls_qmp_has_command(vm->qmp, "blockdev-reopen", &has), 0);
    assert_true(has);
    assert_int_equal(xls_qmp_has_command(vm->qmp, "blockdev-", &has), 0);
    assert_false(has);
}

static void error_keeps_class_and_words_and_the_connection_lives(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    struct xls_json *v = NULL;

    (void)state;
    assert_int_equal(xls_qmp_run(vm->qmp, "no-such-command", NULL,
                                 VM_TIMEOUT_MS, &v), ERROR_SNAPSHOT_QEMU);
    assert_null(v);
    assert_string_equal(xls_qmp_error_class(vm->qmp), "CommandNotFound");
    assert_string_equal(xls_qmp_error_desc(vm->qmp),
                        "The command no-such-command has not been found");
    assert_string_equal(vm_logged(), "");

    assert_int_equal(xls_qmp_must(vm->qmp, "cannot open the overlay",
                                  "blockdev-add",
                                  json("{'driver':'file','node-name':'a',"
                                       "'filename':'/nonexistent/x'}"),
                                  VM_TIMEOUT_MS, NULL), ERROR_SNAPSHOT_QEMU);
    assert_string_equal(xls_qmp_error_class(vm->qmp), "GenericError");
    assert_logged("cannot open the overlay: Could not open '/nonexistent/x'");
    vm_do(vm, "query-status", NULL);
}

static void control_characters_that_qemu_echoes_are_replaced(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);

    (void)state;
    assert_int_equal(xls_qmp_must(vm->qmp, "x", "a\x1b[31m\n\x7f\xc2\x85z",
                                  NULL, VM_TIMEOUT_MS, NULL),
                     ERROR_SNAPSHOT_QEMU);
    assert_logged("The command a?[31m???z has not been found");
}

static void large_reply_and_large_command(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    struct xls_json *v = vm_run(vm, "query-qmp-schema", NULL);
    struct xls_json *args = xls_json_object();
    char *text = xls_json_print(v, false);
    char *big = malloc(400001);

    (void)state;
    assert_true(xls_json_len(v) > 500);
    assert_true(strlen(text) > 100000);
    free(text);
    xls_json_free(v);

    /* more than the socket buffers; QEMU reads it a byte at a time */
    memset(big, 'x', 400000);
    big[400000] = '\0';
    xls_json_set_str(args, "nonsense", big);
    free(big);
    assert_int_equal(xls_qmp_run(vm->qmp, "query-status", args, VM_TIMEOUT_MS,
                                 NULL), ERROR_SNAPSHOT_QEMU);
    assert_string_equal(xls_qmp_error_desc(vm->qmp),
                        "Parameter 'nonsense' is unexpected");
    vm_do(vm, "query-status", NULL);
}

static void events_of_a_job_come_in_order(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    struct xls_json *event;
    char seen[200] = "";

    (void)state;
    sh("touch %s/new", vm->dir);
    vm_do(vm, "blockdev-create",
          json("{'job-id':'j','options':{'driver':'file',"
               "'filename':'%s/new','size':1048576}}", vm->dir));
    while (!strstr(seen, "null")) {
        const struct xls_json *data;

        event = vm_event(vm, "JOB_STATUS_CHANGE");
        data = xls_json_get(event, "data");
        assert_string_equal(xls_json_get_str(data, "id"), "j");
        assert_non_null(xls_json_get(event, "timestamp"));
        strcat(seen, xls_json_get_str(data, "status"));
        strcat(seen, " ");
        xls_json_free(event);
        if (strstr(seen, "concluded") && !strstr(seen, "null"))
            vm_do(vm, "job-dismiss", json("{'id':'j'}"));
    }
    assert_string_equal(seen,
                        "created running waiting pending concluded null ");
    assert_int_equal(xls_qmp_event(vm->qmp, 50, &event), ERROR_TIMEDOUT);
    vm_do(vm, "query-status", NULL);
}

static void second_client_waits_until_the_first_has_gone(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    struct xls_qmp *second = NULL;

    (void)state;
    assert_int_equal(xls_qmp_open(&vm_log, vm->socket, NULL, 300, &second),
                     ERROR_TIMEDOUT);
    assert_null(second);
    assert_logged("serves another client");
    vm_do(vm, "query-status", NULL);
    xls_qmp_close(vm->qmp);
    vm->qmp = NULL;
    vm_connect(vm);
    vm_do(vm, "query-status", NULL);
}

static int client(struct qmp_vm *vm)
{
    int i;

    for (i = 0; i < 25; i++) {
        struct xls_qmp *qmp = NULL;

        if (xls_qmp_open(&vm_log, vm->socket, vm->lock, 60000, &qmp) ||
            xls_qmp_run(qmp, "query-status", NULL, 10000, NULL)) {
            fprintf(stderr, "%s\n", vm_logged());
            return 1;
        }
        xls_qmp_close(qmp);
    }
    return 0;
}

static void processes_take_turns_by_the_lock(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    pid_t pids[4];
    int status, bad = 0;
    size_t i;

    (void)state;
    xls_qmp_close(vm->qmp);
    vm->qmp = NULL;
    for (i = 0; i < 4; i++) {
        pids[i] = fork();
        assert_int_not_equal(pids[i], -1);
        if (!pids[i])
            _exit(client(vm));
    }
    for (i = 0; i < 4; i++) {
        waitpid(pids[i], &status, 0);
        bad |= status;
    }
    assert_int_equal(bad, 0);
    assert_int_equal(access(vm->lock, F_OK), -1);
    assert_int_equal(errno, ENOENT);
}

static void qemu_that_hangs_times_out(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    struct xls_qmp *second = NULL;

    (void)state;
    kill(vm->pid, SIGSTOP);
    assert_int_equal(xls_qmp_run(vm->qmp, "query-status", NULL, 200, NULL),
                     ERROR_TIMEDOUT);
    assert_logged("no reply to query-status within 200 ms");
    kill(vm->pid, SIGCONT);
    /* the late reply must not be taken for that of another command */
    assert_int_equal(xls_qmp_run(vm->qmp, "query-name", NULL, 5000, NULL),
                     ERROR_SNAPSHOT_QMP);
    xls_qmp_close(vm->qmp);
    vm->qmp = NULL;
    assert_int_equal(xls_qmp_open(&vm_log, vm->socket, vm->lock,
                                  VM_TIMEOUT_MS, &second), 0);
    assert_int_equal(xls_qmp_run(second, "query-name", NULL, 5000, NULL), 0);
    xls_qmp_close(second);
}

static void qemu_that_dies_is_an_error(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    struct xls_qmp *second = NULL;
    siginfo_t ended;

    (void)state;
    kill(vm->pid, SIGKILL);
    assert_int_equal(xls_qmp_run(vm->qmp, "query-status", NULL, 5000, NULL),
                     ERROR_SNAPSHOT_QMP);
    /* one that is still dying has closed this connection, but yet listens */
    assert_int_equal(waitid(P_PID, vm->pid, &ended, WEXITED | WNOWAIT), 0);
    assert_int_equal(xls_qmp_open(&vm_log, vm->socket, vm->lock, 5000,
                                  &second), ERROR_SNAPSHOT_QMP);
    assert_logged("Connection refused");
    assert_int_equal(access(vm->lock, F_OK), -1);
}

static void quit_is_answered_before_qemu_ends(void **state)
{
    struct qmp_vm *vm = vm_start(0, NULL);
    struct xls_json *event;

    (void)state;
    vm_do(vm, "quit", NULL);
    event = vm_event(vm, "SHUTDOWN");
    xls_json_free(event);
    assert_int_equal(xls_qmp_event(vm->qmp, VM_TIMEOUT_MS, &event),
                     ERROR_SNAPSHOT_QMP);
    assert_logged("closed the connection");
}

#define TEST(name) cmocka_unit_test_teardown(name, vm_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(version_is_what_query_version_says),
        TEST(commands_are_known),
        TEST(error_keeps_class_and_words_and_the_connection_lives),
        TEST(control_characters_that_qemu_echoes_are_replaced),
        TEST(large_reply_and_large_command),
        TEST(events_of_a_job_come_in_order),
        TEST(second_client_waits_until_the_first_has_gone),
        TEST(processes_take_turns_by_the_lock),
        TEST(qemu_that_hangs_times_out),
        TEST(qemu_that_dies_is_an_error),
        TEST(quit_is_answered_before_qemu_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
