/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export and unexport: the common case in one line. They look at the model, decide which objects are missing or left over, and
 * send that as one change that names the generation they looked at, so that nobody else's work in between is overrun.
 */
#include "cli/export.h"

#include <errno.h>
#include <sys/stat.h>

#include "model/address.h"

const char *find_by(struct json_object *collection, const char *attr, const char *value)
{
	if (collection) {
		json_object_object_foreach(collection, name, o)
			if (streq(member_string(o, attr), value))
				return name;
	}
	return NULL;
}

char *free_number(unsigned min, struct json_object *collection, struct json_object *also)
{
	for (unsigned n = min;; n++) {
		_cleanup_free_ char *text = strf("%u", n);

		if (!text)
			return NULL;
		if (!(collection && member(collection, text)) && !(also && member(also, text)))
			return steal_ptr(text);
	}
}

void delete_path(struct json_object *edits, const char *collection, const char *name)
{
	_cleanup_free_ char *path = strf("%s/%s", collection, name);

	edits_add(edits, "delete", path);
}

/* ---- what the other end has to type ---- */

char *shell_word(const char *word)
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

void print_word(const char *option, const char *word)
{
	_cleanup_free_ char *quoted = shell_word(word);

	printf(" %s%s", option, quoted ? quoted : "");
}

const char *reachable_address(const struct cli *c, const char *address)
{
	static char name[256];
	const char *at = c->remote ? strrchr(c->remote, '@') : NULL;
	struct ip_address ip;

	if (!ip_parse(address, &ip) || !ip_is_any(&ip))
		return address;
	if (c->remote)
		return at ? at + 1 : c->remote;
	return gethostname(name, sizeof(name) - 1) == 0 ? name : address;
}

static int print_ways(struct cli *c)
{
	_cleanup_json_ struct json_object *doc = NULL;
	int r = client_look(c, "Dump", "", &doc);

	if (!r && c->nqn)
		r = print_nvme_ways(c, doc);
	if (!r && c->target)
		r = print_scsi_ways(c, doc);
	return r;
}

/* ---- the backend ---- */

static const char *backend_of(struct json_object *doc, const char *device)
{
	struct json_object *backends = member(doc, "backends");
	const char *name = find_by(backends, "device", device);

	return name ? name : find_by(backends, "path", device);
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

/* "/dev/nvme0", but not its disk "/dev/nvme0n1". */
static bool is_controller_name(const char *device)
{
	const char *number = strncmp(device, "/dev/nvme", 9) == 0 ? device + 9 : "";

	return *number && !number[strspn(number, "0123456789")];
}

/* What cannot be looked at from here (remote, not there yet) is told by where it lies. */
static const char *type_of_device(const struct cli *c, const char *device)
{
	struct stat st;

	if (!c->remote && stat(device, &st) == 0)
		return S_ISBLK(st.st_mode) ? "block" : S_ISCHR(st.st_mode) ? PASSTHRU : "file";
	if (is_controller_name(device))
		return PASSTHRU;
	return strncmp(device, "/dev/", 5) == 0 ? "block" : "file";
}

static void add_backend(struct cli *c, struct json_object *edits, const char *name, const char *type, const char *device)
{
	_cleanup_free_ char *path = strf("backends/%s", name);

	edits_add(edits, "create", path);
	edits_attr(edits, "type", "=", type);
	edits_attr(edits, streq(type, "file") ? "path" : "device", "=", device);
	if (c->size)
		edits_attr(edits, "size", "=", c->size);
	if (c->create)
		edits_attr(edits, "create", "=", "1");
}

static bool is_backend_path(const char *what)
{
	return strncmp(what, "backends/", 9) == 0;
}

/*
 * What is meant: "backends/NAME", also by the name alone, or a device or file as the daemon needs it, from the root. A backend's name wins over
 * a file of the present folder, which can be written with "./".
 */
static int take_argument(struct cli *c, struct json_object *doc, char **ret)
{
	const char *what = c->args[0];
	_cleanup_free_ char *here = NULL;

	if (*what == '/' || is_backend_path(what)) {
		*ret = strdup(what);
	} else if (member(member(doc, "backends"), what)) {
		*ret = strf("backends/%s", what);
	} else if (c->remote) {
		return usage_error(c, "%s: must begin with a slash: there is no folder to begin from on another machine", what);
	} else {
		here = getcwd(NULL, 0);
		*ret = here ? strf("%s/%s", here, strncmp(what, "./", 2) == 0 ? what + 2 : what) : NULL;
	}
	return *ret ? 0 : out_of_memory();
}

/* The name of the backend that is meant, or that stands on the device. Borrowed from either; NULL: there is none. */
static const char *meant_backend(struct json_object *doc, const char *what)
{
	const char *name = is_backend_path(what) ? what + 9 : backend_of(doc, what);

	return name && member(member(doc, "backends"), name) ? name : NULL;
}

static int look(struct cli *c, struct json_object **ret_doc)
{
	_cleanup_json_ struct json_object *status = NULL;
	int r = client_get(c, "Status", &status);

	/* The generation is read first: what changes between the two readings is a conflict then, never an oversight. */
	if (!r && !c->generation)
		c->generation = member_number(status, "generation");
	return r ? r : client_look(c, "Dump", "", ret_doc);
}

/* ---- export ---- */

static int check_nvme(const struct cli *c)
{
	if (!c->nqn && (c->ports || c->hosts || c->any_host || c->nsid))
		return usage_error(c, "--port, --host, --any-host and --nsid go with --nvme NQN");
	if (c->any_host && c->hosts)
		return usage_error(c, "--any-host and --host exclude each other");
	return 0;
}

static int check_scsi(const struct cli *c)
{
	if (!c->target && (c->portals || c->initiators || c->any_initiator || c->lun || c->chap_user || c->chap_file))
		return usage_error(c, "--portal, --initiator, --any-initiator, --lun and --chap-… go with --iscsi IQN");
	if (c->any_initiator && c->initiators)
		return usage_error(c, "--any-initiator and --initiator exclude each other");
	if (!c->chap_user != !c->chap_file)
		return usage_error(c, "--chap-user and --chap-password-file go together");
	if (c->chap_user && !c->initiators && !c->any_initiator)
		return usage_error(c, "--chap-user needs --initiator IQN or --any-initiator: who is to know the secret");
	if (c->chap_file && strchr(c->chap_file, '/'))
		return usage_error(c, "--chap-password-file takes the name of a file below nvmetd's folder of secrets, not a path: %s",
				   c->chap_file);
	return 0;
}

static int check_export(const struct cli *c)
{
	int r;

	if (!c->nqn && !c->target)
		return usage_error(c, "--nvme NQN or --iscsi IQN is missing: the subsystem or target to export in");
	if (c->create && !c->size)
		return usage_error(c, "--create needs --size SIZE");
	r = check_nvme(c);
	return r ? r : check_scsi(c);
}

static int export_edits(struct cli *c, struct json_object *doc, const char *device, struct json_object *edits)
{
	const char *known = meant_backend(doc, device);
	const char *type = known ? member_string(member(member(doc, "backends"), known), "type") : type_of_device(c, device);
	_cleanup_free_ char *backend = known   ? strdup(known) :
				       c->name ? strdup(c->name) :
						 free_backend_name(member(doc, "backends"), device);
	int r = 0;

	if (!backend)
		return out_of_memory();
	if (!known && is_backend_path(device)) {
		complain("%s: there is no such object", device);
		return STATUS_FAILED;
	}
	if (!known)
		add_backend(c, edits, backend, type, device);
	if (c->nqn)
		r = export_nvme(c, edits, doc, backend, streq(type, PASSTHRU));
	if (!r && c->target)
		r = export_scsi(c, edits, doc, backend);
	return r;
}

int verb_export(struct cli *c)
{
	_cleanup_json_ struct json_object *doc = NULL, *edits = json_object_new_array();
	_cleanup_free_ char *device = NULL;
	int r = check_export(c);

	if (!r)
		r = look(c, &doc);
	if (!r)
		r = take_argument(c, doc, &device);
	if (!r)
		r = export_edits(c, doc, device, edits);
	if (!r && array_len(edits))
		r = edits_run(c, edits);
	else if (!r && !c->quiet && !c->json)
		puts("It is exported like that already.");
	if (r || c->dry_run || c->json || c->no_wait)
		return r;
	return print_ways(c);
}

/* ---- unexport ---- */

int verb_unexport(struct cli *c)
{
	_cleanup_json_ struct json_object *doc = NULL, *edits = json_object_new_array();
	_cleanup_free_ char *device = NULL;
	const char *backend;
	int r = look(c, &doc);

	if (!r)
		r = take_argument(c, doc, &device);
	if (r)
		return r;
	backend = meant_backend(doc, device);
	if (!backend) {
		complain("%s: is not exported: no backend uses it", c->args[0]);
		return STATUS_FAILED;
	}
	r = unexport_nvme(edits, doc, backend);
	if (!r)
		r = unexport_scsi(edits, doc, backend);
	delete_path(edits, "backends", backend);
	/* What goes is all of it listed; only what refers to it has to be told. */
	c->recursive = true;
	return r ? r : edits_run(c, edits);
}
