/* SPDX-License-Identifier: LGPL-2.1-only */
#include "commands/revert_config.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "layers/image.h"
#include "layers/run.h"

/* Beside this program. */
static char *own_xl(void)
{
    char self[4096], *slash;
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (len <= 0)
        return NULL;
    self[len] = '\0';
    slash = strrchr(self, '/');
    return xls_asprintf("%.*s/xl", (int)(slash - self), self);
}

static bool is_program(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* The next xl in PATH that is not ours; malloc'ed. */
static char *find_xl(void)
{
    static const char last[] = "/usr/sbin/xl";
    char *own = own_xl(), *found = NULL;
    const char *path = getenv("PATH");

    while (path && *path && !found) {
        size_t len = strcspn(path, ":");
        char *candidate = xls_asprintf("%.*s/xl", (int)len, path);

        if (len && is_program(candidate) &&
            !(own && xls_same_file(own, candidate)))
            found = candidate;
        else
            free(candidate);
        path += len + (path[len] == ':');
    }
    if (!found && is_program(last))
        found = xls_strdup(last);
    free(own);
    return found;
}

/* xl alone reads all of xl.cfg: it prints what it would create, as JSON. */
static int parse_file(struct cli *cli, const char *file,
                      libxl_domain_config *config, struct error *e)
{
    char *xl = find_xl(), *out = NULL;
    const char *const argv[] = { xl, "create", "-q", "-n", file, NULL };
    const char *json;
    size_t len;
    int ret;

    if (!xl)
        return error_set(e, "the distribution's xl, which reads %s, is neither "
                         "in PATH nor /usr/sbin/xl", file);
    if (access(file, R_OK)) {
        free(xl);
        return error_errno(e, "cannot read the configuration %s", file);
    }
    ret = run(argv, &out, &len, e);
    json = ret ? NULL : strchr(out, '{');
    if (!ret && (!json || libxl_domain_config_from_json(cli->ctx, config,
                                                        json)))
        ret = error_set(e, "what '%s create -n %s' prints cannot be used", xl,
                        file);
    free(out);
    free(xl);
    return ret;
}

static int parse_record(struct cli *cli, const xl_snapshot_record *rec,
                        libxl_domain_config *config, struct error *e)
{
    int rc = libxl_domain_config_from_json(cli->ctx, config, rec->config);

    return rc ? cli_error_rc(e, rc, "the domain's configuration in the "
                             "snapshot's record cannot be used")
              : 0;
}

static void exchange_disks(libxl_domain_config *a, libxl_domain_config *b)
{
    libxl_device_disk *disks = a->disks;
    int num = a->num_disks;

    a->disks = b->disks;
    a->num_disks = b->num_disks;
    b->disks = disks;
    b->num_disks = num;
}

int revert_config(struct cli *cli, const xl_snapshot_record *rec,
                  const char *file, libxl_domain_config *config,
                  struct error *e)
{
    libxl_domain_config recorded;
    int ret;

    if (!file)
        return parse_record(cli, rec, config, e);
    libxl_domain_config_init(&recorded);
    ret = parse_record(cli, rec, &recorded, e);
    if (!ret)
        ret = parse_file(cli, file, config, e);
    if (!ret && config->c_info.type != recorded.c_info.type)
        ret = error_set(e, "%s is of a domain of type %s, and the snapshot is "
                        "of one of type %s", file,
                        libxl_domain_type_to_string(config->c_info.type),
                        libxl_domain_type_to_string(recorded.c_info.type));
    if (!ret) {
        exchange_disks(config, &recorded);
        libxl_uuid_copy(cli->ctx, &config->c_info.uuid,
                        &recorded.c_info.uuid);
    }
    libxl_domain_config_dispose(&recorded);
    return ret;
}
