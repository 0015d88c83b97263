/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NVMETD_RECORD_H
#define NVMETD_RECORD_H

/*
 * What daemon and workers say to each other: one message for a piece of work, one for its result. A message is a length (32 bits, its own
 * four bytes not counted), then fields; numbers are little-endian, strings a length and their bytes. Decoding withstands any bytes.
 */

#include "daemon/pool.h"

#define RECORD_MAX (256u << 20)		/* bytes of a message */
#define RECORD_OPS_MAX 100000

struct buffer {
	unsigned char *data;
	size_t len, size;
	bool failed;		/* out of memory */
};
void buffer_done(struct buffer *b);

/* A piece of work: label and queue are for the file in which the worker says what it is at. Appends a whole message. */
int record_put_work(struct buffer *b, const char *label, const char *queue, const struct oplist *ops);
struct record_work {
	char *label, *queue;
	struct oplist ops;
};
void record_work_done(struct record_work *w);
/* msg is a message without its length. -EBADMSG. */
int record_get_work(const unsigned char *msg, size_t len, struct record_work *ret);

/* A result. data has as many entries as operations were done. */
int record_put_result(struct buffer *b, int error, size_t done, char *const *data, const char *message);
struct record_result {
	int error;
	size_t done;
	char **data;		/* done entries, may be NULL each */
	char *message;
};
void record_result_done(struct record_result *r);
int record_get_result(const unsigned char *msg, size_t len, struct record_result *ret);

/* Whether the buffer begins with a whole message: its length without the four bytes, 0 when there is more to come, -EBADMSG. */
int64_t record_complete(const unsigned char *data, size_t len);

#endif
