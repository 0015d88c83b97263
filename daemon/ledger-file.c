/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the ledger, on tmpfs like what it speaks of: read at the start, a line added to it before each kernel call that matters, and begun
 * anew when most of it no longer counts. What the lines say is in libcfg/store/ledger.c.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/text.h"
#include "daemon/manager-private.h"

#define LEDGER_COMPACT (64u << 10)	/* not worth it below */

int manager_ledger_open(struct manager *m, struct cfg_error *err)
{
	_cleanup_free_ char *path = store_path_ledger(&m->paths);
	_cleanup_free_ char *text = NULL;
	size_t len, bad = 0;
	int r;

	if (!path)
		return cfg_error_oom(err);
	m->ledger_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (m->ledger_fd < 0)
		return cfg_error_set(err, errno, "%s cannot be opened: %s", path, strerror(errno));
	r = file_read(path, 1u << 30, &text, &len, err);
	if (r < 0)
		return r;
	m->ledger_bytes = len;
	m->ledger_compact_at = LEDGER_COMPACT;
	if (ledger_load(m->ledger, text, len, &bad) < 0)
		return cfg_error_oom(err);
	if (bad)
		cfg_errors_add(&m->shouts, EBADMSG, NULL, NULL, NULL, "%s: %zu damaged lines were skipped", path, bad);
	return 0;
}

static int ledger_failed(const struct manager *m, int code, struct cfg_error *err)
{
	_cleanup_free_ char *path = store_path_ledger(&m->paths);

	return cfg_error_set(err, code, "the ledger %s cannot be written: %s", path ? path : "", strerror(code));
}

/* Begins the file anew with what still counts. Failing that, the old one goes on. */
static void compact_ledger(struct manager *m)
{
	_cleanup_free_ char *path = store_path_ledger(&m->paths), *new_path = path ? strf("%s.new", path) : NULL, *text = NULL;
	_cleanup_close_ int fd = -1;
	size_t len;

	if (!new_path || ledger_text(m->ledger, &text, &len) < 0)
		return;
	m->ledger_compact_at = 2 * (m->ledger_bytes > LEDGER_COMPACT ? m->ledger_bytes : LEDGER_COMPACT);
	fd = open(new_path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len || rename(new_path, path) < 0)
		return;
	close(m->ledger_fd);
	m->ledger_fd = steal_fd(&fd);
	m->ledger_bytes = len;
	m->ledger_compact_at = 2 * (len > LEDGER_COMPACT ? len : LEDGER_COMPACT);
}

int manager_ledger_write(struct manager *m, struct strbuf *line, struct cfg_error *err)
{
	ssize_t n;

	if (line->failed)
		return cfg_error_oom(err);
	if (!line->len)
		return 0;
	n = write(m->ledger_fd, line->s, line->len);
	if (n != (ssize_t)line->len) {
		int code = n < 0 ? errno : ENOSPC;

		/* Who finds half of it need not wonder what became of the rest. */
		if (n > 0 && ftruncate(m->ledger_fd, (off_t)m->ledger_bytes) < 0)
			m->ledger_bytes += (size_t)n;
		return ledger_failed(m, code, err);
	}
	m->ledger_bytes += line->len;
	strbuf_done(line);
	if (m->ledger_bytes > m->ledger_compact_at)
		compact_ledger(m);
	return 0;
}
