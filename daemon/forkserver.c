/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fork server: a small process that makes workers, and kills them. It is forked before the daemon has anything open or secret, so that a worker
 * inherits nothing. It dies with the daemon, and the workers with it, as soon as the kernel lets them. It alone waits for workers, so that
 * a process id that it is asked to kill is still that worker's.
 */
#include "daemon/forkserver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/text.h"
#include "daemon/worker.h"

/* Gone with the parent, also when that died before we could ask for it. */
static void die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
}

/* As at the start of a program, but for those that a terminal or service manager sends to all processes at once: the daemon ends in order, for
 * which it still needs workers, and these end with it. */
static void fresh_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What a worker does not have from here as it should be. A batch process that wakes up does not take the processor from whoever has it: where many
 * workers are given work one after the other, the daemon would otherwise be put aside at each message. */
static void settle_in(void)
{
	const struct sched_param none = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sched_setscheduler(0, SCHED_BATCH, &none);
	prctl(PR_SET_NAME, "nvmetd: worker");
}

/* Standard streams stay: what a sanitizer or the C library has to say before it ends the process goes there. */
static void close_inherited(int keep)
{
	if (keep > 3)
		close_range(3, (unsigned)keep - 1, 0);
	close_range((unsigned)keep + 1, ~0u, 0);
}

static void answer(int to, const struct fork_answer *a, int fd)
{
	struct iovec iov = { (void *)a, sizeof(*a) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	/* Only a daemon that has gone cannot be answered, and that ends us. */
	if (sendmsg(to, &msg, MSG_NOSIGNAL) < 0)
		_exit(1);
}

/* Its file is made before it is anybody's worker: where there is no room for it, nothing depends on it yet. */
static int make_page(const struct pool_settings *s, pid_t pid)
{
	_cleanup_free_ char *path = strf("%s/workers/%d", s->run_dir, (int)pid);
	_cleanup_close_ int fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	int error = fd < 0 ? errno : posix_fallocate(fd, 0, sizeof(struct worker_page));

	if (!path)
		return ENOMEM;
	if (error && fd >= 0)
		unlink(path);
	return error;
}

static void make_worker(int server, const struct pool_settings *s)
{
	struct fork_answer a = { 0 };
	pid_t parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		a.error = errno;
		answer(server, &a, -1);
		return;
	}
	a.pid = fork();
	if (a.pid == 0) {
		die_with(parent);
		settle_in();
		close_inherited(pair[1]);
		worker_main(pair[1], s);
	}
	a.error = a.pid < 0 ? errno : make_page(s, a.pid);
	if (a.error && a.pid > 0) {
		a.page = true;
		kill(a.pid, SIGKILL);
	}
	close(pair[1]);
	answer(server, &a, a.error ? -1 : pair[0]);
	close(pair[0]);
}

/* Only our own children that nobody has waited for yet: no other process can have that id. */
static void kill_worker(pid_t pid)
{
	siginfo_t info = { 0 };

	if (pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		kill(pid, SIGKILL);
}

static void reap(int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) > 0)
		;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static int watch_children(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void serve(int fd, int children, const struct pool_settings *s)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN }, { .fd = children, .events = POLLIN } };
	struct fork_request request;

	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno != EINTR)
				return;
			continue;
		}
		if (fds[0].revents) {
			if (recv(fd, &request, sizeof(request), 0) != sizeof(request))
				return;
			if (request.verb == FORK_MAKE)
				make_worker(fd, s);
			else
				kill_worker(request.pid);
		}
		if (fds[1].revents)
			reap(children);
	}
}

static void server_main(int fd, const struct pool_settings *s, pid_t parent) __attribute__((noreturn));

static void server_main(int fd, const struct pool_settings *s, pid_t parent)
{
	int children;

	die_with(parent);
	fresh_signals();
	close_inherited(fd);
	prctl(PR_SET_NAME, "nvmetd: forks");
	umask(077);
	children = watch_children();
	if (children >= 0 && chdir("/") == 0)
		serve(fd, children, s);
	_exit(0);
}

int forkserver_start(const struct pool_settings *s, int *ret_fd)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int r = -errno;

		close(pair[0]);
		close(pair[1]);
		return r;
	}
	if (pid == 0)
		server_main(pair[1], s, parent);
	close(pair[1]);
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
		int r = -errno;

		close(pair[0]);
		return r;
	}
	*ret_fd = pair[0];
	return 0;
}
