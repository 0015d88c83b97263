/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of D-Bus methods into requests, edits on into changes of a small tree, and object paths into model paths. The input is cut into
 * strings at NUL bytes, from which a well-formed message with any content is made: what is not well-formed is refused by sd-bus before the
 * daemon sees it. Edits that are refused leave the tree as it was, and what they change can be taken back.
 */
#include <assert.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/text.h"
#include "dbus/service-private.h"
#include "model/validate.h"

struct input {
	const uint8_t *data;
	size_t size;
	char text[4096];
};

static uint8_t next_byte(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

/* The next string; what D-Bus does not carry is left out. */
static const char *next_text(struct input *in)
{
	size_t n = 0;

	while (in->size && n < sizeof(in->text) - 1) {
		uint8_t c = next_byte(in);

		if (!c)
			break;
		in->text[n++] = (char)c;
	}
	in->text[n] = 0;
	return in->text;
}

static void append(sd_bus_message *m, struct input *in, const char *type)
{
	if (streq(type, "b"))
		assert(sd_bus_message_append(m, "b", next_byte(in) & 1) >= 0);
	else if (streq(type, "t"))
		assert(sd_bus_message_append(m, "t", (uint64_t)next_byte(in)) >= 0);
	else if (sd_bus_message_append(m, "s", next_text(in)) < 0)
		assert(sd_bus_message_append(m, "s", "x") >= 0);	/* sd-bus refuses noncharacters */
}

static void append_texts(sd_bus_message *m, struct input *in)
{
	assert(sd_bus_message_open_container(m, 'a', "s") >= 0);
	for (unsigned n = next_byte(in) % 8; n; n--)
		append(m, in, "s");
	assert(sd_bus_message_close_container(m) >= 0);
}

static void append_options(sd_bus_message *m, struct input *in)
{
	static const char *const names[] = { "dry_run", "merge", "disrupt", "destroy", "revoke", "recursive", "generation", "plan",
					     "name", "wait" };
	static const char *const types[] = { "b", "as", "t", "s", "u" };

	assert(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
	for (unsigned n = next_byte(in) % 12; n; n--) {
		uint8_t which = next_byte(in);
		const char *type = types[next_byte(in) % ARRAY_SIZE(types)];

		assert(sd_bus_message_open_container(m, 'e', "sv") >= 0);
		if (which < ARRAY_SIZE(names))
			assert(sd_bus_message_append(m, "s", names[which]) >= 0);
		else
			append(m, in, "s");
		assert(sd_bus_message_open_container(m, 'v', type) >= 0);
		if (streq(type, "as"))
			append_texts(m, in);
		else if (streq(type, "u"))
			assert(sd_bus_message_append(m, "u", 1u) >= 0);
		else
			append(m, in, type);
		assert(sd_bus_message_close_container(m) >= 0 && sd_bus_message_close_container(m) >= 0);
	}
	assert(sd_bus_message_close_container(m) >= 0);
}

static void append_edits(sd_bus_message *m, struct input *in)
{
	static const char *const verbs[] = { "create", "set", "delete" };
	static const char *const ops[] = { "=", "+=", "-=" };

	assert(sd_bus_message_open_container(m, 'a', "(ssa(sss))") >= 0);
	for (unsigned n = next_byte(in) % 8; n; n--) {
		uint8_t verb = next_byte(in);

		assert(sd_bus_message_open_container(m, 'r', "ssa(sss)") >= 0);
		assert(sd_bus_message_append(m, "s", verb < ARRAY_SIZE(verbs) ? verbs[verb] : "?") >= 0);
		append(m, in, "s");
		assert(sd_bus_message_open_container(m, 'a', "(sss)") >= 0);
		for (unsigned k = next_byte(in) % 8; k; k--) {
			uint8_t op = next_byte(in);

			assert(sd_bus_message_open_container(m, 'r', "sss") >= 0);
			append(m, in, "s");
			assert(sd_bus_message_append(m, "s", op < ARRAY_SIZE(ops) ? ops[op] : "?") >= 0);
			append(m, in, "s");
			assert(sd_bus_message_close_container(m) >= 0);
		}
		assert(sd_bus_message_close_container(m) >= 0 && sd_bus_message_close_container(m) >= 0);
	}
	assert(sd_bus_message_close_container(m) >= 0);
}

static const char present[] =
	"{\"version\":1,\"backends\":{\"a\":{\"type\":\"block\",\"device\":\"/dev/vdb\"},\"b\":{\"type\":\"ramdisk\",\"size\":\"1MiB\"}},"
	"\"hosts\":{\"nqn.2026-11.org.example:h\":{}},"
	"\"subsystems\":{\"nqn.2026-11.org.example:s\":{\"serial\":\"1\",\"allowed_hosts\":[\"nqn.2026-11.org.example:h\"],"
	"\"namespaces\":{\"1\":{\"backend\":\"a\"}}}},"
	"\"ports\":{\"1\":{\"trtype\":\"tcp\",\"traddr\":\"192.0.2.1\",\"subsystems\":[\"nqn.2026-11.org.example:s\"]}},"
	"\"targets\":{\"iscsi\":{\"iqn.2026-11.org.example:t0\":{\"tpgs\":{\"1\":{\"luns\":{\"0\":{\"backend\":\"b\"}},"
	"\"acls\":{\"iqn.2026-11.org.example:c\":{\"mapped_luns\":{\"0\":{\"lun\":0}}}}}}}}}}";

static char *tree_text(const struct tree *t)
{
	_cleanup_json_ struct json_object *json = document_build(t, NULL, 0, 0);
	char *text = json ? json_print(json) : NULL;

	assert(text);
	return text;
}

static void try_edits(const struct edits *edits)
{
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_free_ char *was = NULL, *is = NULL, *back = NULL;
	int r;

	assert(document_parse("present", present, strlen(present), &d, &errs) == 0);
	assert(tree_generate(d.tree) == 0);
	was = tree_text(d.tree);
	r = edits_to_changes(d.tree, edits, &c, &errs);
	is = tree_text(d.tree);
	assert(streq(was, is));
	assert((r < 0) == (errs.n > 0));
	if (r < 0)
		return;
	assert(changes_apply(d.tree, &c, NULL) == 0);
	(void)validate_tree(d.tree, &errs);
	assert(changes_revert(d.tree, &c) == 0);
	back = tree_text(d.tree);
	assert(streq(was, back));
}

static sd_bus *make_bus(void)
{
	sd_bus *bus;
	int fds[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	assert(sd_bus_new(&bus) >= 0);
	assert(sd_bus_set_fd(bus, fds[0], fds[0]) >= 0);
	assert(sd_bus_start(bus) >= 0);
	return bus;
}

static void try_path(struct input *in)
{
	_cleanup_free_ char *encoded = NULL, *decoded = NULL;
	const char *path = next_text(in);

	if (sd_bus_object_path_is_valid(path) <= 0 || bus_object_path_decode(path, &decoded) < 0)
		return;
	assert(bus_object_path(decoded, &encoded) >= 0);
	assert(streq(encoded, path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static sd_bus *bus;
	struct input in = { .data = data, .size = size };
	_cleanup_(request_done) struct request r = { 0 };
	_cleanup_request_extra_ struct request_extra x = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	enum request_input input;
	sd_bus_message *m;
	unsigned allowed;
	int k;

	if (!bus)
		bus = make_bus();
	input = next_byte(&in) % (INPUT_NUMBER + 1);
	allowed = next_byte(&in) & 1 ? ~0u : OPTION_DRY_RUN | OPTION_WAIT;
	r.act = next_byte(&in) & 1 ? ACT_RESTORE : ACT_APPLY;
	if (input == INPUT_FD) {
		try_path(&in);
		return 0;
	}
	assert(sd_bus_message_new_method_call(bus, &m, NULL, BUS_ROOT, BUS_MANAGER_INTERFACE, "Fuzz") >= 0);
	if (input == INPUT_TEXT)
		append(m, &in, "s");
	else if (input == INPUT_EDITS)
		append_edits(m, &in);
	else if (input == INPUT_PATHS)
		append_texts(m, &in);
	else if (input == INPUT_NUMBER)
		append(m, &in, "t");
	append_options(m, &in);
	assert(sd_bus_message_seal(m, 1, 0) >= 0 && sd_bus_message_rewind(m, true) >= 0);
	k = request_read(m, input, allowed, 1u << 16, &r, &x, &errs);
	assert((k < 0) == (errs.n > 0));
	if (k >= 0 && input == INPUT_EDITS)
		try_edits(&r.edits);
	sd_bus_message_unref(m);
	return 0;
}
