/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl-snapshot: snapshots of running Xen domains, memory and disks
 * together, beside libxenlight.
 *
 * Conventions are libxl's. Functions return 0, or a negative ERROR_* of libxl
 * or ERROR_SNAPSHOT_* of this library (libxl_error_snapshot_to_string,
 * libxl_snapshot_strerror). Every type has _init and _dispose. Functions may
 * be called from several threads, with one libxl_ctx each.
 *
 * The library acts on running ("active") domains only, and on the storage
 * that they use: a domain that does not run is ERROR_DOMAIN_NOTFOUND. It
 * keeps no list of snapshots and decides no names; files that an operation
 * leaves without a user are reported, for the caller to remove.
 *
 * Names and paths are UTF-8. An operation that is given another one, or that
 * would have to note one, returns ERROR_INVAL before anything is done.
 */
#ifndef LIBXL_SNAPSHOT_H
#define LIBXL_SNAPSHOT_H

#ifndef LIBXL_API_VERSION
#define LIBXL_API_VERSION 0x041400
#endif

#include <libxl.h>
#include <xentoollog.h>

#include <_libxl_snapshot_types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * Progress of the part of an operation that takes time.
 *
 * phase: a word: "memory" (create), "verify" and "restore" (revert), "merge"
 * (delete), "pull", "commit", "copy" (jobs), "verify", "export", "import",
 * "rebase" (memory files).
 * done, total: bytes; total is an estimate and 0 when unknown.
 */
typedef struct libxl_snapshot_progress {
    const char *phase;
    uint64_t done;
    uint64_t total;
} libxl_snapshot_progress;

/* The moments at which storage that the library does not handle takes part. */
typedef enum libxl_snapshot_storage_step {
    /* create, disks of method CALLER: snapshot it now. The guest is stopped
     * (also without memory) and its disks' I/O is drained: be quick. */
    LIBXL_SNAPSHOT_STORAGE_SNAPSHOT = 0,
    /* create failed later: undo it. */
    LIBXL_SNAPSHOT_STORAGE_UNDO = 1,
    /* revert, disks of method CALLER and INTERNAL: put the disk back into the
     * snapshot's state now. No domain uses it: the old one is destroyed. */
    LIBXL_SNAPSHOT_STORAGE_REVERT = 2,
    /* delete, disks of method CALLER: drop the storage's snapshot. */
    LIBXL_SNAPSHOT_STORAGE_DELETE = 3,
} libxl_snapshot_storage_step;

/*
 * How an operation reports and asks back. All members may be 0; the callbacks
 * run on the calling thread.
 */
typedef struct libxl_snapshot_how {
    /* Gets the details of failures. libxl has no way to get at the logger of
     * a libxl_ctx, so give the same one here. NULL: details are lost. */
    xentoollog_logger *logger;
    /* Called a few times a second. Nonzero cancels: the operation undoes what
     * it did and returns ERROR_ABORTED, unless it is past the point where
     * that is possible, when it completes. */
    int (*progress)(void *user, const libxl_snapshot_progress *progress);
    /* See libxl_snapshot_storage_step. Returns 0, or an error, which fails
     * the operation. Required when a disk's method asks for it. */
    int (*storage)(void *user, libxl_snapshot_storage_step step,
                   uint32_t domid, const libxl_disk_snapshot *disk);
    /* Before a layer is written or leaves a chain for good by a merge downwards
     * (delete, commit): who needs what it shows now, besides the disk vdev of
     * the domain: a snapshot, another domain, another image? *users is set to a
     * malloc'ed text that names them, which fails the operation with
     * ERROR_SNAPSHOT_CHAIN_SHARED, or left NULL. Returns 0, or an error, which
     * fails the operation. NULL: nobody does. */
    int (*layer_users)(void *user, uint32_t domid, const char *vdev,
                       const char *path, char **users);
    void *user;
} libxl_snapshot_how;

/*
 * QEMU may answer late, or not at all. A command of which it is not known
 * whether QEMU executed it is not taken for one that failed: QEMU is asked on a
 * new connection, and where it does not answer that either, the function returns
 * ERROR_SNAPSHOT_INCOMPLETE. No file that this concerns has been removed, renamed
 * or protected then, the guest runs if it did, and the next operation on the
 * domain (libxl_domain_snapshot_recover is one) asks again, and completes what
 * was done or rolls it back. After any other error of create, all is as it was
 * before.
 */

/*
 * A sentence for any error code of libxl or of this library. Never NULL;
 * static.
 */
const char *libxl_snapshot_strerror(int rc);

/*
 * The writable disks of a domain; CD-ROMs, empty drives and read-only disks
 * are left out.
 *
 * disks gets a malloc'ed array of *num entries (dispose each, then free),
 * sorted by vdev, with `disk` as libxl describes it. Those that its QEMU serves
 * have method EXTERNAL, keep_path set where the overlay's format is that of the
 * disk, and external_path NULL, for the caller to fill. Those with a backend
 * that this library cannot snapshot have method NONE and `unsupported`, which
 * says why.
 *
 * Errors: ERROR_DOMAIN_NOTFOUND, ERROR_SNAPSHOT_QMP.
 */
int libxl_domain_snapshot_disks(libxl_ctx *ctx, uint32_t domid,
                                const libxl_snapshot_how *how,
                                libxl_disk_snapshot **disks, int *num);

/*
 * Memory files: what create saves RAM into. Those of format IMAGE hold each
 * page once, packed, with checksums over all of it, and may refer to the pages
 * of an earlier image, their parent, in the same directory; image/FORMAT.md in
 * the sources specifies them. Those of format RAW are what `xl save` writes.
 *
 * These functions need no domain, and take either format where nothing else is
 * said. Paths are absolute. Nobody may write the files meanwhile. When one
 * fails, no file is there that was not, and none is changed.
 *
 * Errors of all:
 *   ERROR_INVAL                        the arguments do not fit the file
 *   ERROR_ABORTED                      how->progress asked for it
 *   ERROR_SNAPSHOT_IMAGE_CORRUPT       the file, or one that it is based on,
 *                                      is damaged, truncated, or none
 *   ERROR_SNAPSHOT_EXISTS              a file to be made exists
 *   ERROR_SNAPSHOT_STORAGE             a file could not be read or written
 */

/* What a memory file is. Of an image, its index is read, and those of all that
 * it is based on; of a RAW one, all but the pages. */
int libxl_snapshot_memory_get_info(libxl_ctx *ctx, const char *path,
                                   const libxl_snapshot_how *how,
                                   libxl_snapshot_memory_info *info);

/* Reads all that bringing it back needs, in all images, compares it with the
 * checksums of blocks and content, and logs each block that is damaged. A RAW
 * file has no checksums: its records are gone through. Progress: "verify". */
int libxl_snapshot_memory_verify(libxl_ctx *ctx, const char *path,
                                 const libxl_snapshot_how *how);

/* Makes a new RAW file (0600) with the same content, which `xl restore` reads.
 * Progress: "export". */
int libxl_snapshot_memory_export(libxl_ctx *ctx, const char *path,
                                 const char *raw_path,
                                 const libxl_snapshot_how *how);

/* Makes a new image (0600) of a RAW file, such as one by `xl save`.
 * parent_path: an image that it is to be based on, or NULL. level: zstd's, 1 to
 * 19, 0: not packed. */
int libxl_snapshot_memory_import(libxl_ctx *ctx, const char *raw_path,
                                 const char *path, const char *parent_path,
                                 int level, const libxl_snapshot_how *how);

/*
 * Writes an image anew, based on another one that is below it in its chain, or
 * (parent_path NULL) on none: what is between goes into it and can be removed
 * then, as far as no other image is based on it. It keeps its content, and the
 * images that are based on it stay good. The new one takes the old one's place
 * in one step, after it was read and compared.  Progress: "rebase".
 */
int libxl_snapshot_memory_rebase(libxl_ctx *ctx, const char *path,
                                 const char *parent_path, int level,
                                 const libxl_snapshot_how *how);

/*
 * Takes a snapshot of a running (or, without memory, paused) domain.
 *
 * With args->memory, RAM is saved into args->memory_path (0600), by default as
 * an image (see libxl_snapshot_memory_get_info), and the disks are snapshotted
 * at the same instant of the guest. While the guest stands still for it
 * (without args->live), packing has the CPU time that nothing else asks for
 * (nice 19), and what that does not suffice for is stored as it is. Where
 * memory_path may not have room for all of RAM, a guest that stands still for it
 * is not stopped: unless args->ignore_room is set, the call fails before. (A
 * live one may take more than RAM is large, which nobody knows beforehand.)
 *
 * Every writable disk must be in args->disks then: RAM and a disk that do not
 * belong together damage the guest's file systems. To leave one out on purpose,
 * list it with method NONE. CD-ROMs, empty drives and read-only disks need not
 * be listed.
 *
 * Without args->memory, the disks alone are snapshotted, atomically across all
 * of them.
 *
 * With keep_path, a frozen layer whose header names its backing file relatively
 * names it absolutely from then on, if external_path is in another directory;
 * where QEMU cannot write that (the two are of different formats), ERROR_INVAL.
 * external_path is then on the file system of the file that the disk's path
 * leads to, ERROR_INVAL otherwise, and that file system has hard links,
 * ERROR_SNAPSHOT_STORAGE otherwise.
 *
 * The files that are made (external_path, memory_path) are different ones, and
 * none is a layer of one of the domain's disks: ERROR_INVAL.
 *
 * On failure nothing has changed (but for such a name): the domain runs on its
 * old chain, no new file is left, and the log says which disk or file and why.
 *
 * Errors:
 *   ERROR_INVAL                        the arguments contradict each other
 *   ERROR_DOMAIN_NOTFOUND              no such running domain
 *   ERROR_ABORTED                      how->progress asked for it
 *   ERROR_SNAPSHOT_LIVE_UNSUPPORTED    args->live, and the host cannot; the
 *                                      guest was not stopped
 *   ERROR_SNAPSHOT_STATE               the domain is dying, shut down,
 *                                      suspended, being migrated, or (for
 *                                      memory) paused; it does not answer a
 *                                      suspend request; or it has a PCI
 *                                      device and cannot be suspended
 *   ERROR_SNAPSHOT_DISK_UNSUPPORTED    a named disk cannot take part: QEMU does
 *                                      not serve it, an image of it has its
 *                                      data in another file, or it has
 *                                      max_layers layers already; with
 *                                      args->memory, a writable disk is not
 *                                      named (the log names each)
 *   ERROR_SNAPSHOT_CHAIN_MISMATCH      disk.pdev_path is not the top layer
 *   ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE    a block job runs on a named disk
 *   ERROR_SNAPSHOT_EXISTS              a file to be made exists
 *   ERROR_SNAPSHOT_STORAGE             a file could not be made or written, or
 *                                      there may not be room for the memory
 *   ERROR_SNAPSHOT_QEMU, _QMP          QEMU refused or cannot be reached
 *   ERROR_SNAPSHOT_BUSY                another operation holds the domain
 */
int libxl_domain_snapshot_create(libxl_ctx *ctx, uint32_t domid,
                                 const libxl_domain_snapshot_args *args,
                                 const libxl_snapshot_how *how,
                                 libxl_domain_snapshot_result *result);

/*
 * Replaces a domain by one in an earlier state.
 *
 * domid: the running domain, or INVALID_DOMID when there is none to replace.
 * config: the domain as it was (libxl_domain_config_from_json of what
 * libxl_retrieve_domain_configuration gave at that time). Its disks are
 * edited by args->disks: a disk of method EXTERNAL starts on external_path,
 * a layer that the toolstack has made on the snapshot's frozen one; with
 * keep_path that file takes over the path disk.pdev_path once the old domain
 * runs no more. With args->memory the domain goes on from that RAM, else it
 * boots.
 *
 * First all is checked that can be: the memory image is read to its end, and
 * what the configuration names must exist (kernel, ramdisk, firmware, device
 * model, bridges, scripts, disk images). The medium of a CD-ROM drive that does
 * not exist any more is left out, with a notice.
 *
 * The new domain is built beside the old one as "<name>--incoming", paused.
 * Only when that stands is the old one paused and renamed to
 * "<name>--outgoing"; the new one gets name and paths and goes on, and the old
 * one is destroyed. On failure before that the old domain runs on untouched.
 *
 * What two domains cannot have at the same time (the host's memory, a disk that
 * is not in args->disks, PCI and USB devices, fixed network interface names,
 * VNC displays, SPICE and serial ports, channel sockets) is found out before;
 * the log says what it is. Then the old domain is put aside: its memory is
 * saved into a file of the library's, it is destroyed, and the new one is built
 * after that. When that fails the old one is made again from that file, runs on
 * as it was, and result->brought_back is its new id, which the caller has to
 * watch over. A domain that cannot be put aside (paused, shut down, with a PCI
 * device, one that does not answer a request to suspend) needs
 * args->destroy_first.
 *
 * With args->destroy_first the old domain is destroyed before the new one is
 * built, and not put aside: a failure after that leaves no domain, and the
 * error says so. A disk of method INTERNAL or CALLER requires it.
 *
 * result->domid is the new domain. Nothing restarts it when it reboots until
 * the caller watches over it, as xl does in the background. Hotplug scripts see
 * the new domain's first name, as with a migration; xenconsoled gets a SIGHUP,
 * so that the log of the guest's console is the one of its name.
 *
 * Errors: as for create, and
 *   ERROR_NOMEM                        there is no memory for the new domain,
 *                                      not even without the old one
 *   ERROR_NOTFOUND                     what the configuration names is missing
 *   ERROR_SNAPSHOT_IMAGE_CORRUPT       memory_path is no image of a domain
 *   ERROR_SNAPSHOT_CHAIN_SHARED        another running domain uses a file of
 *                                      args->disks
 *   ERROR_SNAPSHOT_INCOMPLETE          the old domain was put aside and cannot
 *                                      be brought back now; the next operation
 *                                      tries again
 */
int libxl_domain_snapshot_revert(libxl_ctx *ctx, uint32_t domid,
                                 const libxl_domain_config *config,
                                 const libxl_domain_snapshot_args *args,
                                 const libxl_snapshot_how *how,
                                 libxl_domain_snapshot_result *result);

/*
 * Deletes a snapshot's state from the disks of a running domain.
 *
 * EXTERNAL: external_path, a layer below the top of the disk's chain, is
 * merged away: FORWARD into the layer above it, BACKWARD by writing that
 * layer's data into it, after which it takes that layer's place and, where
 * the formats are the same, its path. Where they differ it keeps its own, and
 * images outside this chain that are based on that layer are the caller's to
 * rebase. unused_path in the result is the file to remove; where it was the
 * active layer it is protected like a frozen one, so that nothing starts on
 * it meanwhile, and that has to be lifted first. INTERNAL: QEMU deletes the
 * snapshot `name` from the top layer. CALLER: how->storage is asked.
 *
 * No other domain may use the layers concerned; the caller answers for layers
 * of domains that do not run.
 *
 * Disks are done one after the other. When one fails, the result lists those
 * that were done before; the failed one is as it was.
 *
 * Errors: as for create, ERROR_SNAPSHOT_CHAIN_MISMATCH when external_path is
 * not in the disk's chain, or is its top, and ERROR_SNAPSHOT_CHAIN_SHARED when
 * another running domain uses a layer concerned, or it holds internal
 * snapshots.
 */
int libxl_domain_snapshot_delete(libxl_ctx *ctx, uint32_t domid,
                                 const libxl_domain_snapshot_args *args,
                                 const libxl_snapshot_how *how,
                                 libxl_domain_snapshot_result *result);

/*
 * Tells that the caller changed the chain of a disk (over QMP, say), so that
 * libxl's records follow.
 *
 * disk: vdev says which; pdev_path and format what its top layer is now, as
 * the caller believes: when QEMU says otherwise, ERROR_SNAPSHOT_CHAIN_MISMATCH
 * and nothing changes. pdev_path NULL: whatever QEMU says.
 */
int libxl_domain_snapshot_chain_changed(libxl_ctx *ctx, uint32_t domid,
                                        const libxl_device_disk *disk,
                                        const libxl_snapshot_how *how);

/*
 * Puts in order what a killed process has left of the domain: a snapshot that
 * was being taken is undone (the guest is resumed, its disks are merged back,
 * the files removed), a layer that was being deleted is either as before or
 * gone, and of a revert there is one domain, running: the new one if it had
 * begun to take the old one's place, else the old one. domid may be either;
 * when it is the one that goes, ERROR_DOMAIN_NOTFOUND. Every operation that
 * changes the domain does so first by itself.
 *
 * And drops what QEMU still has open of disks that were detached: after a
 * libxl_device_disk_remove of a disk that was snapshotted, its files stay open
 * until this is called, and its vdev cannot be attached again.
 *
 * 0 when there is nothing left to do; ERROR_SNAPSHOT_INCOMPLETE when it could
 * not be done, and the log says why.
 */
int libxl_domain_snapshot_recover(libxl_ctx *ctx, uint32_t domid,
                                  const libxl_snapshot_how *how);

/*
 * The same for a domain that does not run, by the uuid that it had: a revert
 * that was interrupted while the old domain was put aside has it run again.
 */
int libxl_domain_snapshot_recover_uuid(libxl_ctx *ctx, const libxl_uuid *uuid,
                                       const libxl_snapshot_how *how);

/* libxl_disk_chain_get: compare what QEMU has open with other sources. */
#define LIBXL_DISK_CHAIN_VALIDATE (1u << 0)

/*
 * Tells what a disk of a running domain is made of: every layer that its QEMU
 * has open for it, from the top to the base, with the files they are in. Reads
 * QEMU's block graph (query-block, query-blockstats, query-named-block-nodes;
 * x-debug-query-block-graph only where a layer has children that these do not
 * tell, such as a quorum's, and QEMU is older than 10.1), and looks at the
 * files by their paths without opening them.
 *
 * vdev: which disk, as in the domain's configuration. Disks that cannot be
 * snapshotted can be shown all the same, if QEMU serves them: read-only ones,
 * and a CD-ROM with a medium. flags: 0 or LIBXL_DISK_CHAIN_VALIDATE. chain
 * must be init'ed; what it held is freed.
 *
 * Nothing is changed, and no lock is held but libxl's for the monitor, for a
 * moment: it can be called while another operation or a block job runs; it
 * then tells a state in between.
 *
 * Strings in it are QEMU's and may hold anything but a NUL: control characters
 * too.
 *
 * With VALIDATE, each layer's mismatches say where sources disagree; that is
 * no error, and nothing is put right. Compared are what QEMU has open, with
 *   - libxl's records (its stored configuration, and xenstore): path and
 *     format of the top layer, and whether the guest may write;
 *   - the image's own header: backing file and format. That is the header as
 *     QEMU knows it, from opening the image or writing it. A header that was
 *     changed behind its back is for the toolstack to find, with qemu-img: the
 *     library opens no image;
 *   - the files: whether one is where QEMU says.
 * Names are the same that lead to the same file; of others, also those that
 * QEMU itself takes for the same.
 *
 * Errors:
 *   ERROR_INVAL                        an unknown flag, or no vdev
 *   ERROR_DOMAIN_NOTFOUND              no such running domain
 *   ERROR_SNAPSHOT_DISK_UNSUPPORTED    no such disk, or QEMU does not serve it
 *                                      (a phy backend, a driver domain, an
 *                                      empty drive), for the reason logged; or
 *                                      it has more than 1,024 layers, or names
 *                                      of more than 8,192 bytes
 *   ERROR_SNAPSHOT_QEMU, _QMP          QEMU refused, cannot be reached, or its
 *                                      answers make no sense
 * chain is as after _init then.
 */
int libxl_disk_chain_get(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                         unsigned flags, const libxl_snapshot_how *how,
                         libxl_disk_chain *chain);

/*
 * The children of a layer, one after the other: the index of the next layer
 * whose parent is layers[parent], after the child with index after (-1: the
 * first one); -1 when there is none. parent -1 gives the top.
 */
int libxl_disk_chain_child(const libxl_disk_chain *chain, int parent,
                           int after);

/*
 * The chain as JSON in which each layer is inside the one that is based on it:
 * the members of libxl_disk_chain, with "top" in the place of "layers"; in a
 * layer, in the place of "parent" and "child", "backing" with the layer that
 * is its backing file, if it has one, and "children", a list of the others,
 * each with its "child", if it has any.
 *
 * malloc'ed. NULL when libxl_disk_chain_to_json would give NULL, when there is
 * no layer, or when they are nested more than 115 levels deep.
 */
char *libxl_disk_chain_to_nested_json(libxl_ctx *ctx,
                                      const libxl_disk_chain *chain);

/*
 * Block jobs: a disk of a running domain is reshaped or copied while the guest
 * runs. Each of the three functions that start one returns once QEMU has begun;
 * the job goes on by itself, whether or not the process that started it lives,
 * and libxl and this library work on the domain meanwhile. There is one job per
 * disk at a time; while it has not ended, a snapshot of that disk, and a save
 * or revert of the domain, are refused with ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE.
 *
 * What has to follow QEMU's part (names of files, their protection, libxl's
 * records) is done by the first call of this library, of whichever process,
 * that finds the job ended: _info, _wait and _abort below, or any operation
 * on the domain. Until then everything is consistent, too.
 *
 * A layer below the active one is immutable; the layer that a job writes is
 * made writable for the job alone. A disk whose layers are of one format keeps
 * its path through a pull or commit: the path names the active layer, and the
 * path of the uppermost layer that was committed names the result.
 *
 * Errors of the three:
 *   ERROR_INVAL                       the arguments contradict each other or
 *                                     there is nothing to do
 *   ERROR_DOMAIN_NOTFOUND             no such running domain
 *   ERROR_SNAPSHOT_STATE              the domain is dying, shut down, being
 *                                     saved or migrated
 *   ERROR_SNAPSHOT_DISK_UNSUPPORTED   the disk cannot take part
 *   ERROR_SNAPSHOT_CHAIN_MISMATCH     base or top is not in the disk's chain,
 *                                     or not in that order
 *   ERROR_SNAPSHOT_CHAIN_SHARED       (commit, copy) a layer or the target has
 *                                     other users, who are named: running
 *                                     domains, internal snapshots, or what
 *                                     how->layer_users told; (pull) the active
 *                                     layer holds internal snapshots
 *   ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE   a job runs on the disk
 *   ERROR_SNAPSHOT_EXISTS             (copy) the target is a file that holds
 *                                     something
 *   ERROR_SNAPSHOT_STORAGE            a file could not be made or changed
 *   ERROR_SNAPSHOT_QEMU, _QMP         QEMU refused or cannot be reached
 *   ERROR_SNAPSHOT_BUSY               another operation holds the domain
 * On failure nothing has changed.
 */

/*
 * Copies what is in the layers below the active one, and above args->base, into
 * the active one, which is then based on args->base alone. These layers leave
 * the chain; their files are not touched.
 */
int libxl_disk_pull(libxl_ctx *ctx, uint32_t domid,
                    const libxl_disk_pull_args *args,
                    const libxl_snapshot_how *how);

/*
 * Writes what is in the layers from args->top down to right above args->base
 * into args->base, which then stands for args->top: it takes over its path,
 * where the formats are the same, and what is based on args->top in this chain.
 * Images outside this chain that are based on args->top are the caller's to
 * rebase where the path changed.
 *
 * A base that does not bear the mark of a frozen layer of a snapshot may be the
 * base of other images, too, such as clones on a golden image: it is refused
 * (ERROR_SNAPSHOT_CHAIN_SHARED) unless named by args->base and args->force is
 * set, and while an administrator's protection is on it even then
 * (ERROR_SNAPSHOT_STORAGE).
 *
 * With the active layer as args->top the job does not end by itself: it becomes
 * READY, and libxl_disk_job_abort ends it, with a pivot or without. Where the
 * formats differ, the file that was active is protected like a frozen one.
 */
int libxl_disk_commit(libxl_ctx *ctx, uint32_t domid,
                      const libxl_disk_commit_args *args,
                      const libxl_snapshot_how *how);

/*
 * Mirrors the disk to args->target. The job becomes READY and is ended by
 * libxl_disk_job_abort: with a pivot the domain goes on on the target, and
 * libxl's records name it; without, it stays on what it has.
 *
 * A target that does not exist is made as a file, with the owner and mode of
 * the disk's; so is one that exists and is empty. A file that holds something
 * is refused (EXISTS) but for reuse_external. A block device and an NBD export
 * are written over as they are, and so is what reuse_external names. A raw
 * target must be exactly as large as the disk, and so must a prepared image
 * (else ERROR_INVAL). Without a pivot the target, whatever it holds, is the
 * caller's: it is never removed.
 *
 * A whole chain moves by args->base: the toolstack copies the layers below the
 * active one, which nothing writes, has each copy's header name the next one
 * (relatively, say), and makes the target, empty and on the first of them. The
 * active layer is mirrored then, and after a pivot the domain is on the copies
 * alone. They are as many as the disk has layers below the active one, and as
 * large (else ERROR_SNAPSHOT_CHAIN_MISMATCH, ERROR_INVAL); what they hold is
 * the toolstack's word. Of files, QEMU opens what the headers name, which must
 * be those in args->base; NBD exports are opened as args->base says, since a
 * relative name leads nowhere there.
 *
 * libxl cannot start a domain on an NBD export: after a pivot to one libxl's
 * records name it, so that a restart fails rather than goes back.
 */
int libxl_disk_copy(libxl_ctx *ctx, uint32_t domid,
                    const libxl_disk_copy_args *args,
                    const libxl_snapshot_how *how);

/*
 * What is known of the latest job on a disk: it runs, or how it ended. phase
 * NONE: there has been none since the domain was created.
 *
 * It also tells of a job whose domain was rebooted (asked for by the new
 * domid, if the uuid is the same) or destroyed (by the old domid) under it:
 * phase LOST, or COMPLETED where the disk's chain shows that it was. Where
 * nothing shows it, error says so, and neither the files that were copied nor
 * those that they were copied to are to be removed. job is to be initialised by
 * the caller.
 *
 * Errors: ERROR_DOMAIN_NOTFOUND (and no job of that domid is known),
 * ERROR_SNAPSHOT_DISK_UNSUPPORTED (vdev is no disk's name),
 * ERROR_SNAPSHOT_INCOMPLETE (the job has ended, but what follows could not be
 * done now; the log says why; the next call tries again),
 * ERROR_SNAPSHOT_BUSY (the same, since another operation holds the domain),
 * ERROR_SNAPSHOT_QMP.
 */
int libxl_disk_job_info(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                        const libxl_snapshot_how *how, libxl_disk_job *job);

/*
 * Limits a job that runs to so many bytes per second; 0: no limit.
 * ERROR_NOTFOUND when none runs on the disk.
 */
int libxl_disk_job_set_speed(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                             uint64_t speed, const libxl_snapshot_how *how);

/* Asks for the end and returns at once; libxl_disk_job_info tells when it is
 * there. */
#define LIBXL_DISK_JOB_ABORT_ASYNC  (1U << 0)
/* Ends a copy, or a commit of the active layer, by going over to the other
 * side. */
#define LIBXL_DISK_JOB_ABORT_PIVOT  (1U << 1)

/*
 * Ends a job and, unless flags have ASYNC, waits for the end. The guest stands
 * still for the moment of a pivot; without one nothing has changed for it. A
 * copy that was READY leaves a target that holds all of the disk
 * (target_complete). A job that has ended by itself meanwhile is no failure:
 * job (may be NULL) tells what became of it.
 *
 * Errors: ERROR_INVAL (ASYNC with PIVOT, or unknown flags), ERROR_NOTFOUND (no
 * job is known), ERROR_SNAPSHOT_BLOCK_JOB_NOT_READY (PIVOT, and the job is not
 * READY, or of a kind that does not become so; it goes on),
 * ERROR_SNAPSHOT_QEMU (QEMU could not pivot; the job has ended or goes on, as
 * job says), and those of _info.
 */
int libxl_disk_job_abort(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                         unsigned flags, const libxl_snapshot_how *how,
                         libxl_disk_job *job);

/*
 * Waits until a job is READY or has ended. how->progress is called meanwhile;
 * when it asks for an end, ERROR_ABORTED, and the job goes on. That a job
 * failed is no error of this function: see job->phase. QEMU's socket is kept
 * for 100 ms at a time, for which libxl and xl may have to wait, so that the
 * end is told at once.
 *
 * Errors: ERROR_NOTFOUND (no job is known), ERROR_ABORTED, those of _info.
 */
int libxl_disk_job_wait(libxl_ctx *ctx, uint32_t domid, const char *vdev,
                        const libxl_snapshot_how *how, libxl_disk_job *job);

/*
 * Tells of the jobs of a domain through a file descriptor, for a poll loop.
 * vdev: one disk, or NULL for all. interval_ms: how often QEMU is looked at,
 * 50 to 60000, 0 for 500; nothing is held in between.
 *
 * _fd: readable (POLLIN) when it is time to call _next.
 * _next: fills job (initialised by the caller) with a job that has become
 * READY, COMPLETED, FAILED, CANCELLED or LOST since it was last told;
 * ERROR_NOT_READY when there is no more to tell. Call it until then. Jobs that
 * had ended before _open are not told. Otherwise the errors of _info.
 *
 * ctx must live, and how->logger, too.
 */
typedef struct libxl_disk_job_events libxl_disk_job_events;
int libxl_disk_job_events_open(libxl_ctx *ctx, uint32_t domid,
                               const char *vdev, unsigned interval_ms,
                               const libxl_snapshot_how *how,
                               libxl_disk_job_events **events);
int libxl_disk_job_events_fd(const libxl_disk_job_events *events);
int libxl_disk_job_events_next(libxl_disk_job_events *events,
                               libxl_disk_job *job);
void libxl_disk_job_events_close(libxl_disk_job_events *events);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* LIBXL_SNAPSHOT_H */
