/* SPDX-License-Identifier: LGPL-2.1-only */
/* The host's memory, for the new domain. */
#include <time.h>

#include "common/alloc.h"
#include "ops/revert/revert.h"

/* How long memory freed by a destroyed domain may take to be there, s. */
#define FREE_MEMORY_SECONDS 10
/* How long domain 0 may take altogether while it makes no progress, and how
 * long it is waited for at a time: those of xl. */
#define BALLOON_SECONDS 30
#define BALLOON_WAIT_SECONDS 10

static int read_memory(struct xls_revert *r, uint64_t *need, uint64_t *free_kb)
{
    int rc;

    rc = libxl_domain_need_memory(r->op.ctx, &r->config, XLS_NO_DOMID, need);
    if (!rc)
        rc = libxl_get_free_memory(r->op.ctx, free_kb);
    if (rc)
        XLS_ERROR(&r->op.log, "libxl cannot tell how much memory domain %s "
                  "needs or the host has", r->name);
    return rc;
}

/* As `xl create` does it: as long as domain 0 gets on. */
static void balloon(struct xls_revert *r, uint64_t need, uint64_t *free_kb)
{
    double credit = BALLOON_SECONDS;
    uint64_t first = *free_kb;

    while (*free_kb < need && credit > 0) {
        time_t start = time(NULL);

        if (libxl_set_memory_target(r->op.ctx, 0,
                                    -(int64_t)(need - *free_kb), 1, 0) ||
            libxl_wait_for_memory_target(r->op.ctx, 0, BALLOON_WAIT_SECONDS))
            break;
        credit -= difftime(time(NULL), start);
        if (libxl_get_free_memory(r->op.ctx, free_kb))
            break;
    }
    if (*free_kb > first)
        XLS_INFO(&r->op.log, "domain 0 has given %llu MiB of memory",
                 (unsigned long long)(*free_kb - first) >> 10);
}

int xls_revert_lacks_memory(struct xls_revert *r, char **what)
{
    uint64_t need, free_kb;
    int rc;

    *what = NULL;
    rc = read_memory(r, &need, &free_kb);
    if (rc)
        return rc;
    if (free_kb < need && r->args->autoballoon)
        balloon(r, need, &free_kb);
    if (free_kb < need)
        *what = xls_asprintf("memory: the new one needs %llu MiB, %llu MiB "
                             "are free", (unsigned long long)need >> 10,
                             (unsigned long long)free_kb >> 10);
    return 0;
}

static int too_little(struct xls_revert *r, uint64_t need, uint64_t free_kb)
{
    XLS_ERROR(&r->op.log, "domain %s needs %llu MiB of memory, and the host "
              "has %llu MiB for it; shut another domain down, or take memory "
              "from domain 0 (xl mem-set 0, or autoballoon in xl.conf)",
              r->name, (unsigned long long)need >> 10,
              (unsigned long long)free_kb >> 10);
    return ERROR_NOMEM;
}

int xls_revert_need_memory(struct xls_revert *r)
{
    uint64_t need, free_kb;
    int rc;

    rc = read_memory(r, &need, &free_kb);
    if (rc)
        return rc;
    if (free_kb < need && r->old_gone)
        libxl_wait_for_free_memory(r->op.ctx, XLS_NO_DOMID, need,
                                   FREE_MEMORY_SECONDS);
    rc = read_memory(r, &need, &free_kb);
    if (rc)
        return rc;
    if (free_kb < need && r->args->autoballoon)
        balloon(r, need, &free_kb);
    /* What is said to be needed has some slack: what an equal domain has left
     * behind suffices. */
    return free_kb < need && !r->old_gone ? too_little(r, need, free_kb) : 0;
}

/* What the old domain leaves behind, with the slack that libxl adds to what the
 * new one needs. */
static uint64_t old_memory(struct xls_revert *r)
{
    libxl_domain_config config;
    uint64_t kb;

    xls_op_qmp_close(&r->op);
    libxl_domain_config_init(&config);
    if (libxl_retrieve_domain_configuration(r->op.ctx, r->op.domid, &config,
                                            NULL) ||
        libxl_domain_need_memory(r->op.ctx, &config, r->op.domid, &kb))
        kb = r->op.info.current_memkb;
    libxl_domain_config_dispose(&config);
    return kb;
}

int xls_revert_will_have_memory(struct xls_revert *r)
{
    const uint64_t old_kb = old_memory(r);
    uint64_t need, free_kb;
    int rc;

    rc = read_memory(r, &need, &free_kb);
    if (rc || free_kb + old_kb >= need)
        return rc;
    if (r->args->autoballoon)
        balloon(r, need - old_kb, &free_kb);
    return free_kb + old_kb < need ? too_little(r, need, free_kb + old_kb) : 0;
}
