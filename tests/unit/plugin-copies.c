/* SPDX-License-Identifier: LGPL-2.1-only */
/* What becomes of the files of disk-copy --chain. */
#include "support/trees.h"

#include "session/chain_copy.h"
#include "session/users.h"

#define DOMID 7

static char *said;

/* The commands' parts that chain_copy.c calls. */
void cli_say(struct cli *cli, const char *fmt, ...)
{
    char *line, *more;
    va_list al;

    (void)cli;
    va_start(al, fmt);
    assert_true(vasprintf(&line, fmt, al) >= 0);
    va_end(al);
    more = xls_asprintf("%s%s\n", said ? said : "", line);
    free(line);
    free(said);
    said = more;
}

int users_running(struct cli *cli, uint32_t but, const char *path,
                  struct error *e)
{
    (void)cli;
    (void)but;
    (void)path;
    (void)e;
    return 0;
}

bool outcome_unknown(int rc)
{
    return rc == ERROR_TIMEDOUT;
}

xl_snapshot_job *job_note_new(struct disk_job *d, const char *from,
                              const char *to)
{
    (void)d;
    (void)from;
    (void)to;
    fail();
    return NULL;
}

int job_note_write(struct disk_job *d)
{
    (void)d;
    return -1;
}

void progress_start(struct progress *p)
{
    (void)p;
}

void progress_end(struct progress *p)
{
    (void)p;
}

int progress_report(void *user, const libxl_snapshot_progress *progress)
{
    (void)user;
    (void)progress;
    return 0;
}

int libxl_disk_copy(libxl_ctx *ctx, uint32_t domid,
                    const libxl_disk_copy_args *args,
                    const libxl_snapshot_how *how)
{
    (void)ctx;
    (void)domid;
    (void)args;
    (void)how;
    return ERROR_FAIL;
}

int libxl_disk_job_info(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                        const libxl_snapshot_how *how, libxl_disk_job *job)
{
    (void)ctx;
    (void)domid;
    (void)vdev;
    (void)how;
    (void)job;
    return ERROR_FAIL;
}

int libxl_disk_chain_get(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                         unsigned flags, const libxl_snapshot_how *how,
                         libxl_disk_chain *chain)
{
    (void)ctx;
    (void)domid;
    (void)vdev;
    (void)flags;
    (void)how;
    (void)chain;
    return ERROR_FAIL;
}

static xl_snapshot_job noted;
static struct session session;

/* The copies of a chain of two, all made. */
static void copies(void)
{
    struct error e = { 0 };

    add_disk("xvda", "a.qcow2", LIBXL_DISK_FORMAT_QCOW2);
    xl_snapshot_job_init(&noted);
    noted.vdev = xls_strdup("xvda");
    noted.domid = DOMID;
    noted.num_layers = 2;
    noted.layers = xls_calloc(2, sizeof(*noted.layers));
    noted.layers[0].from = xls_strdup(st->info.disks[0].top_path);
    noted.layers[0].to = image("copy.qcow2", "");
    noted.layers[1].from = image("a.s1", "");
    noted.layers[1].to = image("copy.s1", "");
    noted.layers[0].format = noted.layers[1].format = LIBXL_DISK_FORMAT_QCOW2;
    assert_good(image_create_overlay(noted.layers[1].to,
                                     st->info.disks[0].top_path,
                                     LIBXL_DISK_FORMAT_QCOW2, &e), &e);
    assert_good(image_create_overlay(noted.layers[0].to, noted.layers[1].to,
                                     LIBXL_DISK_FORMAT_QCOW2, &e), &e);
    assert_good(image_freeze(noted.layers[1].to, &e), &e);
    memset(&session, 0, sizeof(session));
    session.store = st;
    session.domain.domid = DOMID;
    free(said);
    said = NULL;
}

static void follow(libxl_disk_job_type type, libxl_disk_job_phase phase,
                   const char *target)
{
    struct error e = { 0 };
    libxl_disk_job job;

    libxl_disk_job_init(&job);
    job.type = type;
    job.phase = phase;
    job.target = xls_strdup(target);
    session.live = live;
    assert_good(chain_copy_follow(&session, NULL, &noted, &job, &e), &e);
    live = session.live;
    libxl_disk_job_dispose(&job);
    live_free(&live);
}

static void assert_there(bool there)
{
    assert_int_equal(!access(noted.layers[0].to, F_OK), there);
    assert_int_equal(!access(noted.layers[1].to, F_OK), there);
    xl_snapshot_job_dispose(&noted);
}

/* A new uuid: the library knows of no job, or of another one. */
static void copies_whose_outcome_is_unknown_stay_and_are_named(void **state)
{
    (void)state;
    copies();
    follow(0, LIBXL_DISK_JOB_PHASE_NONE, NULL);
    assert_non_null(said);
    assert_non_null(strstr(said, noted.layers[0].to));
    assert_non_null(strstr(said, noted.layers[1].to));
    assert_there(true);
}

static void the_job_before_decides_nothing(void **state)
{
    (void)state;
    copies();
    follow(LIBXL_DISK_JOB_TYPE_COPY, LIBXL_DISK_JOB_PHASE_CANCELLED,
           "/another/target");
    assert_there(true);
}

static void copies_that_a_domain_runs_on_stay(void **state)
{
    (void)state;
    copies();
    live_add(&live, "web1", DOMID, "xvda", noted.layers[0].to,
             LIBXL_DISK_FORMAT_QCOW2);
    follow(LIBXL_DISK_JOB_TYPE_COPY, LIBXL_DISK_JOB_PHASE_CANCELLED,
           noted.layers[0].to);
    assert_there(true);
}

static void copies_that_another_domain_runs_on_stay(void **state)
{
    (void)state;
    copies();
    live_add(&live, "web2", DOMID + 1, "xvda", noted.layers[0].to,
             LIBXL_DISK_FORMAT_QCOW2);
    follow(LIBXL_DISK_JOB_TYPE_COPY, LIBXL_DISK_JOB_PHASE_CANCELLED,
           noted.layers[0].to);
    assert_there(true);
}

static void copies_of_a_cancelled_job_are_removed(void **state)
{
    (void)state;
    copies();
    follow(LIBXL_DISK_JOB_TYPE_COPY, LIBXL_DISK_JOB_PHASE_CANCELLED,
           noted.layers[0].to);
    assert_there(false);
}

static void copies_that_qemu_never_had_are_removed(void **state)
{
    (void)state;
    copies();
    noted.preparing = true;
    follow(0, LIBXL_DISK_JOB_PHASE_NONE, NULL);
    assert_there(false);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(copies_whose_outcome_is_unknown_stay_and_are_named),
        TEST(the_job_before_decides_nothing),
        TEST(copies_that_a_domain_runs_on_stay),
        TEST(copies_that_another_domain_runs_on_stay),
        TEST(copies_of_a_cancelled_job_are_removed),
        TEST(copies_that_qemu_never_had_are_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
