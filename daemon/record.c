/* SPDX-License-Identifier: Apache-2.0 */
/* The wire form of work and results. */
#include "daemon/record.h"

#include <errno.h>

void buffer_done(struct buffer *b)
{
	/* It may have carried a secret. */
	if (b->data)
		explicit_bzero(b->data, b->size);
	free(b->data);
	*b = (struct buffer){ 0 };
}

static void put(struct buffer *b, const void *p, size_t n)
{
	if (b->failed)
		return;
	if (b->size - b->len < n) {
		size_t size = b->size ? b->size : 1024;
		unsigned char *data;

		while (size - b->len < n)
			size *= 2;
		data = realloc(b->data, size);
		if (!data) {
			b->failed = true;
			return;
		}
		b->data = data;
		b->size = size;
	}
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
}

static void put_u32(struct buffer *b, uint32_t v)
{
	unsigned char bytes[4] = { v & 0xff, v >> 8 & 0xff, v >> 16 & 0xff, v >> 24 & 0xff };

	put(b, bytes, sizeof(bytes));
}

#define NO_STRING 0xffffffffu

static void put_string(struct buffer *b, const char *s)
{
	if (!s) {
		put_u32(b, NO_STRING);
		return;
	}
	put_u32(b, (uint32_t)strlen(s));
	put(b, s, strlen(s));
}

static size_t begin(struct buffer *b)
{
	put_u32(b, 0);
	return b->len;
}

static int end(struct buffer *b, size_t start)
{
	size_t n = b->len - start;

	if (b->failed)
		return -ENOMEM;
	if (n > RECORD_MAX)
		return -EMSGSIZE;
	for (int i = 0; i < 4; i++)
		b->data[start - 4 + i] = n >> (8 * i) & 0xff;
	return 0;
}

int record_put_work(struct buffer *b, const char *label, const char *queue, const struct oplist *ops)
{
	size_t start = begin(b);

	put_string(b, label);
	put_string(b, queue);
	put_u32(b, (uint32_t)ops->n);
	for (size_t i = 0; i < ops->n; i++) {
		put_u32(b, ops->items[i].verb);
		put_u32(b, ops->items[i].flags);
		put_string(b, ops->items[i].path);
		put_string(b, ops->items[i].value);
		put_string(b, ops->items[i].object);
		put_string(b, ops->items[i].attr);
	}
	return end(b, start);
}

int record_put_result(struct buffer *b, int error, size_t done, char *const *data, const char *message)
{
	size_t start = begin(b);

	put_u32(b, (uint32_t)error);
	put_u32(b, (uint32_t)done);
	for (size_t i = 0; i < done; i++)
		put_string(b, data[i]);
	put_string(b, message);
	return end(b, start);
}

/* ---- decoding ---- */

struct cursor {
	const unsigned char *at;
	size_t left;
	bool bad;
};

static uint32_t get_u32(struct cursor *c)
{
	uint32_t v;

	if (c->left < 4) {
		c->bad = true;
		return 0;
	}
	v = c->at[0] | (uint32_t)c->at[1] << 8 | (uint32_t)c->at[2] << 16 | (uint32_t)c->at[3] << 24;
	c->at += 4;
	c->left -= 4;
	return v;
}

/* NULL for "none"; a string with a NUL inside is damage. */
static char *get_string(struct cursor *c)
{
	uint32_t n = get_u32(c);
	char *s;

	if (c->bad || n == NO_STRING)
		return NULL;
	if (n > c->left || memchr(c->at, 0, n)) {
		c->bad = true;
		return NULL;
	}
	s = strndup((const char *)c->at, n);
	if (!s)
		c->bad = true;
	c->at += n;
	c->left -= n;
	return s;
}

static void get_op(struct cursor *c, struct oplist *ops)
{
	uint32_t verb = get_u32(c), flags = get_u32(c);
	char *path = get_string(c), *value = get_string(c), *object = get_string(c), *attr = get_string(c);

	if (verb >= OP_VERB_MAX || !path)
		c->bad = true;
	if (!c->bad && oplist_add(ops, verb, flags, path, value, object, attr) < 0)
		c->bad = true;
	if (value)
		explicit_bzero(value, strlen(value));
	free(path);
	free(value);
	free(object);
	free(attr);
}

void record_work_done(struct record_work *w)
{
	free(w->label);
	free(w->queue);
	oplist_done(&w->ops);
	*w = (struct record_work){ 0 };
}

int record_get_work(const unsigned char *msg, size_t len, struct record_work *ret)
{
	struct cursor c = { msg, len, false };
	uint32_t n;

	*ret = (struct record_work){ 0 };
	ret->label = get_string(&c);
	ret->queue = get_string(&c);
	n = get_u32(&c);
	if (n > RECORD_OPS_MAX)
		c.bad = true;
	for (uint32_t i = 0; i < n && !c.bad; i++)
		get_op(&c, &ret->ops);
	if (c.bad || c.left || !ret->label) {
		record_work_done(ret);
		return -EBADMSG;
	}
	return 0;
}

void record_result_done(struct record_result *r)
{
	for (size_t i = 0; r->data && i < r->done; i++)
		free(r->data[i]);
	free(r->data);
	free(r->message);
	*r = (struct record_result){ 0 };
}

int record_get_result(const unsigned char *msg, size_t len, struct record_result *ret)
{
	struct cursor c = { msg, len, false };

	*ret = (struct record_result){ .error = (int)get_u32(&c), .done = get_u32(&c) };
	if (ret->done > RECORD_OPS_MAX || ret->error < 0)
		c.bad = true;
	if (!c.bad)
		ret->data = calloc(ret->done ? ret->done : 1, sizeof(*ret->data));
	if (!ret->data)
		ret->done = 0;
	for (size_t i = 0; i < ret->done && !c.bad; i++)
		ret->data[i] = get_string(&c);
	ret->message = get_string(&c);
	if (c.bad || c.left || !ret->data) {
		record_result_done(ret);
		return -EBADMSG;
	}
	return 0;
}

int64_t record_complete(const unsigned char *data, size_t len)
{
	struct cursor c = { data, len, false };
	uint32_t n = get_u32(&c);

	if (c.bad)
		return 0;
	if (n > RECORD_MAX || n < 8)
		return -EBADMSG;
	return c.left >= n ? (int64_t)n : 0;
}
