/* SPDX-License-Identifier: Apache-2.0 */
/* What a refusal of the kernel means: verb, file and errno into a sentence (kernel-abi 2.3, 2.4, 2.7, 2.8, 11). */
#include <errno.h>
#include <fnmatch.h>

#include "base/text.h"
#include "kernel/nvmet-private.h"

struct meaning {
	enum op_verb verb;
	const char *pattern;	/* of the path, as fnmatch(3); NULL: any */
	int code;
	const char *sentence;
};

#define NS "nvmet/subsystems/*/namespaces/*"
#define PORT_LINK "nvmet/ports/*/subsystems/*"

static const struct meaning meanings[] = {
	{ OP_LINK, PORT_LINK, EADDRNOTAVAIL,
	  "the port's address is not an address of this machine, or is an IPv6 address that is still tentative" },
	{ OP_LINK, PORT_LINK, EADDRINUSE, "the port's address is in use already, by another port or program" },
	{ OP_LINK, PORT_LINK, EINVAL,
	  "the port cannot be opened: its transport's module cannot be loaded, or its address does not fit" },
	{ OP_LINK, PORT_LINK, EACCES, "the port number is a privileged one and nvmetd may not use it" },
	{ OP_LINK, PORT_LINK, ENODEV, "the address belongs to no RDMA device" },
	{ OP_LINK, PORT_LINK, ENXIO, "there is no Fibre Channel target port of that address" },
	{ OP_LINK, PORT_LINK, EALREADY, "another port has that Fibre Channel target port" },
	{ OP_LINK, PORT_LINK, EEXIST, "the port serves it already, under a link of another name" },
	{ OP_LINK, "nvmet/subsystems/*/allowed_hosts/*", EINVAL, "hosts cannot be listed while allow_any_host is set" },
	{ OP_LINK, "nvmet/subsystems/*/allowed_hosts/*", EEXIST, "the host is allowed already, under a link of another name" },
	{ OP_WRITE, NS "/enable", ENOENT, "the device or file does not exist" },
	{ OP_WRITE, NS "/enable", EACCES, "the device is read-only" },
	{ OP_WRITE, NS "/enable", EBUSY, "another namespace of the subsystem has this NSID in the kernel, under another spelling" },
	{ OP_WRITE, NS "/enable", EMFILE, "the subsystem has 1024 enabled namespaces, the most that the kernel takes" },
	{ OP_WRITE, NS "/enable", EISDIR, "the path is that of a folder" },
	{ OP_WRITE, NS "/enable", EINVAL, "the kernel cannot open the device or file, or its file system has no direct I/O" },
	{ OP_WRITE, NS "/*", EBUSY, "the kernel does not take it while the namespace is enabled" },
	{ OP_MKDIR, NS, ENOMEM, "the NSID is taken, or the subsystem has as many namespaces as it can" },
	{ OP_WRITE, "nvmet/ports/*", EACCES, "the kernel does not take it while the port serves a subsystem" },
	{ OP_WRITE, "nvmet/ports/*/addr_tsas", EINVAL, "this kernel or transport does not have that kind of security" },
	{ OP_WRITE, "nvmet/subsystems/*/attr_allow_any_host", EINVAL, "hosts are still listed in allowed_hosts" },
	{ OP_WRITE, "nvmet/subsystems/*/attr_*", EINVAL,
	  "the kernel does not take it, or fixed it when the first host identified the subsystem" },
	{ OP_WRITE, "nvmet/discovery_nqn", EINVAL, "a subsystem's NQN begins with it" },
	{ OP_MKDIR, NULL, EEXIST, "exists in the kernel already, made by someone else" },
	{ OP_MKDIR, "nvmet/*", ENOENT, "the kernel's folder for it is missing: nvmet is not loaded, or its parent is gone" },
	{ OP_RMDIR, NULL, ENOTEMPTY, "something that nvmetctl did not make lives below it" },
	{ OP_RMDIR, NULL, EBUSY, "something that nvmetctl did not make refers to it" },
	{ OP_WRITE, NULL, ENOENT, "this kernel has no such attribute" },
	{ OP_WRITE, NULL, EOPNOTSUPP, "this kernel lacks what that needs" },
	{ OP_WRITE, NULL, 524, "this kernel lacks what that needs" },	/* the kernel's own ENOTSUPP */
	{ OP_LOAD_MODULE, NULL, ENOENT, "this kernel has no such module" },
};

static const struct meaning *find_meaning(const struct op *op, int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
		const struct meaning *m = &meanings[i];

		if (m->verb == op->verb && m->code == code && (!m->pattern || fnmatch(m->pattern, op->path, 0) == 0))
			return m;
	}
	return NULL;
}

static const struct attr_row *row_of(const struct op *op)
{
	_cleanup_element_ struct element e = { 0 };

	if (!op->object || !op->attr || element_parse(op->object, &e) < 0)
		return NULL;
	return attr_find(e.kind, op->attr);
}

/* An attribute's file that is not there: the feature is missing, and the row knows what it needs. */
static int explain_feature(const struct op *op, const struct attr_row *row, struct cfg_error *err)
{
	_cleanup_free_ char *needs = attr_needs(row);

	return cfg_error_set_at(err, EOPNOTSUPP, op->object, op->attr, "%s is not in this kernel: it needs %s",
				row->feature ? row->feature : row->name, needs ? needs : "more");
}

/* The port of a link, as it is meant to be. */
static const struct object *port_of(const struct op *op, const struct tree *target, const struct tree *wanted)
{
	_cleanup_element_ struct element e = { 0 };
	const struct object *port;

	if (!op->object || element_parse(op->object, &e) < 0 || e.kind != KIND_PORT)
		return NULL;
	port = target ? tree_find(target, e.object) : NULL;
	return port || !wanted ? port : tree_find(wanted, e.object);
}

/* Another port that has the address, as far as we know of it; caller frees. */
static char *other_port(const struct object *port, const char *key, const struct tree *t)
{
	struct users u = t ? tree_key_owners(t, key) : (struct users) { 0 };

	for (size_t i = 0; i < u.n; i++)
		if (!streq(u.items[i]->name, port->name))
			return object_path(u.items[i]);
	return NULL;
}

/* What the sentence says of a port's address, without saying which. */
static int explain_address(const struct op *op, int code, const char *sentence, const struct object *port, const struct tree *target,
			   const struct tree *wanted, struct cfg_error *err)
{
	const char *traddr = object_get(port, "traddr"), *trsvcid = object_get(port, "trsvcid");
	_cleanup_strv_ char **keys = NULL;
	_cleanup_free_ char *other = NULL;

	if (code == EADDRINUSE && object_keys(port, &keys) >= 0 && keys && keys[0]) {
		other = other_port(port, keys[0], target);
		if (!other)
			other = other_port(port, keys[0], wanted);
	}
	return cfg_error_set_at(err, code, op->object, op->attr, "%s: %s%s%s%s%s", sentence, traddr ? traddr : "no address",
				trsvcid ? " service " : "", trsvcid ? trsvcid : "", other ? ", perhaps that of " : "",
				other ? other : "");
}

int nvmet_explain(const struct op *op, int code, const struct tree *target, const struct tree *wanted, struct cfg_error *err)
{
	const struct attr_row *row = row_of(op);
	const struct object *port;
	const struct meaning *m;

	if (op->verb == OP_WRITE || op->verb == OP_WRITE_SECRET)
		if (code == ENOENT && row && (row->since || row->option))
			return explain_feature(op, row, err);
	m = find_meaning(op, code);
	if (!m)
		return cfg_error_set_at(err, code, op->object, op->attr, "the kernel refused to %s %s: %s", op_verb_to_str(op->verb),
					op->path, code == 524 ? "not supported" : strerror(code));
	port = code == EADDRNOTAVAIL || code == EADDRINUSE ? port_of(op, target, wanted) : NULL;
	if (port)
		return explain_address(op, code, m->sentence, port, target, wanted, err);
	return cfg_error_set_at(err, code, op->object, op->attr, "%s", m->sentence);
}
