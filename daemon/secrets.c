/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets that stood inline in a document become files below CONFIG_DIR/secrets, under names never used before, so that the way
 * back still finds what was there; the attribute then names the file.
 */
#include <errno.h>
#include <sys/random.h>

#include "base/text.h"
#include "daemon/manager-private.h"

struct move {
	struct manager *m;
	struct document *document;
	struct oplist ops;
	struct work *work;
	secrets_done_fn done;
	void *userdata;
};

static void move_free(struct move *v)
{
	for (size_t i = 0; i < v->ops.n; i++)
		if (v->ops.items[i].value)
			explicit_bzero(v->ops.items[i].value, strlen(v->ops.items[i].value));
	oplist_done(&v->ops);
	free(v);
}

static void forget_inline(struct document *d)
{
	for (char **s = d->inline_secrets; s && *s; s++)
		explicit_bzero(*s, strlen(*s));
	d->inline_secrets = strv_free(d->inline_secrets);
}

static void on_stored(void *userdata, const struct work_result *result)
{
	struct move *v = userdata;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	if (result->error) {
		const struct op *op = &v->ops.items[result->done];

		cfg_error_set_at(&err, result->error, op->object, op->attr, "the secret could not be stored: %s",
				 result->message ? result->message : strerror(result->error));
	} else {
		forget_inline(v->document);
	}
	v->done(v->userdata, cfg_error_is_set(&err) ? &err : NULL);
	move_free(v);
}

int secrets_refer(struct object *o, const struct attr_row *row)
{
	uint64_t random[2];
	_cleanup_free_ char *reference = NULL;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	reference = strf("file:%s-%016llx%016llx", row->name, (unsigned long long)random[0], (unsigned long long)random[1]);
	return reference ? object_set(o, row, reference) : -ENOMEM;
}

static int move_one(struct move *v, struct object *o, const struct attr_row *row, const char *secret)
{
	_cleanup_free_ char *path = object_path(o);
	int r = path ? secrets_refer(o, row) : -ENOMEM;

	return r < 0 ? r : oplist_add(&v->ops, OP_STORE_SECRET, 0, object_get_row(o, row) + strlen("file:"), secret, path, row->name);
}

static int move_object(struct move *v, struct object *o)
{
	int r = 0;

	if (o->kind != KIND_ROOT)
		attr_foreach(row, o->kind) {
			const char *value = attr_is_secret(row) ? object_get_row(o, row) : NULL;
			uint64_t i;

			if (!value || strncmp(value, "inline:", 7) != 0)
				continue;
			if (text_to_u64(value + 7, &i) < 0 || i >= strv_len(v->document->inline_secrets))
				return -EINVAL;
			r = move_one(v, o, row, v->document->inline_secrets[i]);
			if (r < 0)
				return r;
		}
	for (size_t i = 0; r >= 0 && i < o->n_children; i++)
		r = move_object(v, o->children[i]);
	return r;
}

int secrets_move(struct manager *m, struct document *d, secrets_done_fn done, void *userdata)
{
	struct move *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return -ENOMEM;
	*v = (struct move){ .m = m, .document = d, .done = done, .userdata = userdata };
	r = move_object(v, tree_root(d->tree));
	if (r >= 0)
		r = pool_submit(m->pool, WORK_STATE, TOKEN_NONE, &v->ops, NULL, "store secrets", on_stored, v, &v->work);
	if (r < 0)
		move_free(v);
	return r;
}
