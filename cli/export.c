/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export and unexport: the common case in one line. They look at the model, decide which objects are missing or left over, and
 * send that as one change that names the generation they looked at, so that nobody else's work in between is overrun.
 */
#include "cli/cli.h"

#include <errno.h>
#include <sys/stat.h>

#include "model/address.h"

struct port_spec {
	char *trtype, *traddr, *trsvcid;	/* trsvcid NULL: none */
};

static void port_spec_done(struct port_spec *p)
{
	free(p->trtype);
	free(p->traddr);
	free(p->trsvcid);
}

/* "tcp:192.0.2.1:4420", "tcp:[2001:db8::1]:4420", "tcp:192.0.2.1", "loop" */
static int parse_port(const char *text, struct port_spec *ret)
{
	const char *at = strchr(text, ':');
	const char *end;

	ret->trtype = at ? strndup(text, (size_t)(at - text)) : strdup(text);
	if (!at)
		return ret->trtype ? 0 : -1;
	at++;
	if (*at == '[') {
		end = strchr(++at, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -1;
		ret->traddr = strndup(at, (size_t)(end - at));
		end = end[1] ? end + 1 : NULL;
	} else if (ret->trtype && streq(ret->trtype, "fc")) {
		ret->traddr = strdup(at);
		end = NULL;
	} else {
		end = strchr(at, ':');
		ret->traddr = end ? strndup(at, (size_t)(end - at)) : strdup(at);
	}
	if (end)
		ret->trsvcid = strdup(end + 1);
	else if (ret->trtype && (streq(ret->trtype, "tcp") || streq(ret->trtype, "rdma")))
		ret->trsvcid = strdup("4420");
	return ret->traddr && *ret->traddr && !(ret->trsvcid && !*ret->trsvcid) ? 0 : -1;
}

/* An address can be written in several ways. */
static bool same_address(const char *a, const char *b)
{
	char text_a[IP_TEXT_MAX], text_b[IP_TEXT_MAX];
	struct ip_address ip_a, ip_b;

	if (!ip_parse(a, &ip_a) || !ip_parse(b, &ip_b))
		return streq(a, b);
	return streq(ip_to_text(&ip_a, text_a), ip_to_text(&ip_b, text_b));
}

static bool port_matches(struct json_object *port, const struct port_spec *p)
{
	return streq(member_string(port, "trtype"), p->trtype) &&
	       same_address(member_string(port, "traddr"), p->traddr ? p->traddr : "") &&
	       streq(member_string(port, "trsvcid"), p->trsvcid ? p->trsvcid : "");
}

/* The name of the member of a collection for which the attribute has the value; NULL: none. Borrowed. */
static const char *find_by(struct json_object *collection, const char *attr, const char *value)
{
	if (collection) {
		json_object_object_foreach(collection, name, o)
			if (streq(member_string(o, attr), value))
				return name;
	}
	return NULL;
}

static const char *backend_of(struct json_object *doc, const char *device)
{
	struct json_object *backends = member(doc, "backends");
	const char *name = find_by(backends, "device", device);

	return name ? name : find_by(backends, "path", device);
}

static char *free_number(struct json_object *collection, struct json_object *also)
{
	for (unsigned n = 1;; n++) {
		_cleanup_free_ char *text = strf("%u", n);

		if (!text)
			return NULL;
		if (!(collection && member(collection, text)) && !(also && member(also, text)))
			return steal_ptr(text);
	}
}

/* The device's own name, made fit for a backend's, with a number if it is taken. */
static char *free_backend_name(struct json_object *backends, const char *device)
{
	const char *slash = strrchr(device, '/');
	_cleanup_free_ char *base = strdup(slash ? slash + 1 : device);

	if (!base)
		return NULL;
	for (char *c = base; *c; c++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *c))
			*c = '_';
	for (unsigned i = 1;; i++) {
		_cleanup_free_ char *name = i == 1 ? strdup(base) : strf("%s-%u", base, i);

		if (!name || !(backends && member(backends, name)))
			return steal_ptr(name);
	}
}

static void add_backend(struct cli *c, struct json_object *edits, const char *name, const char *device)
{
	_cleanup_free_ char *path = strf("backends/%s", name);
	struct stat st;
	/* What cannot be looked at from here (remote, not there yet) is told by where it lies. */
	bool block = !c->remote && stat(device, &st) == 0 ? S_ISBLK(st.st_mode) : strncmp(device, "/dev/", 5) == 0;

	edits_add(edits, "create", path);
	edits_attr(edits, "type", "=", block ? "block" : "file");
	edits_attr(edits, block ? "device" : "path", "=", device);
	if (c->size)
		edits_attr(edits, "size", "=", c->size);
	if (c->create)
		edits_attr(edits, "create", "=", "1");
}

/* Hosts that are to be let in and are not yet. */
static int missing_hosts(struct cli *c, struct json_object *subsystem, char ***ret)
{
	for (char **h = c->hosts; h && *h; h++)
		if (!array_has(member(subsystem, "allowed_hosts"), *h) && !strv_contains(*ret, *h) && strv_append(ret, *h) < 0)
			return out_of_memory();
	return 0;
}

static int add_subsystem(struct cli *c, struct json_object *edits, struct json_object *doc, struct json_object *subsystem)
{
	_cleanup_free_ char *own = strf("subsystems/%s", c->nqn);
	_cleanup_strv_ char **hosts = NULL;
	bool open_up = c->any_host && !member_bool(subsystem, "allow_any_host");
	int r = missing_hosts(c, subsystem, &hosts);

	if (r || (subsystem && !hosts && !open_up))
		return r;
	for (char **h = hosts; h && *h; h++) {
		_cleanup_free_ char *path = strf("hosts/%s", *h);

		if (!member(member(doc, "hosts"), *h))
			edits_add(edits, "create", path);
	}
	edits_add(edits, subsystem ? "set" : "create", own);
	if (open_up)
		edits_attr(edits, "allow_any_host", "=", "1");
	for (char **h = hosts; h && *h; h++)
		edits_attr(edits, "allowed_hosts", "+=", *h);
	return 0;
}

static int add_namespace(struct cli *c, struct json_object *edits, struct json_object *subsystem, const char *backend)
{
	struct json_object *namespaces = member(subsystem, "namespaces");
	const char *known = find_by(namespaces, "backend", backend);
	_cleanup_free_ char *nsid = NULL, *path = NULL;

	/* The line may be there for another port or host. */
	if (known && (!c->nsid || streq(known, c->nsid)))
		return 0;
	nsid = c->nsid ? strdup(c->nsid) : free_number(namespaces, NULL);
	path = nsid ? strf("subsystems/%s/namespaces/%s", c->nqn, nsid) : NULL;
	if (!path)
		return out_of_memory();
	edits_add(edits, "create", path);
	edits_attr(edits, "backend", "=", backend);
	return 0;
}

/* made: ids of ports that this line creates, so that two of them get two. */
static int add_port(struct cli *c, struct json_object *edits, struct json_object *doc, const struct port_spec *p,
		    struct json_object *made)
{
	struct json_object *ports = member(doc, "ports");
	_cleanup_free_ char *id = NULL, *path = NULL;

	if (ports) {
		json_object_object_foreach(ports, name, port) {
			if (!port_matches(port, p))
				continue;
			if (array_has(member(port, "subsystems"), c->nqn))
				return 0;
			path = strf("ports/%s", name);
			edits_add(edits, "set", path);
			edits_attr(edits, "subsystems", "+=", c->nqn);
			return 0;
		}
	}
	id = free_number(ports, made);
	path = id ? strf("ports/%s", id) : NULL;
	if (!path)
		return out_of_memory();
	json_object_object_add(made, id, json_object_new_boolean(true));
	edits_add(edits, "create", path);
	edits_attr(edits, "trtype", "=", p->trtype);
	if (p->traddr)
		edits_attr(edits, "traddr", "=", p->traddr);
	if (p->trsvcid)
		edits_attr(edits, "trsvcid", "=", p->trsvcid);
	edits_attr(edits, "subsystems", "+=", c->nqn);
	return 0;
}

static int add_ports(struct cli *c, struct json_object *edits, struct json_object *doc)
{
	_cleanup_json_ struct json_object *made = json_object_new_object();

	for (char **t = c->ports; t && *t; t++) {
		_cleanup_(port_spec_done) struct port_spec p = { 0 };
		int r;

		if (parse_port(*t, &p) < 0)
			return usage_error(c, "--port takes TRTYPE:ADDRESS[:SERVICE], as tcp:192.0.2.1:4420, not %s", *t);
		r = add_port(c, edits, doc, &p, made);
		if (r)
			return r;
	}
	return 0;
}

/* ---- what the client has to type ---- */

/* Made for a shell: an NQN may hold what a shell takes for its own. Caller frees. */
static char *shell_word(const char *word)
{
	struct strbuf b = { 0 };

	if (*word && word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:_-")] == 0)
		return strdup(word);
	strbuf_add(&b, "'");
	for (const char *s = word; *s; s++)
		if (*s == '\'')
			strbuf_add(&b, "'\\''");
		else
			strbuf_add_mem(&b, s, 1);
	strbuf_add(&b, "'");
	return strbuf_steal(&b);
}

static void print_word(const char *option, const char *word)
{
	_cleanup_free_ char *quoted = shell_word(word);

	printf(" %s%s", option, quoted ? quoted : "");
}

/* Nobody connects to a wildcard. */
static const char *reachable_address(const struct cli *c, const char *traddr)
{
	static char name[256];
	const char *at = c->remote ? strrchr(c->remote, '@') : NULL;
	struct ip_address ip;

	if (!ip_parse(traddr, &ip) || !ip_is_any(&ip))
		return traddr;
	if (c->remote)
		return at ? at + 1 : c->remote;
	return gethostname(name, sizeof(name) - 1) == 0 ? name : traddr;
}

static void print_connect(const struct cli *c, struct json_object *port, const char *host)
{
	const char *traddr = member_string(port, "traddr"), *trsvcid = member_string(port, "trsvcid");

	printf("nvme connect");
	print_word("-t ", member_string(port, "trtype"));
	if (*traddr)
		print_word("-a ", reachable_address(c, traddr));
	if (*trsvcid)
		print_word("-s ", trsvcid);
	print_word("-n ", c->nqn);
	if (host)
		print_word("--hostnqn=", host);
	putchar('\n');
}

/* One line for each way to the subsystem and each host that was named, ready to be pasted there. Returns how many. */
static size_t print_ways(const struct cli *c, struct json_object *ports)
{
	size_t n = 0;

	if (!ports)
		return 0;
	json_object_object_foreach(ports, name, port) {
		(void)name;
		/* A PCI endpoint is plugged in, not connected to. */
		if (!array_has(member(port, "subsystems"), c->nqn) || streq(member_string(port, "trtype"), "pci"))
			continue;
		n++;
		if (!c->hosts)
			print_connect(c, port, NULL);
		for (char **h = c->hosts; h && *h; h++)
			print_connect(c, port, *h);
	}
	return n;
}

static int print_connects(struct cli *c)
{
	_cleanup_json_ struct json_object *doc = NULL;
	_cleanup_free_ char *nqn = shell_word(c->nqn);
	struct json_object *subsystem;
	int r = client_look(c, "Dump", "", &doc);

	if (r || !nqn)
		return r ? r : out_of_memory();
	subsystem = member(member(doc, "subsystems"), c->nqn);
	if (!print_ways(c, member(doc, "ports")) && !c->quiet)
		printf("No port serves it yet: nvmetctl export … --port TRTYPE:ADDRESS[:SERVICE] adds one.\n");
	if (!member_bool(subsystem, "allow_any_host") && !array_len(member(subsystem, "allowed_hosts")) && !c->quiet)
		printf("No host may connect yet: nvmetctl set subsystems/%s allowed_hosts+=HOSTNQN lets one in.\n", nqn);
	return STATUS_DONE;
}

/* ---- export ---- */

static int look(struct cli *c, struct json_object **ret_doc)
{
	_cleanup_json_ struct json_object *status = NULL;
	int r = client_get(c, "Status", &status);

	/* The generation is read first: what changes between the two readings is a conflict then, never an oversight. */
	if (!r && !c->generation)
		c->generation = member_number(status, "generation");
	return r ? r : client_look(c, "Dump", "", ret_doc);
}

static bool is_backend_path(const char *what)
{
	return strncmp(what, "backends/", 9) == 0;
}

/* The device as the daemon needs it, from the root; a backend's path stays one. */
static int absolute_path(struct cli *c, char **ret)
{
	const char *what = c->args[0];
	_cleanup_free_ char *here = NULL;

	if (*what == '/' || is_backend_path(what)) {
		*ret = strdup(what);
	} else if (c->remote) {
		return usage_error(c, "%s: must begin with a slash: there is no folder to begin from on another machine", what);
	} else {
		here = getcwd(NULL, 0);
		*ret = here ? strf("%s/%s", here, strncmp(what, "./", 2) == 0 ? what + 2 : what) : NULL;
	}
	return *ret ? 0 : out_of_memory();
}

/* The name of the backend that is meant: "backends/NAME", or what stands on the device. Borrowed from either; NULL: there is none. */
static const char *meant_backend(struct json_object *doc, const char *what)
{
	const char *name = is_backend_path(what) ? what + 9 : backend_of(doc, what);

	return name && member(member(doc, "backends"), name) ? name : NULL;
}

static int check_export(struct cli *c)
{
	if (!c->nqn)
		return usage_error(c, "--nvme NQN is missing: the subsystem to export in");
	if (c->any_host && c->hosts)
		return usage_error(c, "--any-host and --host exclude each other");
	if (c->create && !c->size)
		return usage_error(c, "--create needs --size SIZE");
	return 0;
}

static int export_edits(struct cli *c, struct json_object *doc, const char *device, struct json_object *edits)
{
	struct json_object *subsystem = member(member(doc, "subsystems"), c->nqn);
	const char *known = meant_backend(doc, device);
	_cleanup_free_ char *backend = known   ? strdup(known) :
				       c->name ? strdup(c->name) :
						 free_backend_name(member(doc, "backends"), device);
	int r;

	if (!backend)
		return out_of_memory();
	if (!known && is_backend_path(device)) {
		complain("%s: there is no such object", device);
		return STATUS_FAILED;
	}
	if (!known)
		add_backend(c, edits, backend, device);
	r = add_subsystem(c, edits, doc, subsystem);
	if (!r)
		r = add_namespace(c, edits, subsystem, backend);
	return r ? r : add_ports(c, edits, doc);
}

int verb_export(struct cli *c)
{
	_cleanup_json_ struct json_object *doc = NULL, *edits = json_object_new_array();
	_cleanup_free_ char *device = NULL;
	int r = check_export(c);

	if (!r)
		r = absolute_path(c, &device);
	if (!r)
		r = look(c, &doc);
	if (!r)
		r = export_edits(c, doc, device, edits);
	if (!r && array_len(edits))
		r = edits_run(c, edits);
	else if (!r && !c->quiet && !c->json)
		puts("It is exported like that already.");
	if (r || c->dry_run || c->json || c->no_wait)
		return r;
	return print_connects(c);
}

/* ---- unexport ---- */

/* Whether anything but the given namespace lives in the subsystem. */
static bool has_other_namespaces(struct json_object *subsystem, const char *backend)
{
	struct json_object *namespaces = member(subsystem, "namespaces");

	if (namespaces) {
		json_object_object_foreach(namespaces, nsid, ns) {
			(void)nsid;
			if (!streq(member_string(ns, "backend"), backend))
				return true;
		}
	}
	return false;
}

/* Members of a collection whose list names only what goes. */
static bool list_is_only(struct json_object *list, char **names)
{
	size_t n = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++)
		if (!strv_contains(names, json_object_get_string(json_object_array_get_idx(list, i))))
			return false;
	return n > 0;
}

static void delete_path(struct json_object *edits, const char *collection, const char *name)
{
	_cleanup_free_ char *path = strf("%s/%s", collection, name);

	edits_add(edits, "delete", path);
}

static int remove_subsystems(struct json_object *edits, struct json_object *doc, const char *backend, char ***ret_gone)
{
	struct json_object *subsystems = member(doc, "subsystems");

	if (!subsystems)
		return 0;
	json_object_object_foreach(subsystems, nqn, subsystem) {
		struct json_object *namespaces = member(subsystem, "namespaces");
		bool uses = find_by(namespaces, "backend", backend) != NULL;

		if (!uses)
			continue;
		if (!has_other_namespaces(subsystem, backend)) {
			if (strv_append(ret_gone, nqn) < 0)
				return -1;
			delete_path(edits, "subsystems", nqn);
			continue;
		}
		json_object_object_foreach(namespaces, nsid, ns) {
			_cleanup_free_ char *path = strf("subsystems/%s/namespaces/%s", nqn, nsid);

			if (streq(member_string(ns, "backend"), backend))
				edits_add(edits, "delete", path);
		}
	}
	return 0;
}

static void remove_ports(struct json_object *edits, struct json_object *doc, char **gone)
{
	struct json_object *ports = member(doc, "ports");

	if (!ports)
		return;
	json_object_object_foreach(ports, id, port)
		if (list_is_only(member(port, "subsystems"), gone) && !member(port, "referrals"))
			delete_path(edits, "ports", id);
}

/* Hosts without a secret of their own that only what goes had allowed. */
static void remove_hosts(struct json_object *edits, struct json_object *doc, char **gone)
{
	struct json_object *hosts = member(doc, "hosts"), *subsystems = member(doc, "subsystems");

	if (!hosts)
		return;
	json_object_object_foreach(hosts, nqn, host) {
		bool used = false, was_allowed = false;

		json_object_object_foreach(subsystems, name, subsystem) {
			if (!array_has(member(subsystem, "allowed_hosts"), nqn))
				continue;
			was_allowed = true;
			used |= !strv_contains(gone, name);
		}
		if (was_allowed && !used && !member(host, "dhchap_key"))
			delete_path(edits, "hosts", nqn);
	}
}

static int unexport_edits(struct json_object *doc, const char *backend, struct json_object *edits)
{
	_cleanup_strv_ char **gone = NULL;

	if (remove_subsystems(edits, doc, backend, &gone) < 0)
		return out_of_memory();
	remove_ports(edits, doc, gone);
	remove_hosts(edits, doc, gone);
	delete_path(edits, "backends", backend);
	return 0;
}

int verb_unexport(struct cli *c)
{
	_cleanup_json_ struct json_object *doc = NULL, *edits = json_object_new_array();
	_cleanup_free_ char *device = NULL;
	const char *backend;
	int r = absolute_path(c, &device);

	if (!r)
		r = look(c, &doc);
	if (r)
		return r;
	backend = meant_backend(doc, device);
	if (!backend) {
		complain("%s: is not exported: no backend uses it", c->args[0]);
		return STATUS_FAILED;
	}
	r = unexport_edits(doc, backend, edits);
	/* What goes is all of it listed; only what refers to it has to be told. */
	c->recursive = true;
	return r ? r : edits_run(c, edits);
}
