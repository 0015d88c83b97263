/* SPDX-License-Identifier: Apache-2.0 */
/* Talking to nvmetd: the bus, calls and answers, documents. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "dbus/errors.h"
#include "dbus/names.h"

/* Nobody has answered, and nobody will. */
static void complain_lost(const struct cli *c, bool is_change)
{
	if (c->remote)
		complain("%s: the connection by ssh ended before nvmetd answered%s", c->remote,
			 is_change ? "; if it was asked, it does what it was asked, see nvmetctl jobs" : "");
	else
		complain("nvmetd ended before it answered%s",
			 is_change ? "; what it had begun it completes or takes back at its next start, see nvmetctl status then" : "");
}

static int connect_bus(struct cli *c)
{
	int r;

	if (c->bus)
		return 0;
	r = c->remote ? sd_bus_open_system_remote(&c->bus, c->remote) : sd_bus_open_system(&c->bus);
	if (r >= 0)
		return 0;
	/* ssh may end before or after the greeting is written to it. */
	if (c->remote && (r == -EPIPE || r == -ECONNRESET))
		complain_lost(c, false);
	else
		complain("%s%sthe system bus cannot be reached, and with it nvmetd: %s", c->remote ? c->remote : "",
			 c->remote ? ": " : "", strerror(-r));
	return STATUS_REFUSED;
}

int client_call_new(struct cli *c, const char *method, struct call *ret)
{
	int r = connect_bus(c);

	if (r)
		return r;
	*ret = (struct call){ .method = method };
	r = sd_bus_message_new_method_call(c->bus, &ret->message, BUS_NAME, BUS_ROOT, BUS_MANAGER_INTERFACE, method);
	return r < 0 ? out_of_memory() : 0;
}

/* ---- options ---- */

static int append_bool(sd_bus_message *m, const char *name, bool value)
{
	return value ? sd_bus_message_append(m, "{sv}", name, "b", 1) : 0;
}

static int append_text(sd_bus_message *m, const char *name, const char *value)
{
	return value ? sd_bus_message_append(m, "{sv}", name, "s", value) : 0;
}

static int append_consent(sd_bus_message *m, const char *name, bool all, char **paths)
{
	int r;

	if (all || !paths)
		return append_bool(m, name, all);
	r = sd_bus_message_open_container(m, 'e', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "as");
	if (r >= 0)
		r = sd_bus_message_append_strv(m, paths);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_options(struct cli *c, sd_bus_message *m)
{
	const struct {
		const char *name;
		bool value;
	} flags[] = {
		{ "dry_run", c->dry_run }, { "merge", c->merge }, { "recursive", c->recursive }, { "revoke", c->revoke },
	};
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(flags); i++)
		r = append_bool(m, flags[i].name, flags[i].value);
	if (r >= 0)
		r = append_consent(m, "disrupt", c->disrupt, c->disrupt_paths);
	if (r >= 0)
		r = append_consent(m, "destroy", c->destroy, c->destroy_paths);
	if (r >= 0 && c->generation)
		r = sd_bus_message_append(m, "{sv}", "generation", "t", c->generation);
	if (r >= 0)
		r = append_text(m, "plan", c->plan);
	if (r >= 0)
		r = append_text(m, "name", c->document);
	if (r >= 0 && c->no_wait)
		r = sd_bus_message_append(m, "{sv}", "wait", "b", 0);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int client_append_options(struct cli *c, struct call *call)
{
	int r = append_options(c, call->message);

	if (r >= 0)
		return 0;
	sd_bus_message_unref(call->message);
	return r == -ENOMEM ? out_of_memory() : usage_error(c, "an argument is not UTF-8 text");
}

/* ---- calls ---- */

/* What the bus says when nobody is there, in words for who has to do something about it. */
static bool is_absent(const sd_bus_error *e)
{
	static const char *const names[] = {
		SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "org.freedesktop.systemd1.NoSuchUnit",
		"org.freedesktop.systemd1.UnitMasked", "org.freedesktop.DBus.Error.Spawn.",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(e->name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static int complain_bus(const struct cli *c, const struct call *call, const sd_bus_error *e)
{
	const char *message = e->message ? e->message : e->name;
	bool is_change = c->verb->options & TAKES_NO_WAIT;

	if (is_absent(e))
		complain("nvmetd does not run; start it with systemctl start nvmetd (%s)", message);
	else if (sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) || sd_bus_error_has_name(e, SD_BUS_ERROR_DISCONNECTED))
		complain_lost(c, is_change);
	else if (bus_error_exit_status(e->name) == STATUS_REFUSED && strstr(e->name, "AccessDenied"))
		complain("%s: permission denied: %s", c->verb->name, strncmp(message, call->method, strlen(call->method)) == 0 ?
			 "only root may do this" : message);
	else
		complain_lines(message);
	return bus_error_exit_status(e->name);
}

int client_call(struct cli *c, struct call *call, sd_bus_message **ret_reply)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *message = steal_ptr(call->message), *reply = NULL;
	struct call sent = { .method = call->method, .message = message };
	int r = wait_for_reply(c, &sent, &reply);

	if (r < 0) {
		complain("the connection to the bus broke before nvmetd answered: %s", strerror(-r));
		return STATUS_REFUSED;
	}
	if (sd_bus_message_is_method_error(reply, NULL))
		return complain_bus(c, &sent, sd_bus_message_get_error(reply));
	*ret_reply = steal_ptr(reply);
	return 0;
}

/* The answer's only value: a string, or memory behind a descriptor. */
static int read_text(sd_bus_message *reply, char **ret)
{
	_cleanup_free_ char *text = NULL;
	const char *s;
	struct stat st;
	ssize_t n;
	int fd;

	if (sd_bus_message_has_signature(reply, "s")) {
		if (sd_bus_message_read(reply, "s", &s) < 0)
			return -EBADMSG;
		*ret = strdup(s);
		return *ret ? 0 : -ENOMEM;
	}
	if (sd_bus_message_read(reply, "h", &fd) < 0 || fstat(fd, &st) < 0)
		return -EBADMSG;
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	for (off_t at = 0; at < st.st_size; at += n) {
		n = pread(fd, text + at, (size_t)(st.st_size - at), at);
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
	}
	*ret = steal_ptr(text);
	return 0;
}

int client_call_json(struct cli *c, struct call *call, struct json_object **ret)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;
	int r = client_call(c, call, &reply);

	if (r)
		return r;
	r = read_text(reply, &text);
	if (r < 0)
		cfg_error_set(&err, -r, "the daemon's answer cannot be read: %s", strerror(-r));
	else
		r = json_parse("the daemon's answer", text, strlen(text), ret, &err);
	if (r < 0) {
		complain_error(&err);
		return STATUS_FAILED;
	}
	return 0;
}

int client_get(struct cli *c, const char *method, struct json_object **ret)
{
	struct call call;
	int r = client_call_new(c, method, &call);

	return r ? r : client_call_json(c, &call, ret);
}

/* What may be large travels as memory, but for a bus reached through ssh, which passes no descriptors. */
static int call_new_large(struct cli *c, const char *method, struct call *ret)
{
	_cleanup_free_ char *fd_method = strf("%sFd", method);
	int r = fd_method ? client_call_new(c, c->remote ? method : fd_method, ret) : out_of_memory();

	if (!r)
		ret->method = method;
	return r;
}

int client_look(struct cli *c, const char *method, const char *path, struct json_object **ret)
{
	struct call call;
	int r = call_new_large(c, method, &call);

	if (r)
		return r;
	if (sd_bus_message_append(call.message, "sb", path, (int)c->defaults) < 0) {
		sd_bus_message_unref(call.message);
		return usage_error(c, "%s: is not UTF-8 text", path);
	}
	return client_call_json(c, &call, ret);
}

/* ---- documents ---- */

static int append_memfd(sd_bus_message *m, const char *text, size_t len)
{
	_cleanup_close_ int fd = memfd_create("document", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	for (size_t off = 0; fd >= 0 && off < len;) {
		ssize_t n = write(fd, text + off, len - off);

		if (n < 0)
			return -errno;
		off += (size_t)n;
	}
	if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return sd_bus_message_append(m, "h", fd) < 0 ? -ENOMEM : 0;
}

static int append_document(struct cli *c, sd_bus_message *m, const char *text, size_t len)
{
	if (!c->remote)
		return append_memfd(m, text, len);
	if (len > BUS_STRING_MAX) {
		complain("%s: is over %u MiB, too large for a remote bus", c->document, BUS_STRING_MAX >> 20);
		return STATUS_INVALID;
	}
	/* As the daemon says it of a document that comes as memory. */
	if (strlen(text) != len || !text_is_utf8(text, len)) {
		complain("%s: is not UTF-8 text", c->document);
		return STATUS_INVALID;
	}
	return sd_bus_message_append(m, "s", text) < 0 ? -ENOMEM : 0;
}

int client_document_call(struct cli *c, const char *method, const char *file, struct call *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = read_document(file, &c->document, &text, &len);

	if (!r)
		r = call_new_large(c, method, ret);
	if (r)
		return r;
	r = append_document(c, ret->message, text, len);
	/* It may hold secrets, and this memory is ours. */
	explicit_bzero(text, len);
	if (!r)
		return client_append_options(c, ret);
	sd_bus_message_unref(ret->message);
	if (r > 0)
		return r;
	complain("%s: cannot be handed over: %s", c->document, strerror(-r));
	return STATUS_FAILED;
}
