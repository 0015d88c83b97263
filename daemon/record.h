/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_RECORD_H
#define NVMETD_RECORD_H

/*
 * What daemon and workers say to each other: one message for a piece of work, one for its result. A message is a length (32 bits, its own
 * four bytes not counted), then fields. Numbers are 32 bits, little-endian. A string is a length, its bytes and a NUL that is not counted, so
 * that a decoded message is used where it stands; the length 0xffffffff and nothing behind it is "none". Decoding withstands any bytes.
 */

#include "plan/plan.h"

#define RECORD_MAX (256u << 20)		/* bytes of a message */
#define RECORD_OPS_MAX 100000

struct buffer {
	unsigned char *data;
	size_t len, size;
};
/* Room for n more bytes. -ENOMEM leaves it as it was. */
int buffer_reserve(struct buffer *b, size_t n);
/* Empties it, and wipes what it held: that may have been a secret. Keeps its memory unless that is much. */
void buffer_reset(struct buffer *b);
void buffer_done(struct buffer *b);

/* A piece of work. All but the operations is for the file in which the worker says what it is at. Appends a whole message, or nothing:
 * -ENOMEM, -EMSGSIZE. */
int record_put_work(struct buffer *b, const char *label, const char *queue, enum token token, const struct oplist *ops);
struct record_work {
	const char *label, *queue;	/* queue may be NULL */
	enum token token;
	struct oplist ops;		/* its strings are the message's: not for oplist_done() */
};
/* msg is a message without its length, and is what the result points into. -EBADMSG, -ENOMEM. */
int record_get_work(unsigned char *msg, size_t len, struct record_work *ret);
void record_work_done(struct record_work *w);

/* A result. data has as many entries as operations were done. */
int record_put_result(struct buffer *b, int error, size_t done, char *const *data, const char *message);
struct record_result {
	int error;
	size_t done;
	char **data;		/* done entries, may be NULL each */
	char *message;
};
int record_get_result(unsigned char *msg, size_t len, struct record_result *ret);
void record_result_done(struct record_result *r);

/* Whether the buffer begins with a whole message: its length without the four bytes, 0 when there is more to come, -EBADMSG. */
int64_t record_complete(const unsigned char *data, size_t len);

#endif
