/* SPDX-License-Identifier: Apache-2.0 */
/* The wire form of work and results. What a record asks for is not judged here: that is worker-check.c's part. */
#include "daemon/record.h"

#include <errno.h>

#define KEEP_MAX 65536
#define NO_STRING 0xffffffffu

/* The least that an operation takes: verb, flags, four strings that are "none". */
#define OP_MIN 24

int buffer_reserve(struct buffer *b, size_t n)
{
	size_t size = b->size ? 2 * b->size : 1024;
	unsigned char *data;

	if (b->size - b->len >= n)
		return 0;
	/* Doubling is for what grows bit by bit. */
	if (size - b->len < n)
		size = b->len + n;
	/* Not realloc, which would leave a copy behind. */
	data = malloc(size);
	if (!data)
		return -ENOMEM;
	if (b->data) {
		memcpy(data, b->data, b->len);
		explicit_bzero(b->data, b->len);
		free(b->data);
	}
	b->data = data;
	b->size = size;
	return 0;
}

void buffer_reset(struct buffer *b)
{
	if (b->size > KEEP_MAX) {
		buffer_done(b);
		return;
	}
	if (b->data)
		explicit_bzero(b->data, b->len);
	b->len = 0;
}

void buffer_done(struct buffer *b)
{
	if (b->data)
		explicit_bzero(b->data, b->len);
	free(b->data);
	*b = (struct buffer){ 0 };
}

/* ---- writing: sizes first, so that there is one allocation and no failure half way ---- */

static size_t string_size(const char *s)
{
	return s ? 4 + strlen(s) + 1 : 4;
}

static void put_u32(struct buffer *b, uint32_t v)
{
	unsigned char *p = b->data + b->len;

	p[0] = v & 0xff;
	p[1] = v >> 8 & 0xff;
	p[2] = v >> 16 & 0xff;
	p[3] = v >> 24 & 0xff;
	b->len += 4;
}

static void put_string(struct buffer *b, const char *s)
{
	size_t n;

	if (!s) {
		put_u32(b, NO_STRING);
		return;
	}
	n = strlen(s);
	put_u32(b, (uint32_t)n);
	memcpy(b->data + b->len, s, n + 1);
	b->len += n + 1;
}

static int begin(struct buffer *b, size_t size)
{
	int r;

	if (size > RECORD_MAX)
		return -EMSGSIZE;
	r = buffer_reserve(b, 4 + size);
	if (r >= 0)
		put_u32(b, (uint32_t)size);
	return r;
}

static size_t op_size(const struct op *op)
{
	return 8 + string_size(op->path) + string_size(op->value) + string_size(op->object) + string_size(op->attr);
}

int record_put_work(struct buffer *b, const char *label, const char *queue, enum token token, const struct oplist *ops)
{
	size_t size = 8 + string_size(label) + string_size(queue);
	int r;

	if (ops->n > RECORD_OPS_MAX)
		return -EMSGSIZE;
	for (size_t i = 0; i < ops->n; i++)
		size += op_size(&ops->items[i]);
	r = begin(b, size);
	if (r < 0)
		return r;
	put_string(b, label);
	put_string(b, queue);
	put_u32(b, token);
	put_u32(b, (uint32_t)ops->n);
	for (size_t i = 0; i < ops->n; i++) {
		put_u32(b, ops->items[i].verb);
		put_u32(b, ops->items[i].flags);
		put_string(b, ops->items[i].path);
		put_string(b, ops->items[i].value);
		put_string(b, ops->items[i].object);
		put_string(b, ops->items[i].attr);
	}
	return 0;
}

int record_put_result(struct buffer *b, int error, size_t done, char *const *data, const char *message)
{
	size_t size = 8 + string_size(message);
	int r;

	for (size_t i = 0; i < done; i++)
		size += string_size(data[i]);
	r = begin(b, size);
	if (r < 0)
		return r;
	put_u32(b, (uint32_t)error);
	put_u32(b, (uint32_t)done);
	for (size_t i = 0; i < done; i++)
		put_string(b, data[i]);
	put_string(b, message);
	return 0;
}

/* ---- reading ---- */

struct cursor {
	unsigned char *at;
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

/* NULL for "none"; a string whose first NUL is not its end is damage. */
static char *get_string(struct cursor *c)
{
	uint32_t n = get_u32(c);
	char *s = (char *)c->at;

	if (c->bad || n == NO_STRING)
		return NULL;
	if (n >= c->left || strnlen(s, n + 1) != n) {
		c->bad = true;
		return NULL;
	}
	c->at += n + 1;
	c->left -= n + 1;
	return s;
}

static void get_op(struct cursor *c, struct op *ret)
{
	uint32_t verb = get_u32(c), flags = get_u32(c);

	*ret = (struct op){ .verb = verb, .flags = flags };
	ret->path = get_string(c);
	ret->value = get_string(c);
	ret->object = get_string(c);
	ret->attr = get_string(c);
	if (verb >= OP_VERB_MAX || !ret->path)
		c->bad = true;
}

void record_work_done(struct record_work *w)
{
	free(w->ops.items);
	*w = (struct record_work){ 0 };
}

int record_get_work(unsigned char *msg, size_t len, struct record_work *ret)
{
	struct cursor c = { msg, len, false };
	uint32_t n, token;

	*ret = (struct record_work){ 0 };
	ret->label = get_string(&c);
	ret->queue = get_string(&c);
	token = get_u32(&c);
	n = get_u32(&c);
	if (c.bad || !ret->label || token >= TOKEN_MAX || n > RECORD_OPS_MAX || n > c.left / OP_MIN)
		return -EBADMSG;
	ret->token = token;
	ret->ops.items = calloc(n ? n : 1, sizeof(*ret->ops.items));
	if (!ret->ops.items)
		return -ENOMEM;
	while (ret->ops.n < n && !c.bad)
		get_op(&c, &ret->ops.items[ret->ops.n++]);
	if (c.bad || c.left) {
		record_work_done(ret);
		return -EBADMSG;
	}
	return 0;
}

void record_result_done(struct record_result *r)
{
	free(r->data);
	*r = (struct record_result){ 0 };
}

int record_get_result(unsigned char *msg, size_t len, struct record_result *ret)
{
	struct cursor c = { msg, len, false };
	uint32_t error = get_u32(&c), done = get_u32(&c);

	*ret = (struct record_result){ 0 };
	if (c.bad || error > INT32_MAX || done > RECORD_OPS_MAX || done > c.left / 4)
		return -EBADMSG;
	ret->error = (int)error;
	ret->done = done;
	ret->data = calloc(done ? done : 1, sizeof(*ret->data));
	if (!ret->data)
		return -ENOMEM;
	for (size_t i = 0; i < done && !c.bad; i++)
		ret->data[i] = get_string(&c);
	ret->message = get_string(&c);
	if (c.bad || c.left) {
		record_result_done(ret);
		return -EBADMSG;
	}
	return 0;
}

int64_t record_complete(const unsigned char *data, size_t len)
{
	uint32_t n;

	if (len < 4)
		return 0;
	n = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
	if (n > RECORD_MAX || n < 8)
		return -EBADMSG;
	return len - 4 >= n ? (int64_t)n : 0;
}
