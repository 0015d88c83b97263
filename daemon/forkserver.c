/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fork server: a small process that makes workers. It is forked before the daemon has anything open or secret, so that a worker inherits
 * nothing. It dies with the daemon, and the workers with it, as soon as the kernel lets them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/pool.h"
#include "daemon/worker.h"

/* Gone with the parent, also when that died before we could ask for it. */
static void die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
}

static void fresh_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* A worker that writes to a daemon that died must see that, not die of it. */
	signal(SIGPIPE, SIG_IGN);
}

static int send_worker(int to, int fd, pid_t pid)
{
	struct iovec iov = { &pid, sizeof(pid) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(to, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int make_worker(int server, const struct pool_settings *s)
{
	int pair[2];
	pid_t parent = getpid(), pid;
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		die_with(parent);
		signal(SIGCHLD, SIG_DFL);
		close(server);
		close(pair[0]);
		prctl(PR_SET_NAME, "nvmetd: worker");
		worker_main(pair[1], s);
	}
	r = pid < 0 ? -errno : send_worker(server, pair[0], pid);
	close(pair[0]);
	close(pair[1]);
	return r;
}

static void close_inherited(int keep)
{
	/* Standard streams stay for messages of sanitizers and of a failing libc. */
	if (keep > 3)
		close_range(3, (unsigned)keep - 1, 0);
	close_range((unsigned)keep + 1, ~0u, 0);
}

static void server_main(int fd, const struct pool_settings *s, pid_t parent)
{
	char c;

	die_with(parent);
	fresh_signals();
	close_inherited(fd);
	/* Children are nobody's to wait for: the daemon sees the end of their sockets. */
	signal(SIGCHLD, SIG_IGN);
	prctl(PR_SET_NAME, "nvmetd: forks");
	umask(077);
	if (chdir("/") < 0)
		_exit(1);
	while (read(fd, &c, 1) == 1)
		if (make_worker(fd, s) < 0)
			_exit(1);
	_exit(0);
}

int forkserver_start(const struct pool_settings *s, int *ret_fd)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return -errno;
	}
	if (pid == 0)
		server_main(pair[1], s, parent);
	close(pair[1]);
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
		close(pair[0]);
		return -errno;
	}
	*ret_fd = pair[0];
	return 0;
}
