/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_TESTS_QMP_JOB_SUPPORT_H
#define XLS_TESTS_QMP_JOB_SUPPORT_H

/* A disk with a chain of layers, each with data of its own, and what must hold
 * after every job. For one program each, hence all static. */
#include "qmp/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "session/op.h"

#define UNUSED __attribute__((unused))

#define KB 1024
#define BLOCK (64 * KB)
#define BLOCKS 24

/* What the guest has written, a byte value per block. */
static unsigned char written[BLOCKS];

static UNUSED void guest_writes(int block, unsigned char value)
{
    vm_write(host.vm, "xvda", (uint64_t)block * BLOCK, BLOCK, value);
    written[block] = value;
}

static UNUSED void guest_reads_its_data(void)
{
    int i;

    for (i = 0; i < BLOCKS; i++)
        if (!vm_holds(host.vm, "xvda", (uint64_t)i * BLOCK, BLOCK, written[i]))
            fail_msg("block %d does not hold %d", i, written[i]);
}

static UNUSED char *layer_path(int number)
{
    return xls_asprintf("%s/layer%d", host.images, number);
}

/* The arguments of a call on one disk; takes external_path, which is NULL for a
 * snapshot that is not in a file of its own. */
static UNUSED void one_disk(libxl_domain_snapshot_args *args, const char *vdev,
                            libxl_snapshot_method method, char *external_path)
{
    libxl_domain_snapshot_args_init(args);
    args->num_disks = 1;
    args->disks = xls_calloc(1, sizeof(*args->disks));
    libxl_disk_snapshot_init(args->disks);
    args->disks->disk.vdev = xls_strdup(vdev);
    args->disks->method = method;
    args->disks->external_path = external_path;
}

/* A snapshot of the disk: the path goes on naming the active layer, what was
 * under it is called layer<number> then. */
static UNUSED int snapshot(int number)
{
    libxl_domain_snapshot_args args;
    int rc;

    one_disk(&args, "xvda", LIBXL_SNAPSHOT_METHOD_EXTERNAL, layer_path(number));
    args.disks->keep_path = host.disks[0].format == LIBXL_DISK_FORMAT_QCOW2;
    rc = host_call(libxl_domain_snapshot_create(host_ctx, host.domid, &args,
                                                &host_how, NULL));
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

/* A disk of depth layers: layer1 is the lowest, the disk's path the active
 * one. Each layer has blocks of its own and hides some of those below. */
static UNUSED void chain_start(int ndisks, int depth)
{
    int i;

    memset(written, 0, sizeof(written));
    host_start(vm_start(ndisks, NULL));
    for (i = 1; i <= depth; i++) {
        guest_writes(0, i);
        guest_writes(i, 0x10 + i);
        guest_writes(i + 1, 0x20 + i);
        if (i < depth && snapshot(i))
            fail_msg("%s", vm_logged());
    }
}

static UNUSED void get_info(libxl_disk_job *job)
{
    libxl_disk_job_init(job);
    if (host_call(libxl_disk_job_info(host_ctx, host.domid, "xvda", &host_how,
                                      job)))
        fail_msg("%s", vm_logged());
}

static UNUSED libxl_disk_job_phase phase_now(void)
{
    libxl_disk_job_phase phase;
    libxl_disk_job job;

    get_info(&job);
    phase = job.phase;
    libxl_disk_job_dispose(&job);
    return phase;
}

static UNUSED void wait_until(libxl_disk_job_phase phase)
{
    libxl_disk_job job;

    libxl_disk_job_init(&job);
    if (host_call(libxl_disk_job_wait(host_ctx, host.domid, "xvda", &host_how,
                                      &job)))
        fail_msg("%s", vm_logged());
    if (job.phase != phase)
        fail_msg("%s, not %s: %s (%s)",
                 libxl_disk_job_phase_to_string(job.phase),
                 libxl_disk_job_phase_to_string(phase),
                 job.error ? job.error : "", vm_logged());
    libxl_disk_job_dispose(&job);
}

static UNUSED int do_abort(unsigned flags)
{
    return host_call(libxl_disk_job_abort(host_ctx, host.domid, "xvda", flags,
                                          &host_how, NULL));
}

/* The job of a copy comes to its end by a pivot, with the guest writing. */
static UNUSED void pivots(libxl_disk_job *job)
{
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    guest_writes(20, 0x77);
    if (do_abort(LIBXL_DISK_JOB_ABORT_PIVOT))
        fail_msg("%s", vm_logged());
    get_info(job);
    assert_int_equal(job->phase, LIBXL_DISK_JOB_PHASE_COMPLETED);
}

static UNUSED int pull(const char *base, uint64_t speed)
{
    libxl_disk_pull_args args = { .vdev = (char *)"xvda", .speed = speed,
                                  .base = (char *)base };

    return host_call(libxl_disk_pull(host_ctx, host.domid, &args, &host_how));
}

static UNUSED int commit(const char *top, const char *base, uint64_t speed)
{
    libxl_disk_commit_args args = { .vdev = (char *)"xvda", .speed = speed,
                                    .top = (char *)top, .base = (char *)base };

    return host_call(libxl_disk_commit(host_ctx, host.domid, &args,
                                       &host_how));
}

/* Into a base that no snapshot of ours has frozen. */
static UNUSED int commit_forced(const char *base)
{
    libxl_disk_commit_args args = { .vdev = (char *)"xvda", .force = true,
                                    .base = (char *)base };

    return host_call(libxl_disk_commit(host_ctx, host.domid, &args,
                                       &host_how));
}

static UNUSED bool is_protected(const char *path)
{
    char *out = sh_output("lsattr -d '%s' 2>/dev/null | cut -c5;"
                          "stat -c %%A '%s' | cut -c3", path, path);
    /* The flag, or where there is none no write permission. */
    bool is = out[0] == 'i' || out[strlen(out) - 1] == '-';

    free(out);
    return is;
}

/*
 * The guest reads what it wrote; QEMU, the records and the images' own backing
 * names agree; all layers but the active one are protected; each image is
 * clean.
 */
static UNUSED void all_is_right(int depth)
{
    struct xls_json *stats;
    const struct xls_json *s;
    char *path, *top = xls_strdup(vm_top_file(host.vm, "xvda"));
    int n = 0;

    guest_reads_its_data();
    assert_string_equal(host.disks[0].path, top);
    assert_false(host.paused);
    stats = vm_run(host.vm, "query-blockstats", NULL);
    for (s = xls_json_at(stats, 0); s; s = xls_json_get(s, "backing"))
        n++;
    xls_json_free(stats);
    assert_int_equal(n, depth);
    assert_false(is_protected(top));
    path = top;
    for (n = 1; n < depth; n++) {
        char *next = sh_output("qemu-img info -U --output=json '%s' | "
                               "sed -n 's/.*\"full-backing-filename\": "
                               "\"\\(.*\\)\",*/\\1/p'", path);

        sh("qemu-img check -q -U -f qcow2 '%s'", path);
        if (!is_protected(next))
            fail_msg("%s is not protected", next);
        free(path);
        path = next;
    }
    sh("test -z \"$(qemu-img info -U '%s' | grep backing)\"", path);
    free(path);
    sh("test -z \"$(ls '%s' | grep -e xls-tmp -e xls-new)\"", host.images);
    sh("test -z \"$(ls '%s/lib/xlsnapshot' | grep json)\"", HOST_DIR);
}

#endif
