/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_XLCREATE_START_LOCK_H
#define PLUGIN_XLCREATE_START_LOCK_H

/*
 * Keeps the store's lock while xl, which this process is about to become,
 * starts the domain: a process of its own has it until the domain is there with
 * its stored configuration, by which commands find it, or xl has ended. xl
 * itself, and the daemon that it leaves, does not get the lock; its process,
 * terminal, signals and exit code are as without this.
 */
void start_lock_hold(int lock, const char *domain);

#endif
