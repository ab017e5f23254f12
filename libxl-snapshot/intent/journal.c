/* SPDX-License-Identifier: LGPL-2.1-only */
#include "intent/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "common/replace.h"
#include "session/paths.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

char *xls_journal_path(const char *uuid, uint32_t domid)
{
    return xls_asprintf("%s/%s.%u.json", XLS_STATE_DIR, uuid, domid);
}

/* Domain ids begin anew at each start of the host. */
static char *boot_id(void)
{
    char text[64] = "";
    int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    if (fd >= 0)
        close(fd);
    text[strcspn(text, "\n")] = '\0';
    return xls_strdup(text);
}

bool xls_journal_of_this_boot(const struct xls_json *journal)
{
    const char *then = xls_json_get_str(journal, "boot_id");
    char *now = boot_id();
    bool same = then && !strcmp(then, now);

    free(now);
    return same;
}

struct xls_json *xls_journal_new(const struct xls_op *op, const char *operation)
{
    struct xls_json *o = xls_json_object();
    char *boot = boot_id();

    xls_json_set_int(o, "version", 1);
    xls_json_set_str(o, "operation", operation);
    xls_json_set_str(o, "domain", op->name);
    xls_json_set_int(o, "domid", op->domid);
    xls_json_set_str(o, "boot_id", boot);
    xls_json_set_bool(o, "paused", op->was_paused);
    free(boot);
    return o;
}

/* The domain's lock is ours. */
static int replace(struct xls_op *op, const char *path, const char *text)
{
    const char *name = strrchr(path, '/') + 1, *failed = "open the directory of";
    char *temp = xls_asprintf("%s.new", name);
    int dir, rc = 0;

    dir = open(XLS_STATE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || xls_replace(dir, name, temp, text, strlen(text), &failed)) {
        XLS_ERRORE(&op->log, "cannot %s %s%s", failed, path,
                   errno == ENOSPC ? "; free some space there" : "");
        rc = ERROR_SNAPSHOT_STORAGE;
    }
    if (dir >= 0)
        close(dir);
    free(temp);
    return rc;
}

int xls_journal_write_to(struct xls_op *op, const char *path,
                         const struct xls_json *content)
{
    char *text = xls_json_print(content, true);
    int rc;

    if (!text) {
        XLS_ERROR(&op->log, "%s cannot be written: a name that the operation "
                  "on domain %s is about is not UTF-8", path, op->name);
        return ERROR_INVAL;
    }
    if (mkdir(XLS_STATE_DIR, 0700) && errno != EEXIST) {
        XLS_ERRORE(&op->log, "cannot make %s", XLS_STATE_DIR);
        rc = ERROR_SNAPSHOT_STORAGE;
    } else {
        rc = replace(op, path, text);
    }
    free(text);
    return rc;
}

int xls_journal_write(struct xls_op *op, const struct xls_json *content)
{
    char *path = xls_journal_path(op->uuid, op->domid);
    int rc = xls_journal_write_to(op, path, content);

    free(path);
    return rc;
}

int xls_journal_read(struct xls_op *op, const char *path,
                     struct xls_json **content)
{
    char *text = NULL, *error = NULL;
    size_t max = xls_json_limits_file.max_bytes;
    ssize_t n = -1;
    int fd, rc;

    *content = NULL;
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        text = xls_calloc(max + 1, 1);
        n = read(fd, text, max);
        close(fd);
    }
    if (n < 0) {
        XLS_ERRORE(&op->log, "cannot read %s", path);
        rc = ERROR_SNAPSHOT_STORAGE;
        goto out;
    }
    *content = xls_json_parse(text, n, &xls_json_limits_file, &error);
    rc = *content ? 0 : ERROR_SNAPSHOT_INCOMPLETE;
    if (rc)
        XLS_ERROR(&op->log, "the journal %s of an interrupted operation "
                  "cannot be read: %s", path, error);

out:
    free(text);
    free(error);
    return rc;
}

int xls_journal_remove(struct xls_op *op)
{
    char *path = xls_journal_path(op->uuid, op->domid);
    int rc = xls_file_unlink(&op->log, path);

    free(path);
    return rc;
}

bool xls_journal_lives(struct xls_op *op, uint64_t domid)
{
    libxl_dominfo info;
    bool is;

    libxl_dominfo_init(&info);
    is = !libxl_domain_info(op->ctx, &info, (uint32_t)domid) &&
         !memcmp(&info.uuid, &op->info.uuid, sizeof(info.uuid));
    libxl_dominfo_dispose(&info);
    return is;
}
