/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/guest.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"

#define BLOCK (64 * 1024)

static struct shared {
    atomic_bool paused, idle, stop;
    atomic_int writes;
    atomic_bool failed;
    char error[512];
    unsigned char values[GUEST_BLOCKS];
    struct guest_note notes[GUEST_NOTES];
    int num_notes;
} *shared;
uint64_t (*guest_clock)(void);
static pid_t guest_pid;

static void note(const char *what, const char *output)
{
    snprintf(shared->error, sizeof(shared->error), "%s: %s", what, output);
    shared->failed = true;
}

/* A qemu-io command; its output is expected to begin with `expected`. */
static bool io(struct qmp_vm *vm, const char *command, const char *expected)
{
    struct xls_json *args = xls_json_object();
    char *line = xls_asprintf("qemu-io -d %s \"%s\"", vm->disks[0].vdev,
                              command);
    char out[256] = "";
    struct stat before;
    bool ok;
    int rc;

    fstat(vm->out, &before);
    xls_json_set_str(args, "command-line", line);
    rc = xls_qmp_run(vm->qmp, "human-monitor-command", args, VM_TIMEOUT_MS,
                     NULL);
    if (pread(vm->out, out, sizeof(out) - 1, before.st_size) < 0)
        out[0] = '\0';
    ok = !rc && !strncmp(out, expected, strlen(expected)) &&
         (expected[0] || !out[0]);
    if (!ok)
        note(command, rc ? "the monitor does not answer" : out);
    free(line);
    return ok;
}

static void write_on(struct qmp_vm *vm)
{
    unsigned n = 0;

    while (!shared->stop && !shared->failed) {
        unsigned char value = (unsigned char)(1 + n % 251);
        int block = (int)(n % GUEST_BLOCKS);
        char *command;

        shared->idle = shared->paused;
        if (shared->paused) {
            usleep(500);
            continue;
        }
        command = xls_asprintf("write -P %u %d %d", value,
                               (GUEST_FIRST + block) * BLOCK, BLOCK);
        if (io(vm, command, "wrote 65536/65536") && io(vm, "flush", "")) {
            shared->values[block] = value;
            if (guest_clock && shared->num_notes < GUEST_NOTES)
                shared->notes[shared->num_notes++] =
                    (struct guest_note){ guest_clock(), block, value };
            shared->writes++;
        }
        free(command);
        n++;
        usleep(1000);
    }
    shared->idle = true;
}

void guest_start(struct qmp_vm *vm)
{
    struct xls_qmp *qmp = NULL;

    if (!shared)
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    memset(shared, 0, sizeof(*shared));
    guest_pid = fork();
    assert_int_not_equal(guest_pid, -1);
    if (!guest_pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (xls_qmp_open(&vm_log, vm->guest, NULL, VM_TIMEOUT_MS, &qmp))
            note("connecting", vm_logged());
        vm->qmp = qmp;
        write_on(vm);
        _exit(0);
    }
    /* Each block has been written once. */
    while (shared->writes < GUEST_BLOCKS && !shared->failed)
        usleep(1000);
}

void guest_end(void)
{
    if (guest_pid <= 0)
        return;
    kill(guest_pid, SIGKILL);
    waitpid(guest_pid, NULL, 0);
    guest_pid = 0;
}

void guest_writes_on(void)
{
    int before = shared->writes, i;

    for (i = 0; i < 10000 && shared->writes < before + 2 && !shared->failed;
         i++)
        usleep(1000);
    if (shared->failed)
        fail_msg("the guest: %s", shared->error);
    if (shared->writes < before + 2)
        fail_msg("the guest does not write on");
}

void guest_stop(unsigned char values[GUEST_BLOCKS])
{
    guest_writes_on();
    shared->stop = true;
    waitpid(guest_pid, NULL, 0);
    guest_pid = 0;
    if (shared->failed)
        fail_msg("the guest: %s", shared->error);
    memcpy(values, shared->values, GUEST_BLOCKS);
}

const struct guest_note *guest_notes(int *num)
{
    *num = shared->num_notes;
    assert_in_range(*num, 0, GUEST_NOTES - 1);
    return shared->notes;
}

void guest_pause(bool paused)
{
    int i;

    if (guest_pid <= 0)
        return;
    shared->paused = paused;
    for (i = 0; paused && i < 5000 && !shared->idle && !shared->failed; i++)
        usleep(1000);
}
