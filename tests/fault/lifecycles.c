/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycles CLIENTS ROUNDS FILES [CONFIGFS]: so many clients of the running daemon at once, each with a subsystem of its own, which it
 * creates, gives a namespace on the file FILES followed by the client's number, and a host that may connect, puts on ports/1, which all
 * share and which is there, reads back, takes from the port, and deletes; and that so many times. Nothing of it may fail. With CONFIGFS, a
 * folder that holds nvmet, what was asked for is looked up in the kernel as well.
 */
#include <errno.h>
#include <sys/stat.h>

#include "tests/fault/clients.h"
#include "tests/fault/world.h"

#define NQN "nqn.2026-11.org.example:"

static const struct stage {
	int what;
	const char *text;	/* $: the subsystem's NQN, @: the host's, %: the backend's name, #: its file */
	const char *present, *absent;	/* in configfs, when it is done */
} stages[] = {
	{ ASK_CHANGE, "create subsystems/$", "nvmet/subsystems/$" },
	{ ASK_CHANGE, "create backends/% type=file path=# buffered_io=true\ncreate subsystems/$/namespaces/1 backend=%",
	  "nvmet/subsystems/$/namespaces/1" },
	{ ASK_CHANGE, "create hosts/@\nset subsystems/$ allowed_hosts+=@", "nvmet/subsystems/$/allowed_hosts/@" },
	{ ASK_CHANGE, "set ports/1 subsystems+=$", "nvmet/ports/1/subsystems/$" },
	{ ASK_SHOW, "subsystems/$" },
	{ ASK_SHOW, "ports/1" },
	{ ASK_CHANGE, "set ports/1 subsystems-=$", "nvmet/subsystems/$", "nvmet/ports/1/subsystems/$" },
	{ ASK_CHANGE, "delete subsystems/$/namespaces/1\nset subsystems/$ allowed_hosts-=@\ndelete subsystems/$\ndelete hosts/@\ndelete backends/%",
	  "nvmet/ports/1", "nvmet/subsystems/$" },
};

struct life {
	unsigned number, stage;
	unsigned long rounds;
};

static const char *files, *configfs;

static char *fill(const char *form, unsigned number)
{
	struct strbuf b = { 0 };

	for (const char *at = form; *at; at++)
		switch (*at) {
		case '$':
			strbuf_addf(&b, NQN "subsystem%u", number);
			break;
		case '@':
			strbuf_addf(&b, NQN "host%u", number);
			break;
		case '%':
			strbuf_addf(&b, "backend%u", number);
			break;
		case '#':
			strbuf_addf(&b, "%s%u", files, number);
			break;
		default:
			strbuf_add_mem(&b, at, 1);
		}
	if (!b.s)
		fail("out of memory");
	return b.s;
}

static void ask_for(struct client *c, const struct life *l)
{
	struct ask a = { .what = stages[l->stage].what, .text = fill(stages[l->stage].text, l->number) };

	client_ask(c, &a);
	free(a.text);
}

static void look_up(const char *form, unsigned number, bool there)
{
	_cleanup_free_ char *path = form ? fill(form, number) : NULL, *full = path ? strf("%s/%s", configfs, path) : NULL;
	struct stat st;

	if (full && (lstat(full, &st) == 0) != there)
		fail("%s is%s there", full, there ? " not" : "");
}

/* What others have on the port is no matter, but that this is. */
static void check_answer(const struct life *l, struct json_object *answer)
{
	const struct stage *s = &stages[l->stage];
	const char *text = json_object_to_json_string_ext(answer, JSON_C_TO_STRING_NOSLASHESCAPE);
	_cleanup_free_ char *nqn = fill("\"$\"", l->number), *host = fill("\"@\"", l->number), *backend = fill("\"%\"", l->number);

	if (s->what == ASK_CHANGE && !streq(text_of(answer, "outcome"), "done"))
		fail("was not done: %s", text);
	if (s->what == ASK_SHOW && !strstr(text, nqn))
		fail("the subsystem is not there: %s", text);
	if (s->what == ASK_SHOW && strncmp(s->text, "sub", 3) == 0 && (!strstr(text, host) || !strstr(text, backend)))
		fail("host or backend are not there: %s", text);
	if (configfs) {
		look_up(s->present, l->number, true);
		look_up(s->absent, l->number, false);
	}
}

/* False when it has lived often enough. */
static bool go_on(struct client *c, struct life *l, unsigned long rounds)
{
	struct json_object *answer = client_answer(c);

	if (!answer)
		return l->rounds < rounds;
	at("client %u, round %lu, %s", l->number, l->rounds + 1, stages[l->stage].text);
	check_answer(l, answer);
	json_object_put(answer);
	l->stage = (l->stage + 1) % ARRAY_SIZE(stages);
	l->rounds += l->stage == 0;
	if (l->rounds == rounds)
		return false;
	ask_for(c, l);
	return true;
}

int main(int argc, char **argv)
{
	_cleanup_free_ struct client **clients = NULL;
	_cleanup_free_ struct life *lives = NULL;
	unsigned long n, rounds, alive;

	if (argc < 4 || argc > 5 || !(n = strtoul(argv[1], NULL, 10)) || !(rounds = strtoul(argv[2], NULL, 10))) {
		fprintf(stderr, "Usage: lifecycles CLIENTS ROUNDS FILES [CONFIGFS]\n");
		return 2;
	}
	files = argv[3];
	configfs = argv[4];
	clients = calloc(n, sizeof(struct client *));
	lives = calloc(n, sizeof(*lives));
	if (!clients || !lives)
		fail("out of memory");
	for (unsigned i = 0; i < n; i++) {
		clients[i] = client_new();
		lives[i].number = i;
	}
	for (unsigned i = 0; i < n; i++)
		ask_for(clients[i], &lives[i]);
	do {
		clients_process(clients, n, true);
		alive = 0;
		for (unsigned i = 0; i < n; i++)
			alive += go_on(clients[i], &lives[i], rounds);
	} while (alive);
	for (unsigned i = 0; i < n; i++)
		client_free(clients[i]);
	printf("%lu clients at once, each %lu times: %lu lives, none failed\n", n, rounds, n * rounds);
	return 0;
}
