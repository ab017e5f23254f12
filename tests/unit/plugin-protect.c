/* SPDX-License-Identifier: LGPL-2.1-only */
/* Which of the recorded layers are protected as a session opens. */
#include "plugin.h"

#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/freeze.h"
#include "layers/image.h"
#include "layers/protect.h"

enum { LAYER, TOP, LIVE, PENDING, NUM };

static char dir[] = "/tmp/xls-protect-XXXXXX";
static char paths[NUM][64];
static xl_snapshot_record records[NUM], *list[NUM];
static xl_snapshot_disk disks[NUM];
static xl_snapshot_domain_disk top;
static struct live_disk running = { .domid = 1 };
static struct live live = { .v = &running, .num = 1 };
static struct store st;

static int setup(void **state)
{
    int i;

    (void)state;
    strcpy(strrchr(dir, '-'), "-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    st = (struct store){ .records = list, .num_records = NUM };
    for (i = 0; i < NUM; i++) {
        FILE *f;

        snprintf(paths[i], sizeof(paths[i]), "%s/%d", dir, i);
        f = fopen(paths[i], "w");
        fputs("layer", f);
        fclose(f);
        disks[i] = (xl_snapshot_disk){
            .method = LIBXL_SNAPSHOT_METHOD_EXTERNAL, .layer_path = paths[i] };
        records[i] = (xl_snapshot_record){ .disks = &disks[i],
                                           .num_disks = 1,
                                           .provisional = i == PENDING };
        list[i] = &records[i];
    }
    top = (xl_snapshot_domain_disk){ .top_path = paths[TOP] };
    st.info.disks = &top;
    st.info.num_disks = 1;
    running.path = paths[LIVE];
    if (xls_freeze(paths[LAYER], true, NULL) != XLS_FROZEN) {
        print_message("/tmp: no immutable flag\n");
        skip();
    }
    return xls_thaw(paths[LAYER]);
}

static int teardown(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < NUM; i++) {
        xls_freeze_again(paths[i]);
        xls_thaw(paths[i]);
        unlink(paths[i]);
    }
    return rmdir(dir);
}

static int protect(void)
{
    struct strings why = { 0 };
    int num;

    protect_layers(&st, &live, &why);
    num = why.num;
    strings_free(&why);
    return num;
}

static bool marked(int i)
{
    return getxattr(paths[i], "trusted.xlsnapshot", NULL, 0) >= 0;
}

static void frozen_layers_are_and_active_ones_are_not(void **state)
{
    (void)state;
    assert_int_equal(protect(), 0);
    assert_true(image_frozen(paths[LAYER]) && marked(LAYER));
    assert_false(image_frozen(paths[TOP]));
    assert_false(image_frozen(paths[LIVE]));
    assert_false(image_frozen(paths[PENDING]));
}

static void none_is_while_layers_are_being_written(void **state)
{
    xl_snapshot_job job = { .domid = 1 };

    (void)state;
    st.info.writing = paths[LAYER];
    assert_int_equal(protect(), 0);
    st.info.writing = NULL;
    st.info.merged.from = paths[TOP];
    assert_int_equal(protect(), 0);
    st.info.merged.from = NULL;
    st.info.jobs = &job;
    st.info.num_jobs = 1;
    assert_int_equal(protect(), 0);
    assert_false(image_frozen(paths[LAYER]));
    st.info.num_jobs = 0;
    assert_int_equal(protect(), 0);
    assert_true(image_frozen(paths[LAYER]));
}

/* By an earlier version, of which there is no mark. */
static void only_what_is_protected_is_marked(void **state)
{
    char *command = xls_asprintf("chattr +i %s", paths[LAYER]);
    struct error e = { 0 };

    (void)state;
    assert_int_equal(system(command), 0);
    free(command);
    assert_int_equal(image_thaw(paths[LAYER], &e), -1);
    assert_non_null(strstr(e.text, "chattr -i"));
    error_clear(&e);
    protect_mark(&st);
    assert_true(image_frozen(paths[LAYER]) && marked(LAYER));
    assert_false(marked(TOP) || image_frozen(paths[TOP]));
    assert_int_equal(image_thaw(paths[LAYER], &e), 0);
    assert_false(image_frozen(paths[LAYER]));
}

/* As a revert makes one. */
static void an_overlay_has_the_label_and_acl_of_its_layer(void **state)
{
    /* user::rw-, user:12345:rw-, group::---, mask::rw-, other::--- */
    static const unsigned char acl[] = {
        2, 0, 0, 0,
        0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,
        0x02, 0, 6, 0, 0x39, 0x30, 0, 0,
        0x04, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
        0x10, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,
        0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
    };
    static const char label[] = "system_u:object_r:xen_image_t:s0";
    char *overlay = xls_asprintf("%s/overlay", dir);
    struct error e = { 0 };
    char got[sizeof(acl)];

    (void)state;
    if (setxattr(paths[LAYER], "system.posix_acl_access", acl, sizeof(acl),
                 0) ||
        setxattr(paths[LAYER], "security.selinux", label, sizeof(label), 0)) {
        print_message("/tmp: no ACLs or labels\n");
        skip();
    }
    assert_int_equal(truncate(paths[LAYER], 1 << 20), 0);
    if (image_create_overlay(overlay, paths[LAYER], LIBXL_DISK_FORMAT_RAW,
                             &e))
        fail_msg("%s", e.text);
    assert_int_equal(getxattr(overlay, "system.posix_acl_access", got,
                              sizeof(got)), sizeof(acl));
    assert_memory_equal(got, acl, sizeof(acl));
    assert_int_equal(getxattr(overlay, "security.selinux", got, sizeof(got)),
                     sizeof(label));
    assert_string_equal(got, label);
    assert_int_equal(unlink(overlay), 0);
    free(overlay);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frozen_layers_are_and_active_ones_are_not),
        TEST(none_is_while_layers_are_being_written),
        TEST(an_overlay_has_the_label_and_acl_of_its_layer),
        TEST(only_what_is_protected_is_marked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
