/* SPDX-License-Identifier: Apache-2.0 */
/* What tests tell the fake kernel: README.md lists the commands. None of it is counted, and no fault meets it. */
#include <errno.h>

#include "tests/fake-kernel/fake.h"

/* A command that waits until so many calls hang, or so many were made. */
struct waiting {
	struct session *session;
	bool hung;
	unsigned long n;
};

static struct waiting *waiting;
static size_t n_waiting;

static bool has_come(const struct waiting *w)
{
	return (w->hung ? calls_hung() : calls_counts().calls) >= w->n;
}

void control_check(void)
{
	size_t n = 0;

	for (size_t i = 0; i < n_waiting; i++)
		if (has_come(&waiting[i]))
			session_answer(waiting[i].session, 0, NULL, 0);
		else
			waiting[n++] = waiting[i];
	n_waiting = n;
	if (!n)
		free(steal_ptr(waiting));
}

void control_session_ended(struct session *s)
{
	size_t n = 0;

	for (size_t i = 0; i < n_waiting; i++)
		if (waiting[i].session != s)
			waiting[n++] = waiting[i];
	n_waiting = n;
	if (!n)
		free(steal_ptr(waiting));
}

static int wait_for(struct session *s, const char *what, const char *count)
{
	uint64_t n;

	if (!streq(what, "hung") && !streq(what, "calls"))
		return -EINVAL;
	if (text_to_u64(count, &n) < 0)
		return -EINVAL;
	waiting = must(reallocarray(waiting, n_waiting + 1, sizeof(*waiting)));
	waiting[n_waiting++] = (struct waiting){ .session = s, .hung = *what == 'h', .n = n };
	return 0;
}

/* ---- commands ---- */

typedef int (*command_fn)(struct fake *f, char **words, struct strbuf *ret);

static int do_count(struct fake *f, char **words, struct strbuf *ret)
{
	struct counts n = calls_counts();

	strbuf_addf(ret, "calls %lu\nchanges %lu\nwrites %lu\n", n.calls, n.changes, n.writes);
	return 0;
}

static int do_dump(struct fake *f, char **words, struct strbuf *ret)
{
	fs_dump(f, ret);
	return 0;
}

static int do_fault(struct fake *f, char **words, struct strbuf *ret)
{
	return calls_arm(words, ret);
}

static int do_faults(struct fake *f, char **words, struct strbuf *ret)
{
	calls_list_faults(ret);
	return 0;
}

static int do_disarm(struct fake *f, char **words, struct strbuf *ret)
{
	calls_disarm();
	return 0;
}

static int do_hung(struct fake *f, char **words, struct strbuf *ret)
{
	calls_list_hung(ret);
	return 0;
}

static int do_release(struct fake *f, char **words, struct strbuf *ret)
{
	int code = words[1] ? errno_from_name(words[1]) : 0;

	return code < 0 ? code : calls_release(words[0], code);
}

static int do_mkdir(struct fake *f, char **words, struct strbuf *ret)
{
	return fs_mkdir(f, words[0]);
}

static int do_rmdir(struct fake *f, char **words, struct strbuf *ret)
{
	return fs_rmdir(f, words[0]);
}

static int do_write(struct fake *f, char **words, struct strbuf *ret)
{
	_cleanup_free_ char *line = fmt("%s\n", words[1]);

	return fs_write(f, words[0], line, strlen(line));
}

static int do_read(struct fake *f, char **words, struct strbuf *ret)
{
	return fs_read(f, words[0], ret);
}

static int do_list(struct fake *f, char **words, struct strbuf *ret)
{
	return fs_list(f, words[0], ret);
}

static int do_link(struct fake *f, char **words, struct strbuf *ret)
{
	return fs_link(f, words[0], words[1]);
}

static int do_unlink(struct fake *f, char **words, struct strbuf *ret)
{
	return fs_unlink(f, words[0]);
}

static int do_tune(struct fake *f, char **words, struct strbuf *ret)
{
	return machine_tune(f, words[0], words[1]);
}

static int do_tuned(struct fake *f, char **words, struct strbuf *ret)
{
	return machine_tuned(f, words[0], ret);
}

static int do_load(struct fake *f, char **words, struct strbuf *ret)
{
	return machine_load_module(f, words[0]);
}

static int do_add(struct fake *f, char **words, struct strbuf *ret)
{
	return machine_add(f, words[0], words + 1);
}

static int do_remove(struct fake *f, char **words, struct strbuf *ret)
{
	return machine_remove(f, words[0]);
}

static int do_backing(struct fake *f, char **words, struct strbuf *ret)
{
	struct map_iter it = { 0 };

	while (map_next(f->backing, &it)) {
		const struct backing *b = it.value;

		strbuf_addf(ret, "%c %llu %s\n", b->type, (unsigned long long)b->size, it.key);
	}
	return 0;
}

static int do_address(struct fake *f, char **words, struct strbuf *ret)
{
	bool remove = streq(words[0], "remove");

	if (!remove && !streq(words[0], "add"))
		return -EINVAL;
	if (remove)
		return strv_remove(f->addresses, words[1]) ? 0 : -ENOENT;
	if (strv_append(&f->addresses, words[1]) < 0)
		must(NULL);
	return 0;
}

static int do_listener(struct fake *f, char **words, struct strbuf *ret)
{
	uint64_t port;

	if (text_to_u64(words[2], &port) < 0 || port > UINT16_MAX)
		return -EINVAL;
	if (streq(words[0], "add"))
		return machine_listen(f, "tcp", 0, words[1], (uint16_t)port);
	if (!streq(words[0], "remove"))
		return -EINVAL;
	machine_unlisten(f, words[1], words[2]);
	return 0;
}

static int do_listeners(struct fake *f, char **words, struct strbuf *ret)
{
	for (char *const *l = f->listeners; l && *l; l++)
		strbuf_addf(ret, "%s\n", *l);
	return 0;
}

static int do_connect(struct fake *f, char **words, struct strbuf *ret)
{
	return hosts_connect(f, words[0], words[1], words[2]);
}

static int do_disconnect(struct fake *f, char **words, struct strbuf *ret)
{
	return hosts_disconnect(f, words[0]);
}

static int do_identify(struct fake *f, char **words, struct strbuf *ret)
{
	return hosts_identify(f, words[0]);
}

static int do_command(struct fake *f, char **words, struct strbuf *ret)
{
	uint64_t nsid;

	return text_to_u64(words[1], &nsid) < 0 ? -EINVAL : hosts_command(f, words[0], (uint32_t)nsid);
}

static int do_hardware(struct fake *f, char **words, struct strbuf *ret)
{
	_cleanup_free_ char *port = words[1] ? fmt("%s %s", words[0], words[1]) : must(strdup(words[0]));

	if (strv_append(&f->hardware, port) < 0)
		must(NULL);
	return 0;
}

/* "\n" in it is a newline, since words are lines on their way here. */
static int do_content(struct fake *f, char **words, struct strbuf *ret)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	struct backing *file;

	for (const char *s = words[1]; *s; s++)
		if (s[0] == '\\' && s[1] == 'n')
			strbuf_add(&b, "\n"), s++;
		else
			strbuf_add_mem(&b, s, 1);
	if (*words[0] != '/')
		return -EINVAL;
	file = machine_put(f, words[0], 'f', b.len);
	file->content = b.len ? must(strbuf_steal(&b)) : NULL;
	return 0;
}

static int do_register(struct fake *f, char **words, struct strbuf *ret)
{
	return f->target ? lio_register(f, words[0], words[1], words + 2) : -ENOENT;
}

static int do_hosts(struct fake *f, char **words, struct strbuf *ret)
{
	hosts_list(f, ret);
	return 0;
}

static const struct command {
	const char *name;
	size_t min, max;	/* words behind it */
	command_fn run;
} commands[] = {
	{ "count", 0, 0, do_count },
	{ "dump", 0, 0, do_dump },
	{ "fault", 1, 99, do_fault },
	{ "faults", 0, 0, do_faults },
	{ "disarm", 0, 0, do_disarm },
	{ "hung", 0, 0, do_hung },
	{ "release", 1, 2, do_release },
	{ "mkdir", 1, 1, do_mkdir },
	{ "rmdir", 1, 1, do_rmdir },
	{ "write", 2, 2, do_write },
	{ "read", 1, 1, do_read },
	{ "list", 1, 1, do_list },
	{ "link", 2, 2, do_link },
	{ "unlink", 1, 1, do_unlink },
	{ "load", 1, 1, do_load },
	{ "tuned", 1, 1, do_tuned },
	{ "tune", 2, 2, do_tune },
	{ "add", 1, 99, do_add },
	{ "remove", 1, 1, do_remove },
	{ "backing", 0, 0, do_backing },
	{ "address", 2, 2, do_address },
	{ "listener", 3, 3, do_listener },
	{ "listeners", 0, 0, do_listeners },
	{ "connect", 3, 3, do_connect },
	{ "disconnect", 1, 1, do_disconnect },
	{ "identify", 1, 1, do_identify },
	{ "command", 2, 2, do_command },
	{ "hosts", 0, 0, do_hosts },
	{ "hardware", 1, 2, do_hardware },
	{ "content", 2, 2, do_content },
	{ "register", 2, 4, do_register },
};

static int run(struct fake *f, const char *name, char **words, struct strbuf *ret)
{
	size_t n = strv_len(words);
	char *none[] = { NULL };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (streq(commands[i].name, name))
			return n < commands[i].min || n > commands[i].max ? -EINVAL : commands[i].run(f, words ? words : none, ret);
	return -ENOSYS;
}

void control_run(struct fake *f, struct session *s, const char *command, const char *arguments)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	_cleanup_strv_ char **words = NULL;
	int r;

	/* One a line, each with its newline. */
	for (const char *at = arguments, *end; (end = strchr(at, '\n')); at = end + 1) {
		_cleanup_free_ char *word = must(strndup(at, (size_t)(end - at)));

		if (strv_append(&words, word) < 0)
			must(NULL);
	}
	if (streq(command, "wait")) {
		r = strv_len(words) == 2 ? wait_for(s, words[0], words[1]) : -EINVAL;
		if (r < 0)
			session_answer(s, r, NULL, 0);
		control_check();
		return;
	}
	r = run(f, command, words, &b);
	if (b.failed)
		must(NULL);
	session_answer(s, r, r < 0 ? NULL : b.s, b.len);
}
