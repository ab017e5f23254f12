/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_STORE_CHECK_H
#define PLUGIN_STORE_CHECK_H

#include "store/store.h"

#define STORE_INFO "domain.json"
#define STORE_RECORD ".snapshot.json"

/* Whether this is what the plugin itself writes; of a file as it is read, and
 * as it is about to be written. */
int store_check_info(struct store *st, struct error *e);
int store_check_record(struct store *st, const char *file,
                       const xl_snapshot_record *rec, struct error *e);
int store_damaged(struct store *st, const char *file, const char *what,
                  const char *value, struct error *e);
/* Makes of such an error what it is for a file that was to be written. */
void store_unreadable(struct error *e);

/* Drops what earlier versions wrote and did not read; see store->healed. */
void store_heal_info(struct store *st);

#endif
