/* SPDX-License-Identifier: Apache-2.0 */
/* Processes, the fake kernel's control socket, and the bus with one client on it. */
#include "tests/fault/world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <systemd/sd-bus.h>

#include "dbus/names.h"

#define PATIENCE_MS 60000
#define PACKET_MAX (1u << 20)

static struct {
	char *folder, *where;
	pid_t kernel, daemon, broker;
	int control, notify;
	sd_bus *bus;
	FILE *calls;
	unsigned long writes;
	sd_bus_slot *pending;
	struct json_object *applied;
} w = { .control = -1, .notify = -1 };

/* ---- messages ---- */

void at(const char *fmt, ...)
{
	va_list ap;

	free(w.where);
	va_start(ap, fmt);
	if (vasprintf(&w.where, fmt, ap) < 0)
		w.where = NULL;
	va_end(ap);
}

void fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", w.where ? w.where : "start");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	fflush(stdout);
	if (w.daemon > 0)
		kill(w.daemon, SIGKILL);
	if (w.kernel > 0)
		kill(w.kernel, SIGKILL);
	/* What is still allocated is nobody's leak. */
	_exit(1);
}

static void *must(void *p)
{
	if (!p)
		fail("out of memory");
	return p;
}

static char *in_folder(const char *name)
{
	return must(strf("%s/%s", w.folder, name));
}

/* ---- processes ---- */

/* argv[0] is looked for in PATH. The child ends with us. */
static pid_t spawn(const char *const *argv, const char *log, int out)
{
	_cleanup_free_ char *path = in_folder(log);
	pid_t pid = fork();
	int fd;

	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(out >= 0 ? out : fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close_range(3, ~0u, 0);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static void kernel_start(void)
{
	_cleanup_free_ char *socket_path = in_folder("kernel"), *log = in_folder("calls");
	const char *argv[] = { "nvmetfake", "--log", log, socket_path, NULL };
	int fds[2];
	char line[16];

	if (pipe2(fds, O_CLOEXEC) < 0)
		fail("pipe: %s", strerror(errno));
	w.kernel = spawn(argv, "kernel.log", fds[1]);
	close(fds[1]);
	if (read(fds[0], line, sizeof(line)) <= 0)
		fail("the fake kernel does not come up");
	close(fds[0]);
}

static void open_notify(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/notify", w.folder);
	w.notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (w.notify < 0 || bind(w.notify, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		fail("%s: %s", addr.sun_path, strerror(errno));
	setenv("NOTIFY_SOCKET", addr.sun_path, 1);
}

static void await_ready(void)
{
	struct pollfd p = { .fd = w.notify, .events = POLLIN };
	char text[4096];

	for (;;) {
		ssize_t n;

		if (poll(&p, 1, PATIENCE_MS) != 1)
			fail("the daemon does not get ready");
		n = recv(w.notify, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = 0;
		if (strstr(text, "READY=1"))
			return;
	}
}

/* What an earlier one said last must not be taken for the next one's word. */
static void drain_notify(void)
{
	char text[4096];

	while (recv(w.notify, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
}

void daemon_start(void)
{
	_cleanup_free_ char *conf = in_folder("nvmetd.conf"), *etc = in_folder("etc"), *lib = in_folder("lib"),
			    *run = in_folder("run"), *kernel = must(strf("fake:%s/kernel", w.folder));
	const char *argv[] = { "nvmetd", "--config", conf, "--config-dir", etc, "--state-dir", lib,
			 "--run-dir", run, "--kernel", kernel, NULL };

	drain_notify();
	w.daemon = spawn(argv, "nvmetd.log", -1);
	await_ready();
}

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("waitpid: %s", strerror(errno));
	return status;
}

void daemon_kill(void)
{
	w.pending = sd_bus_slot_unref(w.pending);
	kill(w.daemon, SIGKILL);
	reap(w.daemon);
	w.daemon = 0;
}

void daemon_stop(void)
{
	int status;

	w.pending = sd_bus_slot_unref(w.pending);
	kill(w.daemon, SIGTERM);
	status = reap(w.daemon);
	if (status)
		fail("the daemon ended with status %#x", status);
	w.daemon = 0;
}

/* ---- rest ---- */

/* A process that can have something to do: those of the daemon, the fake kernel, and the bus. */
struct sleeper {
	pid_t pid;
	unsigned long switches;		/* how often it has given up a processor, or lost one */
};

static struct sleeper *add_sleeper(struct sleeper *list, size_t *n, pid_t pid)
{
	list = must(reallocarray(list, *n + 1, sizeof(*list)));
	list[(*n)++] = (struct sleeper){ .pid = pid };
	return list;
}

static bool read_proc(const char *path, char *text, size_t size)
{
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n >= 0;
}

/* With all that it has begotten: the fork server, and the workers. */
static struct sleeper *add_family(struct sleeper *list, size_t *n, pid_t pid)
{
	char path[64], text[4096], *save = NULL;

	list = add_sleeper(list, n, pid);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	if (!read_proc(path, text, sizeof(text)))
		fail("this kernel does not tell the children of processes");
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		list = add_family(list, n, (pid_t)atoi(word));
	return list;
}

static bool sleeps(struct sleeper *s, bool before)
{
	static const char voluntary[] = "\nvoluntary_ctxt_switches:", other[] = "\nnonvoluntary_ctxt_switches:";
	unsigned long was = s->switches;
	char path[32], text[4096], *state, *a, *b;

	snprintf(path, sizeof(path), "/proc/%d/status", s->pid);
	/* One that has ended has nothing more to do. */
	if (!read_proc(path, text, sizeof(text)))
		return true;
	state = strstr(text, "\nState:\t");
	a = strstr(text, voluntary);
	b = strstr(text, other);
	if (!state || !a || !b)
		fail("this kernel does not tell how often processes have slept");
	s->switches = strtoul(a + strlen(voluntary), NULL, 10) + strtoul(b + strlen(other), NULL, 10);
	return strchr("SZ", state[8]) && (!before || s->switches == was);
}

static bool all_sleep(struct sleeper *list, size_t n, bool before)
{
	for (size_t i = 0; i < n; i++)
		if (!sleeps(&list[i], before))
			return false;
	return true;
}

/* Who wakes another is awake itself; so when all were seen asleep, and again without having been awake between, no one was at the moment in
 * the middle, and no message was under way. */
static bool at_rest(void)
{
	_cleanup_free_ struct sleeper *list = NULL;
	size_t n = 0;

	list = add_family(list, &n, w.daemon);
	list = add_sleeper(list, &n, w.kernel);
	list = add_sleeper(list, &n, w.broker);
	return all_sleep(list, n, false) && all_sleep(list, n, true);
}

void settle(void)
{
	for (unsigned i = 0; i < PATIENCE_MS * 10; i++) {
		if (at_rest())
			return;
		usleep(100);
	}
	fail("the daemon does not come to rest");
}

static pid_t broker(void)
{
	sd_bus_message *reply = NULL;
	uint32_t pid = 0;

	if (sd_bus_call_method(w.bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
			       "GetConnectionUnixProcessID", NULL, &reply, "s", "org.freedesktop.DBus") < 0 ||
	    sd_bus_message_read(reply, "u", &pid) < 0)
		fail("the bus does not say which process it is");
	sd_bus_message_unref(reply);
	return (pid_t)pid;
}

static void connect_control(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/kernel", w.folder);
	w.control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (w.control < 0 || connect(w.control, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		fail("%s: %s", addr.sun_path, strerror(errno));
}

void world_start(const char *folder)
{
	w.folder = must(strdup(folder));
	signal(SIGPIPE, SIG_IGN);
	open_notify();
	kernel_start();
	connect_control();
	if (sd_bus_open_system(&w.bus) < 0)
		fail("the bus cannot be reached");
	w.broker = broker();
	daemon_start();
}

void world_end(void)
{
	at("the end");
	daemon_stop();
	kill(w.kernel, SIGTERM);
	reap(w.kernel);
	sd_bus_flush_close_unref(w.bus);
	close(w.control);
	close(w.notify);
	if (w.calls)
		fclose(w.calls);
	free(w.folder);
	free(w.where);
}

/* ---- the fake kernel ---- */

static void add_field(struct strbuf *b, const char *s)
{
	uint32_t n = (uint32_t)strlen(s);
	unsigned char len[4] = { n & 0xff, n >> 8 & 0xff, n >> 16 & 0xff, n >> 24 & 0xff };

	strbuf_add_mem(b, len, sizeof(len));
	strbuf_add(b, s);
}

char *control(const char *fmt, ...)
{
	static unsigned char answer[PACKET_MAX];
	_cleanup_strbuf_ struct strbuf b = { 0 }, words = { 0 };
	_cleanup_free_ char *line = NULL;
	char *save = NULL, *command;
	va_list ap;
	ssize_t n;

	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		line = NULL;
	va_end(ap);
	command = strtok_r(must(line), " ", &save);
	for (char *word = strtok_r(NULL, " ", &save); word; word = strtok_r(NULL, " ", &save))
		strbuf_addf(&words, "%s\n", word);
	strbuf_add(&b, "!");
	add_field(&b, command);
	add_field(&b, words.s ? words.s : "");
	if (send(w.control, b.s, b.len, MSG_NOSIGNAL) < 0 || (n = recv(w.control, answer, sizeof(answer), 0)) < 4)
		fail("the fake kernel has gone");
	if (answer[0] | answer[1] | answer[2] | answer[3])
		return NULL;
	return must(strndup((char *)answer + 4, (size_t)n - 4));
}

/* A file that was hidden for a secret stays hidden, which is no difference. */
static void add_lines(char ***lines, char *text)
{
	static const char hidden[] = " (0600)";
	char *save = NULL;

	for (char *line = strtok_r(must(text), "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *mode = strstr(line, hidden);

		/* What the kernel tells of other things: how many plugins' folders there ever were, and who links to what. */
		if (strstr(line, "/hba_info ") || strstr(line, "/members ") || strstr(line, "/info "))
			continue;
		/* The state of a LUN's group is the group's. */
		if (strstr(line, "/alua_tg_pt_gp = ") && strstr(line, "\\n"))
			*strstr(line, "\\n") = 0;
		if (mode)
			memmove(mode, mode + strlen(hidden), strlen(mode + strlen(hidden)) + 1);
		if (strv_append(lines, line) < 0)
			fail("out of memory");
	}
}

/* The kernel has nothing to clear the path of a controller that is no longer passed on. */
static void forget_controllers(char **lines)
{
	static const char path[] = "/passthru/device_path = ";

	for (char **line = lines; line && *line; line++) {
		char *at = strstr(*line, path);
		_cleanup_free_ char *off = at ? must(strf("%.*s/passthru/enable = 0", (int)(at - *line), *line)) : NULL;

		if (off && strv_contains(lines, off))
			at[strlen(path)] = 0;
	}
}

char **dump(void)
{
	_cleanup_free_ char *tree = control("dump"), *files = control("backing");
	char **lines = NULL;

	add_lines(&lines, tree);
	forget_controllers(lines);
	add_lines(&lines, files);
	strv_sort_unique(lines);
	return lines;
}

void print_difference(char *const *wanted, char *const *is)
{
	for (char *const *l = wanted; *l; l++)
		if (!strv_contains(is, *l))
			fprintf(stderr, "  - %s\n", *l);
	for (char *const *l = is; *l; l++)
		if (!strv_contains(wanted, *l))
			fprintf(stderr, "  + %s\n", *l);
}

static void count(unsigned long *ret_calls, unsigned long *ret_changes)
{
	_cleanup_free_ char *text = control("count");

	if (sscanf(must(text), "calls %lu changes %lu", ret_calls, ret_changes) != 2)
		fail("the fake kernel cannot count: %s", text);
}

unsigned long changes(void)
{
	unsigned long all, n;

	count(&all, &n);
	return n;
}

unsigned long calls(void)
{
	unsigned long all, n;

	count(&all, &n);
	return all;
}

unsigned long writes(void)
{
	unsigned long change;
	char line[8192], verb;

	if (!w.calls) {
		_cleanup_free_ char *path = in_folder("calls");

		w.calls = fopen(path, "re");
	}
	if (!w.calls)
		fail("the fake kernel's log cannot be read: %s", strerror(errno));
	clearerr(w.calls);
	while (fgets(line, sizeof(line), w.calls))
		w.writes += sscanf(line, "%*u %lu %c", &change, &verb) == 2 && change && verb != 'M';
	return w.writes;
}

/* ---- the bus ---- */

static sd_bus_message *new_call(const char *path, const char *interface, const char *member)
{
	sd_bus_message *m;

	if (sd_bus_message_new_method_call(w.bus, &m, BUS_NAME, path, interface, member) < 0)
		fail("%s: out of memory", member);
	return m;
}

/* Takes over the message. NULL and the error's text when that is what came. */
static char *call(sd_bus_message *m, char **ret_error)
{
	_cleanup_free_ char *member = must(strdup(sd_bus_message_get_member(m)));
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	const char *text = NULL;
	char *copy = NULL;
	int r = sd_bus_call(w.bus, m, PATIENCE_MS * 1000ull, &error, &reply);

	sd_bus_message_unref(m);
	if (r < 0 && !ret_error)
		fail("%s: %s", member, error.message);
	if (r < 0)
		*ret_error = must(strdup(error.message));
	else if (sd_bus_message_has_signature(reply, "s") && sd_bus_message_read(reply, "s", &text) < 0)
		fail("%s: what is this answer?", member);
	else
		copy = must(strdup(text ? text : ""));
	sd_bus_message_unref(reply);
	sd_bus_error_free(&error);
	return copy;
}

static struct json_object *call_json(sd_bus_message *m)
{
	_cleanup_free_ char *text = call(m, NULL);
	struct json_object *o = json_tokener_parse(text);

	if (!o)
		fail("the answer is no JSON: %s", text);
	return o;
}

static sd_bus_message *manager_call(const char *member)
{
	return new_call(BUS_ROOT, BUS_MANAGER_INTERFACE, member);
}

static sd_bus_message *document_call(const char *member, const char *document)
{
	sd_bus_message *m = manager_call(member);

	if (sd_bus_message_append(m, "sa{sv}", document, 3, "disrupt", "b", 1, "destroy", "b", 1, "generation", "t", (uint64_t)0) <
	    0)
		fail("out of memory");
	return m;
}

struct json_object *apply(const char *document)
{
	return call_json(document_call("Apply", document));
}

static int on_applied(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *text;

	if (sd_bus_message_is_method_error(m, NULL))
		fail("Apply: %s", sd_bus_message_get_error(m)->message);
	if (sd_bus_message_read(m, "s", &text) < 0)
		fail("Apply: what is this answer?");
	w.applied = json_tokener_parse(text);
	return 0;
}

void apply_begin(const char *document)
{
	sd_bus_message *m = document_call("Apply", document);

	if (sd_bus_call_async(w.bus, &w.pending, m, on_applied, NULL, PATIENCE_MS * 1000ull) < 0 || sd_bus_flush(w.bus) < 0)
		fail("the bus is gone");
	sd_bus_message_unref(m);
}

struct json_object *apply_end(void)
{
	while (!w.applied) {
		int r = sd_bus_process(w.bus, NULL);

		if (r == 0)
			r = sd_bus_wait(w.bus, PATIENCE_MS * 1000ull);
		if (r < 0)
			fail("the bus is gone: %s", strerror(-r));
	}
	w.pending = sd_bus_slot_unref(w.pending);
	return steal_ptr(w.applied);
}

struct json_object *plan_of(const char *document)
{
	return call_json(document_call("Diff", document));
}

/* "NAME=VALUE", "NAME+=VALUE", "NAME-=VALUE" */
static int append_assignment(sd_bus_message *m, char *word)
{
	char *eq = strchr(word, '=');
	const char *op = "=";

	if (!eq || eq == word)
		fail("%s is no assignment", word);
	*eq = 0;
	if (eq[-1] == '+' || eq[-1] == '-') {
		op = eq[-1] == '+' ? "+=" : "-=";
		eq[-1] = 0;
	}
	return sd_bus_message_append(m, "(sss)", word, op, eq + 1);
}

static int append_edit(sd_bus_message *m, char *line)
{
	char *save = NULL, *verb = strtok_r(line, " ", &save), *path = strtok_r(NULL, " ", &save);
	int r = sd_bus_message_open_container(m, 'r', "ssa(sss)");

	if (r >= 0)
		r = sd_bus_message_append(m, "ss", verb, path);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sss)");
	for (char *word; r >= 0 && (word = strtok_r(NULL, " ", &save));)
		r = append_assignment(m, word);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int append_edits(sd_bus_message *m, const char *edits)
{
	_cleanup_free_ char *copy = must(strdup(edits));
	char *save = NULL;
	int r = sd_bus_message_open_container(m, 'a', "(ssa(sss))");

	for (char *line = strtok_r(copy, "\n", &save); r >= 0 && line; line = strtok_r(NULL, "\n", &save))
		r = append_edit(m, line);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

struct json_object *change(const char *edits)
{
	sd_bus_message *m = manager_call("Change");
	int r = append_edits(m, edits);

	if (r >= 0)
		r = sd_bus_message_append(m, "a{sv}", 2, "disrupt", "b", 1, "destroy", "b", 1);
	if (r < 0)
		fail("Change: %s", strerror(-r));
	return call_json(m);
}

struct json_object *reconcile(void)
{
	sd_bus_message *m = manager_call("Reconcile");

	if (sd_bus_message_append(m, "asa{sv}", 0, 2, "disrupt", "b", 1, "destroy", "b", 1) < 0)
		fail("out of memory");
	return call_json(m);
}

struct json_object *status(void)
{
	return call_json(manager_call("Status"));
}

char *dump_model(void)
{
	sd_bus_message *m = manager_call("Dump");

	if (sd_bus_message_append(m, "sb", "", 0) < 0)
		fail("out of memory");
	return call(m, NULL);
}

static char *job_path(unsigned long long job)
{
	return must(strf("%s/job/%llu", BUS_ROOT, job));
}

void cancel(unsigned long long job)
{
	_cleanup_free_ char *path = job_path(job);

	free(call(new_call(path, BUS_JOB_INTERFACE, "Cancel"), NULL));
}

const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : "";
}

size_t length_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_array_length(v) : 0;
}
