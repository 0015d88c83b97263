/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected. The kernel tells connections to a port, not to a subsystem; so one counts for every subsystem of its port that
 * was already linked when the connection was first seen. Each connection and each link gets a number from one sequence for
 * that. What cannot be seen counts as in use.
 */
#include <errno.h>

#include "base/text.h"
#include "daemon/manager-private.h"

struct port_use {
	struct map *seen;	/* cookie -> number, of connections that were there at the last query */
	uint64_t newest;	/* the highest of those numbers, 0 for none */
	bool unknown;		/* the transport does not show its connections */
	char **loop;		/* subsystems that loop controllers are connected to */
};

struct connections {
	struct map *ports;	/* "ports/ID", or path of a portal -> struct port_use */
	struct map *links;	/* edge -> number when it was linked; absent: before we looked */
	uint64_t sequence;
};

struct query_port {
	struct query *query;
	struct oplist ops;
	char *port;
};

struct query {
	struct manager *m;
	struct query_port *ports;
	size_t n_ports, left;
	struct cfg_error err;
	sd_event_source *defer;
	in_use_done_fn done;
	void *userdata;
};

int connections_new(struct connections **ret)
{
	struct connections *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->ports = map_new();
	c->links = map_new();
	if (!c->ports || !c->links) {
		connections_free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

static void port_use_free(struct port_use *u)
{
	if (!u)
		return;
	map_free(u->seen);
	strv_free(u->loop);
	free(u);
}

struct connections *connections_free(struct connections *c)
{
	struct map_iter it = { 0 };

	if (!c)
		return NULL;
	while (c->ports && map_next(c->ports, &it))
		port_use_free(it.value);
	map_free(c->ports);
	map_free(c->links);
	free(c);
	return NULL;
}

static void query_free(struct query *q)
{
	for (size_t i = 0; i < q->n_ports; i++) {
		oplist_done(&q->ports[i].ops);
		free(q->ports[i].port);
	}
	free(q->ports);
	cfg_error_done(&q->err);
	sd_event_source_disable_unref(q->defer);
	free(q);
}

static void query_finish(struct query *q)
{
	q->done(q->userdata, cfg_error_is_set(&q->err) ? &q->err : NULL);
	query_free(q);
}

static int note_connection(struct connections *c, struct port_use *now, const struct port_use *before, const char *cookie)
{
	uint64_t number = before ? (uint64_t)(uintptr_t)map_get(before->seen, cookie) : 0;

	if (!number)
		number = ++c->sequence;
	if (number > now->newest)
		now->newest = number;
	return map_put(now->seen, cookie, (void *)(uintptr_t)number);
}

/* Lines: a cookie a connection, "loop NQN", or "unknown". */
static int absorb(struct connections *c, const char *port, const char *text)
{
	struct port_use *before = map_get(c->ports, port);
	struct port_use *now = calloc(1, sizeof(*now));
	_cleanup_free_ char *copy = strdup(text);
	char *save = NULL;
	int r = 0;

	if (now)
		now->seen = map_new();
	if (!now || !now->seen || !copy) {
		port_use_free(now);
		return -ENOMEM;
	}
	for (char *line = strtok_r(copy, "\n", &save); r >= 0 && line; line = strtok_r(NULL, "\n", &save)) {
		if (streq(line, "unknown"))
			now->unknown = true;
		else if (strncmp(line, "loop ", 5) == 0)
			r = strv_append(&now->loop, line + 5);
		else
			r = note_connection(c, now, before, line);
	}
	if (r >= 0)
		r = map_put(c->ports, port, now);
	if (r < 0) {
		port_use_free(now);
		return r;
	}
	port_use_free(before);
	return 0;
}

static void on_port(void *userdata, const struct work_result *result)
{
	struct query_port *p = userdata;
	struct query *q = p->query;

	if (cfg_error_is_set(&q->err))
		;
	else if (result->error)
		cfg_error_set_at(&q->err, result->error, p->port, NULL, "who is connected cannot be read: %s",
				 result->message ? result->message : strerror(result->error));
	else if (absorb(q->m->connections, p->port, result->data[0] ? result->data[0] : "") < 0)
		cfg_error_oom(&q->err);
	if (--q->left == 0)
		query_finish(q);
}

static int on_nothing_to_ask(sd_event_source *source, void *userdata)
{
	query_finish(userdata);
	return 0;
}

/* "ports/1/subsystems/S" -> "ports/1"; of the SCSI target a portal, or a portal group that has none, as it is. */
static char *edge_port(const char *edge)
{
	const char *end;

	if (strncmp(edge, "targets/", 8) == 0)
		return strdup(edge);
	end = strchr(edge + strlen("ports/"), '/');

	return end ? strndup(edge, (size_t)(end - edge)) : NULL;
}

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

/* Where connections can be seen: value of OP_IN_USE. The name of a portal is its address; who uses a target without portals nobody tells. */
static char *where_is(const struct object *o)
{
	const char *colon = strrchr(o->name, ':');
	bool brackets = *o->name == '[';

	if (o->kind == KIND_PORTAL && colon)
		return strf("tcp - %.*s %s", (int)(colon - o->name) - 2 * brackets, o->name + brackets, colon + 1);
	if (o->kind != KIND_PORT)
		return strdup("unknown - - -");
	return strf("%s %s %s %s", or_dash(object_get(o, "trtype")), or_dash(object_get(o, "adrfam")), or_dash(object_get(o, "traddr")),
		    or_dash(object_get(o, "trsvcid")));
}

static int query_add(struct query *q, const struct object *port, const char *path)
{
	struct query_port *list;
	_cleanup_free_ char *where = NULL;

	for (size_t i = 0; i < q->n_ports; i++)
		if (streq(q->ports[i].port, path))
			return 0;
	list = reallocarray(q->ports, q->n_ports + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	q->ports = list;
	list[q->n_ports] = (struct query_port){ .port = strdup(path) };
	if (!list[q->n_ports++].port)
		return -ENOMEM;
	where = where_is(port);
	return where ? oplist_add(&list[q->n_ports - 1].ops, OP_IN_USE, 0, path, where, path, NULL) : -ENOMEM;
}

static int query_submit(struct query *q)
{
	if (!q->n_ports)
		return sd_event_add_defer(q->m->event, &q->defer, on_nothing_to_ask, q);
	for (size_t i = 0; i < q->n_ports; i++) {
		int r;

		q->ports[i].query = q;
		r = pool_submit(q->m->pool, WORK_READ, TOKEN_NONE, &q->ports[i].ops, NULL, "who is connected", on_port,
				&q->ports[i], NULL);
		if (r < 0) {
			cfg_error_oom(&q->err);
			return q->left ? 0 : r;
		}
		q->left++;
	}
	return 0;
}

int connections_query(struct manager *m, const struct tree *tree, char *const *edges, in_use_done_fn done, void *userdata)
{
	struct query *q = calloc(1, sizeof(*q));
	int r = 0;

	if (!q)
		return -ENOMEM;
	*q = (struct query){ .m = m, .done = done, .userdata = userdata };
	for (; r >= 0 && edges && *edges; edges++) {
		_cleanup_free_ char *path = edge_port(*edges);
		const struct object *port = path ? tree_find(tree, path) : NULL;

		/* A port that is not there yet has no connections. */
		r = !path ? -ENOMEM : port ? query_add(q, port, path) : 0;
	}
	if (r >= 0)
		r = query_submit(q);
	if (r < 0)
		query_free(q);
	return r;
}

bool connections_in_use(const struct connections *c, const char *edge)
{
	_cleanup_free_ char *port = edge_port(edge);
	const struct port_use *u = port ? map_get(c->ports, port) : NULL;
	const char *subsystem = strstr(edge, "/subsystems/");
	uint64_t linked;

	if (!u)
		return false;
	if (u->unknown)
		return true;
	if (subsystem && strv_contains(u->loop, subsystem + strlen("/subsystems/")))
		return true;
	linked = (uint64_t)(uintptr_t)map_get(c->links, edge);
	return u->newest > linked;
}

int connections_linked(struct connections *c, const char *edge)
{
	return map_put(c->links, edge, (void *)(uintptr_t)++c->sequence);
}

void connections_unlinked(struct connections *c, const char *edge)
{
	map_del(c->links, edge);
}
