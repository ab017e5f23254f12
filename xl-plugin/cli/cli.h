/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_CLI_CLI_H
#define PLUGIN_CLI_CLI_H

#include <getopt.h>
#include <stdbool.h>

#include <libxl_snapshot.h>

#include "common/json/json.h"
#include "layers/layers.h"
#include "store/store.h"
#include "util/error.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* How long a command waits for another one on the same domain, seconds. */
#define LOCK_WAIT 5
/* How long the start of a domain does. */
#define START_WAIT 60

struct command;

/* One run of xl-snapshot. */
struct cli {
    const struct command *command;
    bool json;
    xentoollog_level level;
    xentoollog_logger *logger;
    libxl_ctx *ctx;             /* NULL until cli_libxl */
};

struct command {
    const char *name;
    const char *usage;          /* the words after the name */
    const char *summary;
    const char *options;        /* one line each, or NULL */
    int (*run)(struct cli *cli, int argc, char **argv);
    bool hidden;                /* for the dispatcher and the supervisor */
};
extern const struct command commands[];         /* ends with a NULL name */
const struct command *command_find(const char *name);
void command_help(const struct command *command);

/*
 * getopt_long for a command whose options are all long; --help and --json
 * come by themselves. Returns the option, -1 at the end, or OPT_EXIT when the
 * command is to return *code.
 */
enum { OPT_EXIT = -2 };
int cli_option(struct cli *cli, int argc, char **argv,
               const struct option *options, int *code);
#define CLI_OPTIONS { "help", no_argument, NULL, 'h' }, \
                    { "json", no_argument, NULL, 'j' }, \
                    { NULL, 0, NULL, 0 }
/* Complains about the number of words left, of which at most 3 may be needed; 0
 * or EXIT_USAGE. */
int cli_words(struct cli *cli, int argc, int min, int max);
/* Both, for a command without options of its own: its words begin at optind,
 * or false and it is to return *code. */
bool cli_plain(struct cli *cli, int argc, char **argv, int min, int max,
               int *code);

int cli_usage(struct cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));      /* returns EXIT_USAGE */
int cli_fail(struct cli *cli, struct error *e); /* returns EXIT_FAILED */
void cli_say(struct cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints and frees v. */
void cli_print_json(struct xls_json *v);

/* libxl's context, made at the first call. */
int cli_libxl(struct cli *cli, struct error *e);

/* A domain named on the command line. */
struct domain {
    char *name;
    uint32_t domid;             /* INVALID_DOMID: it does not run */
};
/* running: it must run. Otherwise a name that no domain has is taken as that
 * of a domain that does not run. */
int cli_domain(struct cli *cli, const char *text, bool running,
               struct domain *domain, struct error *e);
/* Whether a text can only be the number of a domain. */
bool domain_is_id(const char *text);
/* The disks of all running domains. */
int cli_live(struct cli *cli, struct live *live, struct error *e);

/*
 * What a command that changes something starts with: the domain, its store
 * locked, interrupted work recovered, and its identity checked.
 */
struct session {
    struct domain domain;
    struct store *store;
    struct live live;
    struct cli *libvirt;        /* libvirt knows the domain; NULL: it does not */
    struct strings tops;        /* where its disks were then */
};
int session_open(struct cli *cli, const char *domain, bool running,
                 struct session *s, struct error *e);
/* The same for the start of a domain that has a store, by xl: waits longer for
 * the lock. When the domain runs already, s->store is NULL. */
int session_start(struct cli *cli, const char *domain, struct session *s,
                  struct error *e);
/* The same for commands that only look: no lock, and nothing but the store
 * where possible. */
int session_look(struct cli *cli, const char *domain, struct session *s,
                 struct error *e);
void session_close(struct session *s);

/* An error of libxl or of the library, whose log has the details. */
int cli_error_rc(struct error *e, int rc, const char *what);
/* Whether what was asked for may have been done, or may still be, in spite of
 * this error. Then records and files stay. */
bool outcome_unknown(int rc);

const char *method_name(libxl_snapshot_method method);
struct xls_json *record_json(const struct store *st,
                             const xl_snapshot_record *rec, bool all);

int command_create(struct cli *cli, int argc, char **argv);
int command_list(struct cli *cli, int argc, char **argv);
int command_info(struct cli *cli, int argc, char **argv);
int command_revert(struct cli *cli, int argc, char **argv);
int command_delete(struct cli *cli, int argc, char **argv);
int command_undo(struct cli *cli, int argc, char **argv);
int command_current(struct cli *cli, int argc, char **argv);
int command_verify(struct cli *cli, int argc, char **argv);
int command_relocate(struct cli *cli, int argc, char **argv);
int command_export(struct cli *cli, int argc, char **argv);
int command_import(struct cli *cli, int argc, char **argv);
int command_disk_chain(struct cli *cli, int argc, char **argv);
int command_disk_pull(struct cli *cli, int argc, char **argv);
int command_disk_commit(struct cli *cli, int argc, char **argv);
int command_disk_copy(struct cli *cli, int argc, char **argv);
int command_disk_job(struct cli *cli, int argc, char **argv);
int command_help_run(struct cli *cli, int argc, char **argv);
int command_exec_create(struct cli *cli, int argc, char **argv);
int command_exec_rename(struct cli *cli, int argc, char **argv);
int command_exec_detached(struct cli *cli, int argc, char **argv);
int command_supervise(struct cli *cli, int argc, char **argv);

#endif
