/* SPDX-License-Identifier: LGPL-2.1-only */
#include <libxl_snapshot.h>

const char *libxl_snapshot_strerror(int rc)
{
    const char *s;

    switch (rc) {
    case 0:
        return "success";
    case ERROR_SNAPSHOT_LIVE_UNSUPPORTED:
        return "this host cannot save the guest's memory while it runs";
    case ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE:
        return "a block job runs on a disk";
    case ERROR_SNAPSHOT_BLOCK_JOB_NOT_READY:
        return "the block job is not ready to pivot";
    case ERROR_SNAPSHOT_CHAIN_SHARED:
        return "a layer has other users and may not be written";
    case ERROR_SNAPSHOT_CHAIN_MISMATCH:
        return "a disk's backing chain is not what it was said to be";
    case ERROR_SNAPSHOT_IMAGE_CORRUPT:
        return "an image is damaged, truncated or of another kind";
    case ERROR_SNAPSHOT_DISK_UNSUPPORTED:
        return "a disk cannot take part";
    case ERROR_SNAPSHOT_BUSY:
        return "another operation on this domain is under way";
    case ERROR_SNAPSHOT_EXISTS:
        return "a file or snapshot of that name exists";
    case ERROR_SNAPSHOT_STATE:
        return "the domain's state does not allow this";
    case ERROR_SNAPSHOT_STORAGE:
        return "a file operation failed";
    case ERROR_SNAPSHOT_QEMU:
        return "QEMU refused a command";
    case ERROR_SNAPSHOT_QMP:
        return "QEMU's monitor could not be reached or broke its protocol";
    case ERROR_SNAPSHOT_INCOMPLETE:
        return "this operation, or an interrupted one before it, is not complete "
               "or its outcome is not known; the next one completes it or "
               "rolls it back";
    case ERROR_NOMEM:
        return "not enough memory";
    case ERROR_INVAL:
        return "invalid arguments";
    case ERROR_NOTFOUND:
        return "what the configuration names does not exist";
    case ERROR_TIMEDOUT:
        return "it took too long";
    case ERROR_ABORTED:
        return "cancelled";
    case ERROR_DOMAIN_NOTFOUND:
        return "no such running domain";
    case ERROR_GUEST_TIMEDOUT:
        return "the guest did not answer in time";
    default:
        s = libxl_error_to_string(rc);
        return s ? s : "unknown error";
    }
}
