/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon has to say: on stderr in the foreground, to syslog behind. */
#ifndef SFS_FS_LOG_H
#define SFS_FS_LOG_H

/* From now on, to syslog. Called once, before there are threads. */
void sfs_log_to_syslog(void);

/* Sends libfuse's own messages the same way. */
void sfs_log_take_libfuse(void);

void sfs_log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
