/* SPDX-License-Identifier: Apache-2.0 */
/* Options, sockets and the loop of the fake kernel; and the client that sends it commands. See README.md. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/fake-kernel/fake.h"

#define PACKET_MAX (3u << 20)

struct session {
	int fd;
	pid_t pid;
	bool ended;
};

static struct session **sessions;
static size_t n_sessions;

/* ---- small things ---- */

void *must(void *p)
{
	if (!p) {
		fputs("nvmetfake: out of memory\n", stderr);
		_exit(1);
	}
	return p;
}

char *fmt(const char *format, ...)
{
	va_list ap;
	char *s;

	va_start(ap, format);
	if (vasprintf(&s, format, ap) < 0)
		s = NULL;
	va_end(ap);
	return must(s);
}

/* splitmix64 */
uint64_t fake_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

int errno_from_name(const char *name)
{
	uint64_t n;

	if (streq(name, "ENOTSUPP"))
		return 524;
	for (int i = 1; i < 134; i++)
		if (streq_ptr(strerrorname_np(i), name))
			return i;
	return text_to_u64(name, &n) == 0 && n && n < 4096 ? (int)n : -EINVAL;
}

const char *errno_name(int code)
{
	const char *name = code == 524 ? "ENOTSUPP" : strerrorname_np(code);

	return name ? name : "an unknown error";
}

/* ---- what the kernel is ---- */

static int parse_release(struct fake *f, const char *text)
{
	static const struct {
		const char *short_name, *release;
	} known[] = {	/* Debian's; first eight characters are the default firmware revision */
		{ "6.1", "6.1.0-50-amd64" },
		{ "6.12", "6.12.117+deb12-amd64" },
		{ "7", "7.3.4+deb14-amd64" },
	};

	free(f->release);
	f->release = must(strdup(text));
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (streq(known[i].short_name, text)) {
			free(f->release);
			f->release = must(strdup(known[i].release));
		}
	return sscanf(f->release, "%u.%u", &f->major, &f->minor) == 2 ? 0 : -EINVAL;
}

bool fake_since(const struct fake *f, const char *release)
{
	unsigned major, minor;

	if (!release || sscanf(release, "%u.%u", &major, &minor) != 2)
		return true;
	return f->major > major || (f->major == major && f->minor >= minor);
}

/* What Debian's kernels are built with (kernel-abi 0.1). */
bool fake_has(const struct fake *f, const char *option)
{
	static const struct {
		const char *option, *since;
	} debian[] = {
		{ "NVME_TARGET_AUTH", "6.12" },
		{ "NVME_TARGET_PASSTHRU", "6.12" },
		{ "NVME_TARGET_TCP_TLS", "6.12" },
		{ "NVME_TARGET_LOOP", "6.12" },
		{ "PCI_P2PDMA", "7.0" },
	};

	if (!option)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(debian); i++)
		if (streq(debian[i].option, option) && !fake_since(f, debian[i].since))
			return false;
	return !strv_contains(f->without, option);
}

/* ---- sockets ---- */

void session_answer(struct session *s, int error, const char *data, size_t len)
{
	_cleanup_free_ unsigned char *packet = must(malloc(len + 4));
	uint32_t code = error < 0 ? (uint32_t)-error : 0;
	int r;

	for (int i = 0; i < 4; i++)
		packet[i] = (unsigned char)(code >> 8 * i);
	if (len)
		memcpy(packet + 4, data, len);
	if (s->ended || send(s->fd, packet, len + 4, MSG_NOSIGNAL) >= 0)
		return;
	r = -errno;
	if (r == -EPIPE || r == -ECONNRESET)
		return;
	fprintf(stderr, "nvmetfake: an answer of %zu bytes cannot be sent: %s\n", len, strerror(-r));
	/* Who asked does not wait for what never comes. */
	if (len)
		session_answer(s, r, NULL, 0);
}

static int socket_address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path)) {
		fprintf(stderr, "nvmetfake: %s is too long a name for a socket\n", path);
		return -ENAMETOOLONG;
	}
	strcpy(ret->sun_path, path);
	return 0;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr;
	int fd;

	if (socket_address(path, &addr) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 128) < 0) {
		fprintf(stderr, "nvmetfake: cannot listen at %s: %s\n", path, strerror(errno));
		close_fdp(&fd);
		return -1;
	}
	return fd;
}

static void accept_one(int listener)
{
	struct session *s;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), size = PACKET_MAX;

	if (fd < 0)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	s = must(calloc(1, sizeof(*s)));
	s->fd = fd;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		s->pid = cred.pid;
	sessions = must(reallocarray(sessions, n_sessions + 1, sizeof(struct session *)));
	sessions[n_sessions++] = s;
}

static void receive(struct session *s, char *packet)
{
	ssize_t n = recv(s->fd, packet, PACKET_MAX, MSG_DONTWAIT);

	if (n > 0)
		calls_take(s, s->pid, packet, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		s->ended = true;
}

static void forget_ended(bool all)
{
	size_t n = 0;

	for (size_t i = 0; i < n_sessions; i++) {
		struct session *s = sessions[i];

		if (!s->ended && !all) {
			sessions[n++] = s;
			continue;
		}
		calls_session_ended(s);
		control_session_ended(s);
		close(s->fd);
		free(s);
	}
	n_sessions = n;
}

/* Until SIGTERM or SIGINT. */
static void serve(int listener, int signals)
{
	_cleanup_free_ char *packet = must(malloc(PACKET_MAX));
	_cleanup_free_ struct pollfd *fds = NULL;

	for (;;) {
		size_t n = n_sessions;

		fds = must(reallocarray(fds, n + 2, sizeof(*fds)));
		fds[0] = (struct pollfd){ .fd = signals, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (size_t i = 0; i < n; i++)
			fds[i + 2] = (struct pollfd){ .fd = sessions[i]->fd, .events = POLLIN };
		if (poll(fds, n + 2, calls_timeout()) < 0 && errno != EINTR)
			return;
		if (fds[0].revents)
			return;
		for (size_t i = 0; i < n; i++)
			if (fds[i + 2].revents)
				receive(sessions[i], packet);
		if (fds[1].revents)
			accept_one(listener);
		forget_ended(false);
		calls_run();
	}
}

/* ---- the client ---- */

static int control(const char *path, char **words)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	_cleanup_strbuf_ struct strbuf b = { 0 }, arguments = { 0 };
	_cleanup_free_ unsigned char *answer = must(malloc(PACKET_MAX));
	struct sockaddr_un addr;
	uint32_t len;
	ssize_t n;
	int code;

	if (socket_address(path, &addr) < 0)
		return 2;
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		fprintf(stderr, "nvmetfake: no fake kernel at %s: %s\n", path, strerror(errno));
		return 2;
	}
	for (char **w = words + 1; *w; w++)
		strbuf_addf(&arguments, "%s\n", *w);
	strbuf_add(&b, "!");
	len = htole32((uint32_t)strlen(words[0]));
	strbuf_add_mem(&b, &len, 4);
	strbuf_add(&b, words[0]);
	len = htole32((uint32_t)arguments.len);
	strbuf_add_mem(&b, &len, 4);
	strbuf_add_mem(&b, arguments.s, arguments.len);
	if (b.failed || arguments.failed)
		must(NULL);
	n = send(fd, b.s, b.len, MSG_NOSIGNAL);
	if (n >= 0)
		n = recv(fd, answer, PACKET_MAX, MSG_TRUNC);
	if (n < 4) {
		fprintf(stderr, "nvmetfake: the fake kernel at %s has gone\n", path);
		return 2;
	}
	if ((size_t)n > PACKET_MAX) {
		fprintf(stderr, "nvmetfake: %s: the answer has %zd bytes, and there is room for %u\n", words[0], n, PACKET_MAX);
		return 1;
	}
	code = (int)(answer[0] | (uint32_t)answer[1] << 8 | (uint32_t)answer[2] << 16 | (uint32_t)answer[3] << 24);
	if (code) {
		fprintf(stderr, "nvmetfake: %s: %s\n", words[0], errno_name(code));
		return 1;
	}
	fwrite(answer + 4, 1, (size_t)n - 4, stdout);
	return 0;
}

/* ---- options ---- */

static int usage(void)
{
	fputs("Usage: nvmetfake [--release R] [--without OPTION]… [--loaded] [--seed N] [--log FILE] SOCKET\n"
	      "       nvmetfake --control SOCKET COMMAND [WORD]…\n",
	      stderr);
	return 2;
}

static int start(struct fake *f, const char *path, uint64_t seed, int log)
{
	_cleanup_close_ int listener = -1, signals = -1;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	listener = listen_at(path);
	if (listener < 0 || signals < 0)
		return 1;
	puts("ready");
	fflush(stdout);
	calls_init(f, seed, log);
	serve(listener, signals);
	unlink(path);
	forget_ended(true);
	free(sessions);
	calls_done();
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "release", required_argument, NULL, 'r' }, { "without", required_argument, NULL, 'w' },
		{ "loaded", no_argument, NULL, 'L' },	     { "seed", required_argument, NULL, 's' },
		{ "log", required_argument, NULL, 'l' },     { "control", required_argument, NULL, 'c' },
		{ 0 },
	};
	_cleanup_close_ int log = -1;
	struct fake f = { .random = 1 };
	const char *socket_path = NULL;
	bool loaded = false;
	uint64_t seed = 0;
	int opt, r = 0;

	parse_release(&f, "6.12");
	while (!r && !socket_path && (opt = getopt_long(argc, argv, "+", options, NULL)) != -1)
		switch (opt) {
		case 'r':
			r = parse_release(&f, optarg) < 0;
			break;
		case 'w':
			if (strv_append(&f.without, optarg) < 0)
				must(NULL);
			break;
		case 'L':
			loaded = true;
			break;
		case 's':
			r = text_to_u64(optarg, &seed) < 0;
			f.random += seed;
			break;
		case 'l':
			log = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
			if (log < 0) {
				perror(optarg);
				r = 1;
			}
			break;
		case 'c':
			socket_path = optarg;
			break;
		default:
			r = 1;
		}
	if (!r && socket_path) {
		r = optind < argc ? control(socket_path, argv + optind) : usage();
	} else if (r || optind != argc - 1) {
		r = usage();
	} else {
		machine_init(&f);
		if (loaded)
			nvmet_load(&f);
		r = start(&f, argv[optind], seed, log);
		machine_done(&f);
	}
	hosts_drop(&f, NULL, NULL);
	free(f.controllers);
	fs_free(&f);
	strv_free(f.without);
	free(f.release);
	return r;
}
