/* SPDX-License-Identifier: LGPL-2.1-only */
/* The rules of block jobs, each with its error. */
#include "qmp/job_support.h"

#include <poll.h>

#include "block/job.h"

/* Bytes per second at which no job of these tests comes to an end. */
#define SLOW 1000

static void expect(int rc, int expected, const char *says)
{
    if (rc != expected || !strstr(vm_logged(), says))
        fail_msg("%d, not %d with \"%s\": %s", rc, expected, says,
                 vm_logged());
    vm_log_clear();
}

static int set_speed(uint64_t speed)
{
    return host_call(libxl_disk_job_set_speed(host_ctx, host.domid, "xvda",
                                              speed, &host_how));
}

static void layers_must_be_of_the_chain_and_in_order(void **state)
{
    char *one, *two;

    (void)state;
    chain_start(1, 3);
    one = layer_path(1);
    two = layer_path(2);
    expect(pull("/no/such", 0), ERROR_SNAPSHOT_CHAIN_MISMATCH, "/no/such");
    expect(pull(host.disks[0].path, 0), ERROR_SNAPSHOT_CHAIN_MISMATCH,
           "active layer");
    expect(pull(two, 0), ERROR_INVAL, "nothing to pull");
    expect(commit("/no/such", NULL, 0), ERROR_SNAPSHOT_CHAIN_MISMATCH,
           "/no/such");
    expect(commit(NULL, "/no/such", 0), ERROR_SNAPSHOT_CHAIN_MISMATCH,
           "/no/such");
    expect(commit(one, two, 0), ERROR_SNAPSHOT_CHAIN_MISMATCH, "not below");
    expect(commit(two, two, 0), ERROR_SNAPSHOT_CHAIN_MISMATCH, "not below");
    expect(commit(one, NULL, 0), ERROR_INVAL, "no layer below");
    expect(commit(NULL, NULL, UINT64_MAX), ERROR_INVAL, "bytes per second");
    assert_int_equal(phase_now(), LIBXL_DISK_JOB_PHASE_NONE);
    all_is_right(3);
    free(one);
    free(two);
}

static char asked[1024];
static const char *used_layer;

static int layer_users(void *user, uint32_t domid, const char *vdev,
                       const char *path, char **users)
{
    (void)user;
    assert_int_equal(domid, HOST_DOMID);
    assert_string_equal(vdev, "xvda");
    strcat(strcat(asked, strrchr(path, '/') + 1), " ");
    if (used_layer && !strcmp(path, used_layer))
        *users = xls_strdup("snapshot \"monday\"");
    return 0;
}

static void layers_with_other_users_are_not_written(void **state)
{
    char *one, *two;

    (void)state;
    chain_start(1, 4);
    one = layer_path(1);
    two = layer_path(2);
    host_how.layer_users = layer_users;
    used_layer = two;
    /* What the layers committed from below the uppermost show is lost. */
    expect(commit(NULL, one, 0), ERROR_SNAPSHOT_CHAIN_SHARED,
           "needed by snapshot \"monday\"");
    assert_string_equal(asked, "layer3 layer2 ");
    asked[0] = '\0';
    assert_int_equal(commit(two, one, 0), 0);
    assert_string_equal(asked, "layer1 ");
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    asked[0] = '\0';
    assert_int_equal(pull(NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    assert_string_equal(asked, "");
    all_is_right(1);
    host_teardown(NULL);

    chain_start(1, 3);
    free(one);
    free(two);
    one = layer_path(1);
    two = layer_path(2);
    strcpy(host.other_disk, two);
    expect(commit(NULL, NULL, 0), ERROR_SNAPSHOT_CHAIN_SHARED, two);
    expect(commit(NULL, one, 0), ERROR_SNAPSHOT_CHAIN_SHARED, two);
    strcpy(host.other_disk, "");
    vm_do(host.vm, "blockdev-snapshot-internal-sync",
          json("{'device':'%s','name':'inside'}",
               vm_top_node(host.vm, "xvda")));
    expect(commit(NULL, NULL, 0), ERROR_SNAPSHOT_CHAIN_SHARED, "internal");
    expect(pull(NULL, 0), ERROR_SNAPSHOT_CHAIN_SHARED, "internal");
    assert_int_equal(commit(two, one, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    all_is_right(2);
    free(one);
    free(two);
}

static void one_job_per_disk_and_no_snapshot_of_it_meanwhile(void **state)
{
    libxl_domain_snapshot_args args;
    libxl_disk_pull_args other = { .vdev = (char *)"xvdb" };
    char *one;

    (void)state;
    chain_start(2, 3);
    one = layer_path(1);
    /* More than what each drained section lets a limited job do. */
    vm_write(host.vm, "xvda", 8192 * KB, 8192 * KB, 9);
    assert_int_equal(snapshot(8), 0);
    assert_int_equal(pull(one, SLOW), 0);
    assert_int_equal(phase_now(), LIBXL_DISK_JOB_PHASE_RUNNING);
    expect(pull(NULL, 0), ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE, "xvda");
    expect(commit(NULL, NULL, 0), ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE, "xvda");
    expect(snapshot(9), ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE, "xvda");

    libxl_domain_snapshot_args_init(&args);
    args.num_disks = 1;
    args.disks = xls_calloc(2, sizeof(*args.disks));
    libxl_disk_snapshot_init(args.disks);
    args.disks->disk.vdev = xls_strdup("xvda");
    args.disks->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    args.disks->external_path = xls_strdup(one);
    expect(host_call(libxl_domain_snapshot_delete(host_ctx, host.domid, &args,
                                                  &host_how, NULL)),
           ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE, "xvda");
    /* Memory goes with the state of all disks. */
    strcpy(args.disks->disk.vdev, "xvdb");
    libxl_disk_snapshot_init(&args.disks[args.num_disks]);
    args.disks[args.num_disks++].disk.vdev = xls_strdup("xvda");
    args.memory = true;
    args.memory_path = xls_asprintf("%s/memory", host.images);
    expect(host_call(libxl_domain_snapshot_create(host_ctx, host.domid, &args,
                                                  &host_how, NULL)),
           ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE, "xvda");
    /* The other disk alone is free. */
    args.memory = false;
    free(args.disks->external_path);
    args.disks->external_path = xls_asprintf("%s/other", host.images);
    if (host_call(libxl_domain_snapshot_create(host_ctx, host.domid, &args,
                                               &host_how, NULL)))
        fail_msg("%s", vm_logged());
    if (host_call(libxl_disk_pull(host_ctx, host.domid, &other, &host_how)))
        fail_msg("%s", vm_logged());
    libxl_domain_snapshot_args_dispose(&args);

    assert_int_equal(phase_now(), LIBXL_DISK_JOB_PHASE_RUNNING);
    assert_int_equal(set_speed(0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_COMPLETED);
    all_is_right(2);
    assert_int_equal(snapshot(9), 0);
    all_is_right(3);
    free(one);
}

static void another_programs_job_is_in_the_way(void **state)
{
    (void)state;
    chain_start(1, 2);
    vm_do(host.vm, "block-stream",
          json("{'job-id':'theirs','device':'%s','speed':1000}",
               vm_top_node(host.vm, "xvda")));
    expect(pull(NULL, 0), ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE, "theirs");
    expect(snapshot(9), ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE, "theirs");
    assert_int_equal(phase_now(), LIBXL_DISK_JOB_PHASE_NONE);
}

static void only_what_is_ready_pivots(void **state)
{
    const unsigned both = LIBXL_DISK_JOB_ABORT_ASYNC |
                          LIBXL_DISK_JOB_ABORT_PIVOT;
    libxl_disk_job job;

    (void)state;
    chain_start(1, 3);
    expect(do_abort(0), ERROR_NOTFOUND, "no block job");
    expect(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), ERROR_NOTFOUND,
           "no block job");
    expect(set_speed(5), ERROR_NOTFOUND, "no block job");
    expect(do_abort(both), ERROR_INVAL, "exclude each other");
    expect(do_abort(8), ERROR_INVAL, "0x8");

    assert_int_equal(commit(NULL, NULL, SLOW), 0);
    expect(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT),
           ERROR_SNAPSHOT_BLOCK_JOB_NOT_READY, "not ready");
    get_info(&job);
    assert_int_equal(job.type, LIBXL_DISK_JOB_TYPE_COMMIT);
    assert_int_equal(job.speed, SLOW);
    assert_true(job.pivotable);
    assert_true(job.length > 0);
    libxl_disk_job_dispose(&job);
    assert_int_equal(do_abort(0), 0);
    assert_int_equal(phase_now(), LIBXL_DISK_JOB_PHASE_CANCELLED);
    all_is_right(3);
    expect(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT),
           ERROR_SNAPSHOT_BLOCK_JOB_NOT_READY, "has ended");
    /* Ended already: no failure. */
    assert_int_equal(do_abort(0), 0);

    assert_int_equal(pull(NULL, SLOW), 0);
    expect(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT),
           ERROR_SNAPSHOT_BLOCK_JOB_NOT_READY, "no pivot");
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_ASYNC), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_CANCELLED);
    all_is_right(3);

    /* Ready, and not wanted. */
    assert_int_equal(commit(NULL, NULL, 0), 0);
    wait_until(LIBXL_DISK_JOB_PHASE_READY);
    guest_writes(20, 0x20);
    assert_int_equal(do_abort(0), 0);
    assert_int_equal(phase_now(), LIBXL_DISK_JOB_PHASE_CANCELLED);
    all_is_right(3);
}

static void another_one_may_end_a_job(void **state)
{
    struct xls_json *jobs;
    libxl_disk_job job;

    (void)state;
    chain_start(1, 3);
    assert_int_equal(pull(NULL, SLOW), 0);
    jobs = vm_run(host.vm, "query-jobs", NULL);
    vm_do(host.vm, "job-cancel",
          json("{'id':'%s'}", xls_json_get_str(xls_json_at(jobs, 0), "id")));
    vm_wait_job(host.vm, xls_json_get_str(xls_json_at(jobs, 0), "id"),
                "concluded");
    /* QEMU says no more of it than that it failed, and in its own words why. */
    get_info(&job);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_FAILED);
    assert_non_null(job.error);
    assert_true(job.error[0]);
    libxl_disk_job_dispose(&job);
    xls_json_free(jobs);
    all_is_right(3);

    assert_int_equal(pull(NULL, SLOW), 0);
    jobs = vm_run(host.vm, "query-jobs", NULL);
    vm_do(host.vm, "job-cancel",
          json("{'id':'%s'}", xls_json_get_str(xls_json_at(jobs, 0), "id")));
    vm_wait_job(host.vm, xls_json_get_str(xls_json_at(jobs, 0), "id"),
                "concluded");
    vm_do(host.vm, "job-dismiss",
          json("{'id':'%s'}", xls_json_get_str(xls_json_at(jobs, 0), "id")));
    get_info(&job);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_FAILED);
    assert_non_null(strstr(job.error, "does not know"));
    libxl_disk_job_dispose(&job);
    xls_json_free(jobs);
    all_is_right(3);
}

static void news_of_a_job_end_the_waiting(void **state)
{
    struct xls_op op = { .log = vm_log, .how = &host_how };
    struct xls_json *jobs;
    const char *id;

    (void)state;
    chain_start(1, 3);
    assert_int_equal(pull(NULL, SLOW), 0);
    op.qmp = host.vm->qmp;
    jobs = vm_run(host.vm, "query-jobs", NULL);
    id = xls_json_get_str(xls_json_at(jobs, 0), "id");
    assert_false(xls_job_listen(&op, id));
    vm_do(host.vm, "job-pause", json("{'id':'%s'}", id));
    assert_true(xls_job_listen(&op, id));
    vm_do(host.vm, "job-resume", json("{'id':'%s'}", id));
    assert_false(xls_job_listen(&op, "another"));
    op.qmp = NULL;
    assert_false(xls_job_listen(&op, id));
    xls_json_free(jobs);
    do_abort(0);
}

static int next_event(libxl_disk_job_events *events, libxl_disk_job *job)
{
    struct pollfd pfd = { .fd = libxl_disk_job_events_fd(events),
                          .events = POLLIN };
    int rc, tries;

    host_away();
    for (tries = 0; tries < 100; tries++) {
        assert_int_equal(poll(&pfd, 1, 10000), 1);
        rc = libxl_disk_job_events_next(events, job);
        if (rc != ERROR_NOT_READY)
            break;
    }
    return host_back(rc);
}

static void events_come_through_a_descriptor(void **state)
{
    libxl_disk_job_events *events;
    libxl_disk_job job;

    (void)state;
    chain_start(1, 3);
    expect(host_call(libxl_disk_job_events_open(host_ctx, host.domid, NULL, 7,
                                                &host_how, &events)),
           ERROR_INVAL, "7 ms");
    /* One that has ended before is not told. */
    assert_int_equal(commit(NULL, NULL, SLOW), 0);
    assert_int_equal(do_abort(0), 0);
    assert_int_equal(host_call(libxl_disk_job_events_open(
                         host_ctx, host.domid, NULL, 50, &host_how, &events)),
                     0);
    libxl_disk_job_init(&job);
    assert_int_equal(host_call(libxl_disk_job_events_next(events, &job)),
                     ERROR_NOT_READY);
    assert_int_equal(commit(NULL, NULL, 0), 0);
    assert_int_equal(next_event(events, &job), 0);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_READY);
    assert_string_equal(job.vdev, "xvda");
    assert_int_equal(host_call(libxl_disk_job_events_next(events, &job)),
                     ERROR_NOT_READY);
    assert_int_equal(do_abort(LIBXL_DISK_JOB_ABORT_PIVOT), 0);
    assert_int_equal(next_event(events, &job), 0);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_COMPLETED);
    assert_int_equal(pull(NULL, 0), 0);
    assert_int_equal(next_event(events, &job), 0);
    assert_int_equal(job.type, LIBXL_DISK_JOB_TYPE_PULL);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_COMPLETED);
    all_is_right(1);
    libxl_disk_job_dispose(&job);
    libxl_disk_job_events_close(events);
}

static int stop(void *user, const libxl_snapshot_progress *progress)
{
    assert_string_equal(progress->phase, "pull");
    return ++*(int *)user > 3;
}

static void waiting_can_be_given_up(void **state)
{
    libxl_disk_job job;
    int calls = 0;

    (void)state;
    chain_start(1, 3);
    libxl_disk_job_init(&job);
    assert_int_equal(host_call(libxl_disk_job_wait(host_ctx, host.domid, "xvda",
                                                   &host_how, &job)),
                     ERROR_NOTFOUND);
    assert_int_equal(pull(NULL, SLOW), 0);
    host_how.progress = stop;
    host_how.user = &calls;
    assert_int_equal(host_call(libxl_disk_job_wait(host_ctx, host.domid, "xvda",
                                                   &host_how, &job)),
                     ERROR_ABORTED);
    assert_int_equal(calls, 4);
    assert_int_equal(job.phase, LIBXL_DISK_JOB_PHASE_RUNNING);
    libxl_disk_job_dispose(&job);
    assert_int_equal(do_abort(0), 0);
    all_is_right(3);
}

#define TEST(name) cmocka_unit_test_teardown(name, host_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(layers_must_be_of_the_chain_and_in_order),
        TEST(layers_with_other_users_are_not_written),
        TEST(one_job_per_disk_and_no_snapshot_of_it_meanwhile),
        TEST(another_programs_job_is_in_the_way),
        TEST(only_what_is_ready_pivots),
        TEST(another_one_may_end_a_job),
        TEST(news_of_a_job_end_the_waiting),
        TEST(events_come_through_a_descriptor),
        TEST(waiting_can_be_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
