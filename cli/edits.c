/* SPDX-License-Identifier: Apache-2.0 */
/* create, set, delete: words of the command line become edits, and all edits of a line one transaction. */
#include "cli/cli.h"

void edits_add(struct json_object *edits, const char *verb, const char *path)
{
	struct json_object *e = json_object_new_array();

	json_object_array_add(e, json_object_new_string(verb));
	json_object_array_add(e, json_object_new_string(path));
	json_object_array_add(e, json_object_new_array());
	json_object_array_add(edits, e);
}

void edits_attr(struct json_object *edits, const char *attr, const char *op, const char *value)
{
	struct json_object *e = json_object_array_get_idx(edits, json_object_array_length(edits) - 1);
	struct json_object *a = json_object_new_array();

	json_object_array_add(a, json_object_new_string(attr));
	json_object_array_add(a, json_object_new_string(op));
	json_object_array_add(a, json_object_new_string(value));
	json_object_array_add(json_object_array_get_idx(e, 2), a);
}

static int append_edit(sd_bus_message *m, struct json_object *e)
{
	struct json_object *attrs = json_object_array_get_idx(e, 2);
	int r = sd_bus_message_open_container(m, 'r', "ssa(sss)");

	if (r >= 0)
		r = sd_bus_message_append(m, "ss", array_string(e, 0), array_string(e, 1));
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sss)");
	for (size_t i = 0; r >= 0 && i < array_len(attrs); i++) {
		struct json_object *a = json_object_array_get_idx(attrs, i);

		r = sd_bus_message_append(m, "(sss)", array_string(a, 0), array_string(a, 1), array_string(a, 2));
	}
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int edits_run(struct cli *c, struct json_object *edits)
{
	struct call call;
	int r = client_call_new(c, "Change", &call);

	if (r)
		return r;
	c->one_edit = c->verb->run != verb_edit || array_len(edits) == 1;
	r = sd_bus_message_open_container(call.message, 'a', "(ssa(sss))");
	for (size_t i = 0; r >= 0 && i < array_len(edits); i++)
		r = append_edit(call.message, json_object_array_get_idx(edits, i));
	if (r >= 0)
		r = sd_bus_message_close_container(call.message);
	if (r < 0) {
		sd_bus_message_unref(call.message);
		return usage_error(c, "an argument is not UTF-8 text, or the line is too long for the bus");
	}
	r = client_append_options(c, &call);
	return r ? r : change_run(c, &call);
}

static bool is_edit_verb(const char *word)
{
	const struct verb *v = find_verb(word);

	return v && v->run == verb_edit;
}

/* "attr=value", "list+=value", "list-=value" */
static int take_assignment(struct cli *c, struct json_object *edits, const char *word)
{
	const char *eq = strchr(word, '=');
	_cleanup_free_ char *attr = NULL;
	const char *op = "=";
	size_t n;

	if (!eq || eq == word)
		return usage_error(c, "%s: is neither ATTR=VALUE nor one of create, set, delete", word);
	n = (size_t)(eq - word);
	if (word[n - 1] == '+' || word[n - 1] == '-') {
		op = word[n - 1] == '+' ? "+=" : "-=";
		n--;
	}
	attr = strndup(word, n);
	if (!attr)
		return out_of_memory();
	edits_attr(edits, attr, op, eq + 1);
	return 0;
}

/* The n-th word of the line is an edit's verb; returns the next word that is not its own, or a negative status. */
static int take_edit(struct cli *c, struct json_object *edits, const char *verb, int i)
{
	size_t attrs = 0;

	if (i >= c->n_args)
		return -usage_error(c, "%s needs a path", verb);
	edits_add(edits, verb, c->args[i++]);
	for (; i < c->n_args && !is_edit_verb(c->args[i]); i++, attrs++) {
		int r = take_assignment(c, edits, c->args[i]);

		if (r)
			return -r;
	}
	if (streq(verb, "set") && !attrs)
		return -usage_error(c, "%s: at least one ATTR=VALUE is needed", c->args[i - 1]);
	if (streq(verb, "delete") && attrs)
		return -usage_error(c, "attributes are not deleted with an object: %s", c->args[i - 1]);
	return i;
}

int verb_edit(struct cli *c)
{
	_cleanup_json_ struct json_object *edits = json_object_new_array();
	const char *verb = c->verb->name;

	for (int i = 0;;) {
		i = take_edit(c, edits, verb, i);
		if (i < 0)
			return -i;
		if (i >= c->n_args)
			return edits_run(c, edits);
		verb = c->args[i++];
	}
}
