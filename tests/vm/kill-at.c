/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill-at ORDER LOG COMMAND…: runs a daemon, and kills it (SIGKILL, the process itself and no other) at a call of its own or of one of its workers
 * that changes something below configfs or the daemon's folders. Whoever looks finds the daemon in this process: the one that traces is
 * its child.
 *
 * While the file ORDER is there, such calls are counted from 1 on, and noted in LOG ("12 write /sys/…"). It says "N before" or "N after": the
 * worker that is about to make the N-th call dies with the daemon, so that it is not made; or the daemon dies when it has been made, and the
 * workers find that out as they always do. A line "killed" in LOG says that it came to that.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

#include "base/cleanup.h"
#include "base/text.h"

static const char *const watched[] = { "/sys/kernel/config/", "/etc/nvmetctl/", "/var/lib/nvmetctl/", "/run/nvmetd/", "/var/target/" };

static struct {
	pid_t daemon, caller;	/* caller: of the call that is it, while it is under way */
	const char *order, *log;
	unsigned long count;
	bool killed;
} at;

/* Where the path of a call is: in a descriptor, or in memory, perhaps relative to a descriptor. */
static const struct call {
	long number;
	const char *name;
	int fd, path;		/* arguments; -1: none */
} calls[] = {
	{ SYS_write, "write", 0, -1 },
	{ SYS_pwrite64, "write", 0, -1 },
	{ SYS_ftruncate, "cut", 0, -1 },
	{ SYS_fsync, "sync", 0, -1 },
	{ SYS_fdatasync, "sync", 0, -1 },
	{ SYS_fchmod, "chmod", 0, -1 },
	{ SYS_mkdirat, "mkdir", 0, 1 },
	{ SYS_unlinkat, "remove", 0, 1 },
	{ SYS_symlinkat, "link", 1, 2 },
	{ SYS_renameat2, "rename", 2, 3 },
#ifdef SYS_rename
	{ SYS_mkdir, "mkdir", -1, 0 },
	{ SYS_rmdir, "remove", -1, 0 },
	{ SYS_unlink, "remove", -1, 0 },
	{ SYS_symlink, "link", -1, 1 },
	{ SYS_rename, "rename", -1, 1 },
#endif
};

static void die(const char *what)
{
	fprintf(stderr, "kill-at: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- what is called ---- */

static void read_text(pid_t pid, unsigned long address, char *text, size_t size)
{
	size_t n = 0;

	/* One page after the other: the next one may not be there. */
	while (n < size - 1) {
		size_t chunk = 4096 - (address + n) % 4096;
		struct iovec here = { text + n, chunk < size - 1 - n ? chunk : size - 1 - n }, there = { (void *)(address + n), here.iov_len };
		ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);

		if (got <= 0)
			break;
		if (memchr(text + n, 0, (size_t)got))
			return;
		n += (size_t)got;
	}
	text[n] = 0;
}

static void read_fd(pid_t pid, int fd, char *text, size_t size)
{
	_cleanup_free_ char *link = fd == AT_FDCWD ? strf("/proc/%d/cwd", (int)pid) : strf("/proc/%d/fd/%d", (int)pid, fd);
	ssize_t n = readlink(link, text, size - 1);

	text[n > 0 ? n : 0] = 0;
}

static char *path_of(pid_t pid, const struct call *c, const __u64 *args)
{
	char folder[PATH_MAX] = "", name[PATH_MAX] = "";

	if (c->fd >= 0)
		read_fd(pid, (int)args[c->fd], folder, sizeof(folder));
	if (c->path >= 0)
		read_text(pid, args[c->path], name, sizeof(name));
	return *name == '/' ? strdup(name) : *name ? strf("%s/%s", folder, name) : strdup(folder);
}

static bool is_watched(const char *path)
{
	for (size_t i = 0; i < sizeof(watched) / sizeof(*watched); i++)
		if (strncmp(path, watched[i], strlen(watched[i])) == 0)
			return true;
	return false;
}

/* ---- when it is time ---- */

static bool read_order(unsigned long *ret_n, bool *ret_after)
{
	_cleanup_fclose_ FILE *f = fopen(at.order, "re");
	char when[8];

	if (!f || fscanf(f, "%lu %7s", ret_n, when) != 2)
		return false;
	*ret_after = streq(when, "after");
	return true;
}

__attribute__((format(printf, 1, 2)))
static void note(const char *fmt, ...)
{
	_cleanup_fclose_ FILE *f = fopen(at.log, "ae");
	va_list ap;

	if (!f)
		die(at.log);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
}

static void kill_daemon(void)
{
	at.killed = true;
	note("killed\n");
	kill(at.daemon, SIGKILL);
}

static void on_entry(pid_t pid, const struct ptrace_syscall_info *info)
{
	_cleanup_free_ char *path = NULL;
	const struct call *c = calls, *end = calls + sizeof(calls) / sizeof(*calls);
	unsigned long n;
	bool after;

	while (c < end && c->number != (long)info->entry.nr)
		c++;
	if (c == end)
		return;
	if (!read_order(&n, &after)) {
		at.count = 0;
		return;
	}
	path = path_of(pid, c, info->entry.args);
	if (!is_watched(path))
		return;
	note("%lu %s %s\n", ++at.count, c->name, path);
	if (at.count != n)
		return;
	if (after) {
		at.caller = pid;
		return;
	}
	kill_daemon();
	kill(pid, SIGKILL);
}

static void on_syscall(pid_t pid)
{
	struct ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY && !at.killed)
		on_entry(pid, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT && pid == at.caller) {
		at.caller = 0;
		kill_daemon();
	}
}

/* ---- tracing ---- */

static void trace(int ready)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
	int status;
	pid_t pid;

	if (ptrace(PTRACE_SEIZE, at.daemon, 0, options) < 0 || ptrace(PTRACE_INTERRUPT, at.daemon, 0, 0) < 0)
		die("the daemon cannot be traced");
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int sig = WSTOPSIG(status), event = status >> 16;

		if (!WIFSTOPPED(status))
			continue;
		if (ready >= 0) {
			close(ready);
			ready = -1;
		}
		if (sig == (SIGTRAP | 0x80)) {
			on_syscall(pid);
			sig = 0;
		} else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
			ptrace(PTRACE_LISTEN, pid, 0, 0);
			continue;
		} else if (event) {
			sig = 0;
		}
		/* It may be dead by now. */
		ptrace(PTRACE_SYSCALL, pid, 0, sig);
	}
	exit(0);
}

int main(int argc, char **argv)
{
	int ready[2];
	pid_t tracer;
	char c;

	if (argc < 4) {
		fputs("usage: kill-at ORDER LOG COMMAND...\n", stderr);
		return 2;
	}
	at.order = argv[1];
	at.log = argv[2];
	at.daemon = getpid();
	if (pipe2(ready, O_CLOEXEC) < 0)
		die("pipe");
	tracer = fork();
	if (tracer < 0)
		die("fork");
	if (tracer == 0) {
		close(ready[0]);
		trace(ready[1]);
	}
	close(ready[1]);
	/* Where only parents may trace. */
	prctl(PR_SET_PTRACER, tracer);
	/* Its end of the pipe closes when it has us. */
	while (read(ready[0], &c, 1) < 0 && errno == EINTR)
		;
	execvp(argv[3], argv + 3);
	die(argv[3]);
}
