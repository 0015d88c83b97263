/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who calls, whether they may, and how much they may have waiting.
 *
 * The bus has to be asked who is behind a unique name. That is done without blocking: access_check() sends the question, keeps
 * the message, and puts it back into the queue of what was read when the answer has come, so that the handler runs again
 * from its beginning and finds the answer. Messages of one client that come meanwhile wait behind the first, in their order. A
 * unique name is never given to anybody else while the bus lives, so an answer holds; a bounded number of them is kept.
 *
 * Permissions per action (polkit) are to be asked for at the same place and in the same way.
 */
#include "dbus/service-private.h"

#include <errno.h>
#include <fcntl.h>

#include "base/text.h"

#define SENDERS_MAX 256		/* idle ones beyond which the oldest are forgotten */

struct sender {
	struct bus_service *service;
	char *name;		/* "" at the other end of a direct connection */
	bool known;
	uid_t uid;
	pid_t pid;		/* 0: not known */
	size_t pending;
	sd_bus_slot *lookup;
	sd_bus_message **waiting;
	size_t n_waiting;
};

static struct sender *sender_free(struct sender *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n_waiting; i++)
		sd_bus_message_unref(s->waiting[i]);
	free(s->waiting);
	sd_bus_slot_unref(s->lookup);
	free(s->name);
	free(s);
	return NULL;
}
CFG_DEFINE_CLEANUP(struct sender *, sender_free);

void access_done(struct bus_service *s)
{
	struct map_iter it = { 0 };

	if (!s->senders)
		return;
	while (map_next(s->senders, &it)) {
		struct sender *sender = it.value;

		map_del(s->senders, it.key);
		sender_free(sender);
	}
	s->senders = map_free(s->senders);
}

static void forget_idle(struct bus_service *s)
{
	struct map_iter it = { 0 };

	while (map_len(s->senders) >= SENDERS_MAX && map_next(s->senders, &it)) {
		struct sender *sender = it.value;

		if (sender->pending || sender->lookup)
			continue;
		map_del(s->senders, it.key);
		sender_free(sender);
	}
}

static struct sender *sender_of(struct bus_service *s, sd_bus_message *m)
{
	const char *name = sd_bus_message_get_sender(m);
	_cleanup_(sender_freep) struct sender *sender = NULL;
	struct sender *known;

	if (!name)
		name = "";
	known = map_get(s->senders, name);
	if (known)
		return known;
	forget_idle(s);
	sender = calloc(1, sizeof(*sender));
	if (!sender)
		return NULL;
	sender->service = s;
	sender->name = strdup(name);
	if (!sender->name || map_put(s->senders, name, sender) < 0)
		return NULL;
	return steal_ptr(sender);
}

/* ---- who ---- */

static int read_credentials(sd_bus_message *m, uint32_t *ret_uid, uint32_t *ret_pid, bool *ret_has_uid)
{
	const char *name;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = sd_bus_message_read(m, "s", &name);
		if (r < 0)
			break;
		if (streq(name, "UnixUserID")) {
			r = sd_bus_message_read(m, "v", "u", ret_uid);
			*ret_has_uid = r >= 0;
		} else if (streq(name, "ProcessID")) {
			r = sd_bus_message_read(m, "v", "u", ret_pid);
		} else {
			r = sd_bus_message_skip(m, "v");
		}
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r;
}

static void answer_waiting(struct sender *s, bool go_on)
{
	for (size_t i = 0; i < s->n_waiting; i++) {
		sd_bus_message *m = s->waiting[i];
		int r = go_on ? sd_bus_enqueue_for_read(s->service->bus, m) : -EACCES;

		if (r < 0)
			sd_bus_reply_method_errorf(m, bus_error_name(go_on ? EAGAIN : EACCES), "%s",
						   go_on ? "too many messages are waiting" :
							   "the bus does not say who the caller is");
		sd_bus_message_unref(m);
	}
	s->n_waiting = 0;
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct sender *s = userdata;
	uint32_t uid = 0, pid = 0;
	bool has_uid = false;

	s->lookup = sd_bus_slot_unref(s->lookup);
	if (!sd_bus_message_is_method_error(reply, NULL) && read_credentials(reply, &uid, &pid, &has_uid) >= 0 && has_uid) {
		s->known = true;
		s->uid = uid;
		s->pid = (pid_t)pid;
	}
	answer_waiting(s, s->known);
	return 1;
}

/* A direct connection (tests) has no bus to ask; its socket knows. */
static int ask_socket(struct sender *s, sd_bus_message *m)
{
	sd_bus_creds *creds;
	int r;

	r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID, &creds);
	if (r < 0)
		return r;
	r = sd_bus_creds_get_euid(creds, &s->uid);
	sd_bus_creds_get_pid(creds, &s->pid);
	s->known = r >= 0;
	sd_bus_creds_unref(creds);
	return r;
}

static int too_many(const struct bus_service *s, sd_bus_error *error)
{
	return sd_bus_error_setf(error, bus_error_name(EAGAIN), "%u requests of this client are waiting already (queue_per_client)",
				 s->settings->queue_per_client);
}

static int wait_for_identity(struct sender *s, sd_bus_message *m)
{
	sd_bus_message **grown = reallocarray(s->waiting, s->n_waiting + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	s->waiting = grown;
	s->waiting[s->n_waiting++] = sd_bus_message_ref(m);
	return 0;
}

/* 1: known; 0: asked, and the message waits. */
static int identify(struct sender *s, sd_bus_message *m, sd_bus_error *error)
{
	int r = 0;

	if (s->known)
		return 1;
	if (!*s->name) {
		r = ask_socket(s, m);
		return r < 0 ? sd_bus_error_setf(error, bus_error_name(EACCES), "the caller is not known: %s", strerror(-r)) : 1;
	}
	if (s->n_waiting >= s->service->settings->queue_per_client)
		return too_many(s->service, error);
	if (!s->lookup)
		r = sd_bus_call_method_async(s->service->bus, &s->lookup, "org.freedesktop.DBus", "/org/freedesktop/DBus",
					     "org.freedesktop.DBus", "GetConnectionCredentials", on_credentials, s, "s", s->name);
	if (r < 0)
		return sd_bus_error_setf(error, bus_error_name(-r), "the bus cannot be asked who the caller is: %s",
					 strerror(-r));
	return wait_for_identity(s, m) < 0 ? bus_error_oom(error) : 0;
}

int access_check(struct bus_service *s, sd_bus_message *m, enum harm harm, sd_bus_error *error)
{
	struct sender *sender = sender_of(s, m);
	int r;

	if (!sender)
		return bus_error_oom(error);
	if (!s->manager)
		return sd_bus_error_set_const(error, bus_error_name(ESHUTDOWN), "nvmetd is not ready yet");
	if (harm == HARM_LOOK)
		return 1;
	r = identify(sender, m, error);
	if (r > 0 && sender->uid != 0)
		return sd_bus_error_setf(error, bus_error_name(EACCES), "%s: only the superuser may do this",
					 sd_bus_message_get_member(m));
	return r;
}

static void process_name(pid_t pid, char *name, size_t size)
{
	_cleanup_free_ char *path = strf("/proc/%d/comm", (int)pid);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd >= 0 ? read(fd, name, size - 1) : 0;

	name[n > 0 ? n : 0] = 0;
	name[strcspn(name, "\n")] = 0;
	/* Anybody may choose the name of their process. */
	if (!text_is_printable_ascii(name))
		*name = 0;
}

char *access_caller(struct bus_service *s, sd_bus_message *m)
{
	struct sender *sender = sender_of(s, m);
	char name[64];

	if (!sender || !sender->known)
		return NULL;
	if (!sender->pid)
		return strf("uid %u", (unsigned)sender->uid);
	process_name(sender->pid, name, sizeof(name));
	return strf("uid %u, %s[%d]", (unsigned)sender->uid, name, (int)sender->pid);
}

/* ---- answers that come later ---- */

int pending_new(struct bus_service *s, sd_bus_message *call, struct pending **ret, sd_bus_error *error)
{
	struct sender *sender = sender_of(s, call);
	struct pending *p;

	if (sender && sender->pending >= s->settings->queue_per_client)
		return too_many(s, error);
	p = calloc(1, sizeof(*p));
	if (!sender || !p) {
		free(p);
		return bus_error_oom(error);
	}
	*p = (struct pending){ .service = s, .sender = sender, .call = sd_bus_message_ref(call), .next = s->pending };
	if (p->next)
		p->next->prev = p;
	s->pending = p;
	sender->pending++;
	*ret = p;
	return 0;
}

struct pending *pending_free(struct pending *p)
{
	if (!p)
		return NULL;
	if (p->next)
		p->next->prev = p->prev;
	if (p->prev)
		p->prev->next = p->next;
	else
		p->service->pending = p->next;
	p->sender->pending--;
	sd_bus_message_unref(p->call);
	free(p);
	return NULL;
}

void pending_reply_text(struct pending *p, char *text, const char *instead)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	if (!text)
		cfg_error_oom(&err);
	else
		bus_check_length(strlen(text), instead, &err);
	if (cfg_error_is_set(&err)) {
		pending_reply_error(p, &err);
		return;
	}
	bus_text_clean(text);
	sd_bus_reply_method_return(p->call, "s", text);
	pending_free(p);
}

void pending_reply_error(struct pending *p, const struct cfg_error *err)
{
	_cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

	bus_error_set(&e, err);
	sd_bus_reply_method_error(p->call, &e);
	pending_free(p);
}
