/* SPDX-License-Identifier: Apache-2.0 */
/* export and unexport for NVMe: subsystem, namespace, hosts and ports. */
#include "cli/export.h"

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
	nsid = c->nsid ? strdup(c->nsid) : free_number(1, namespaces, NULL);
	path = nsid ? strf("subsystems/%s/namespaces/%s", c->nqn, nsid) : NULL;
	if (!path)
		return out_of_memory();
	edits_add(edits, "create", path);
	edits_attr(edits, "backend", "=", backend);
	return 0;
}

static int add_controller(struct cli *c, struct json_object *edits, struct json_object *subsystem, const char *backend)
{
	_cleanup_free_ char *path = strf("subsystems/%s", c->nqn);

	if (c->nsid)
		return usage_error(c, "--nsid does not go with type " PASSTHRU ": the namespaces are the controller's own");
	if (streq(member_string(subsystem, "backend"), backend))
		return 0;
	edits_add(edits, "set", path);
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
	id = free_number(1, ports, made);
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

int export_nvme(struct cli *c, struct json_object *edits, struct json_object *doc, const char *backend, bool passthru)
{
	struct json_object *subsystem = member(member(doc, "subsystems"), c->nqn);
	int r = add_subsystem(c, edits, doc, subsystem);

	if (!r)
		r = passthru ? add_controller(c, edits, subsystem, backend) : add_namespace(c, edits, subsystem, backend);
	return r ? r : add_ports(c, edits, doc);
}

/* ---- what the host has to type ---- */

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

int print_nvme_ways(struct cli *c, struct json_object *doc)
{
	struct json_object *subsystem = member(member(doc, "subsystems"), c->nqn);

	if (!print_ways(c, member(doc, "ports")) && !c->quiet)
		printf("No port serves it yet: nvmetctl export … --port TRTYPE:ADDRESS[:SERVICE] adds one.\n");
	if (!member_bool(subsystem, "allow_any_host") && !array_len(member(subsystem, "allowed_hosts")) && !c->quiet) {
		_cleanup_free_ char *nqn = shell_word(c->nqn);

		if (!nqn)
			return out_of_memory();
		printf("No host may connect yet: nvmetctl set subsystems/%s allowed_hosts+=HOSTNQN lets one in.\n", nqn);
	}
	return STATUS_DONE;
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

static int remove_subsystems(struct json_object *edits, struct json_object *doc, const char *backend, char ***ret_gone)
{
	struct json_object *subsystems = member(doc, "subsystems");

	if (!subsystems)
		return 0;
	json_object_object_foreach(subsystems, nqn, subsystem) {
		struct json_object *namespaces = member(subsystem, "namespaces");
		bool passes = streq(member_string(subsystem, "backend"), backend);

		if (!passes && !find_by(namespaces, "backend", backend))
			continue;
		if (passes || !has_other_namespaces(subsystem, backend)) {
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

int unexport_nvme(struct json_object *edits, struct json_object *doc, const char *backend)
{
	_cleanup_strv_ char **gone = NULL;

	if (remove_subsystems(edits, doc, backend, &gone) < 0)
		return out_of_memory();
	remove_ports(edits, doc, gone);
	remove_hosts(edits, doc, gone);
	return 0;
}
