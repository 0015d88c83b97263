/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between daemon and workers: there and back, and anything else refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "daemon/record.h"

static void sample_ops(struct oplist *l)
{
	assert_int_equal(oplist_add(l, OP_MKDIR, 0, "nvmet/subsystems/s", NULL, "subsystems/s", NULL), 0);
	assert_int_equal(oplist_add(l, OP_WRITE, OP_NEWLINE | OP_CHECK_BACK, "nvmet/subsystems/s/attr_model", "", "subsystems/s", "model"), 0);
	assert_int_equal(oplist_add(l, OP_SYSTEM, 0, "", NULL, NULL, NULL), 0);
}

static void sample_work(struct buffer *b)
{
	_cleanup_oplist_ struct oplist ops = { 0 };

	sample_ops(&ops);
	assert_int_equal(record_put_work(b, "subsystems/s: make", "nvmet/subsystems", TOKEN_HOSTS, &ops), 0);
}

static void assert_same(const char *a, const char *b)
{
	assert_true(streq_ptr(a, b));
}

static void test_work_round_trip(void **state)
{
	_cleanup_oplist_ struct oplist ops = { 0 };
	_cleanup_(buffer_done) struct buffer b = { 0 };
	_cleanup_(record_work_done) struct record_work work = { 0 };

	sample_ops(&ops);
	sample_work(&b);
	assert_int_equal(record_complete(b.data, b.len), b.len - 4);
	assert_int_equal(record_get_work(b.data + 4, b.len - 4, &work), 0);
	assert_string_equal(work.label, "subsystems/s: make");
	assert_string_equal(work.queue, "nvmet/subsystems");
	assert_int_equal(work.token, TOKEN_HOSTS);
	assert_int_equal(work.ops.n, ops.n);
	for (size_t i = 0; i < ops.n; i++) {
		assert_int_equal(work.ops.items[i].verb, ops.items[i].verb);
		assert_int_equal(work.ops.items[i].flags, ops.items[i].flags);
		assert_same(work.ops.items[i].path, ops.items[i].path);
		assert_same(work.ops.items[i].value, ops.items[i].value);
		assert_same(work.ops.items[i].object, ops.items[i].object);
		assert_same(work.ops.items[i].attr, ops.items[i].attr);
	}
}

static void test_work_without_operations(void **state)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	_cleanup_(record_work_done) struct record_work work = { 0 };
	struct oplist none = { 0 };

	assert_int_equal(record_put_work(&b, "", NULL, TOKEN_NONE, &none), 0);
	assert_int_equal(record_get_work(b.data + 4, b.len - 4, &work), 0);
	assert_null(work.queue);
	assert_int_equal(work.ops.n, 0);
}

static void put_sample_result(struct buffer *b)
{
	char *data[] = { NULL, (char *)"", (char *)"d \nf a 1\n1\n" };

	assert_int_equal(record_put_result(b, EBUSY, ARRAY_SIZE(data), data, "it is mounted"), 0);
}

static void test_result_round_trip(void **state)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	_cleanup_(record_result_done) struct record_result r = { 0 };

	put_sample_result(&b);
	assert_int_equal(record_get_result(b.data + 4, b.len - 4, &r), 0);
	assert_int_equal(r.error, EBUSY);
	assert_int_equal(r.done, 3);
	assert_null(r.data[0]);
	assert_string_equal(r.data[1], "");
	assert_string_equal(r.data[2], "d \nf a 1\n1\n");
	assert_string_equal(r.message, "it is mounted");
}

static void test_wire_form(void **state)
{
	static const unsigned char expected[] = {
		27, 0, 0, 0,				/* length */
		5, 0, 0, 0, 1, 0, 0, 0,			/* error 5, one done */
		2, 0, 0, 0, 'o', 'k', 0,		/* its data */
		7, 0, 0, 0, 'm', 'e', 's', 's', 'a', 'g', 'e', 0,
	};
	_cleanup_(buffer_done) struct buffer b = { 0 };
	char *data[] = { (char *)"ok" };

	assert_int_equal(record_put_result(&b, 5, 1, data, "message"), 0);
	assert_int_equal(b.len, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
}

static int get_work(const unsigned char *msg, size_t len)
{
	_cleanup_(record_work_done) struct record_work work = { 0 };
	_cleanup_free_ unsigned char *copy = malloc(len ? len : 1);

	/* Of exactly its size, so that the sanitizers see a step beyond it. */
	memcpy(copy, msg, len);
	return record_get_work(copy, len, &work);
}

static int get_result(const unsigned char *msg, size_t len)
{
	_cleanup_(record_result_done) struct record_result r = { 0 };
	_cleanup_free_ unsigned char *copy = malloc(len ? len : 1);

	memcpy(copy, msg, len);
	return record_get_result(copy, len, &r);
}

static void test_cut_anywhere(void **state)
{
	_cleanup_(buffer_done) struct buffer work = { 0 }, result = { 0 };

	sample_work(&work);
	put_sample_result(&result);
	for (size_t n = 0; n < work.len - 4; n++)
		assert_int_equal(get_work(work.data + 4, n), -EBADMSG);
	for (size_t n = 0; n < result.len - 4; n++)
		assert_int_equal(get_result(result.data + 4, n), -EBADMSG);
}

static void test_trailing(void **state)
{
	_cleanup_(buffer_done) struct buffer work = { 0 }, result = { 0 };

	sample_work(&work);
	put_sample_result(&result);
	assert_int_equal(buffer_reserve(&work, 1), 0);
	assert_int_equal(buffer_reserve(&result, 1), 0);
	work.data[work.len] = result.data[result.len] = 0;
	assert_int_equal(get_work(work.data + 4, work.len - 4 + 1), -EBADMSG);
	assert_int_equal(get_result(result.data + 4, result.len - 4 + 1), -EBADMSG);
}

/* Each byte of a good message, replaced by each value: taken or refused, and nothing worse. */
static void test_any_byte(void **state)
{
	_cleanup_(buffer_done) struct buffer work = { 0 }, result = { 0 };

	sample_work(&work);
	put_sample_result(&result);
	for (size_t i = 4; i < work.len; i++) {
		unsigned char was = work.data[i];

		for (unsigned v = 0; v < 256; v += 5) {
			int r;

			work.data[i] = (unsigned char)v;
			r = get_work(work.data + 4, work.len - 4);
			assert_true(r == 0 || r == -EBADMSG);
		}
		work.data[i] = was;
	}
	for (size_t i = 4; i < result.len; i++)
		for (unsigned v = 0; v < 256; v += 5) {
			unsigned char was = result.data[i];
			int r;

			result.data[i] = (unsigned char)v;
			r = get_result(result.data + 4, result.len - 4);
			assert_true(r == 0 || r == -EBADMSG);
			result.data[i] = was;
		}
}

static void test_random_bytes(void **state)
{
	unsigned seed = 7;

	for (int round = 0; round < 50000; round++) {
		unsigned char msg[64];
		size_t n = (size_t)rand_r(&seed) % sizeof(msg);

		for (size_t i = 0; i < n; i++)
			msg[i] = rand_r(&seed) % 3 ? (unsigned char)(rand_r(&seed) % 4) : (unsigned char)rand_r(&seed);
		get_work(msg, n);
		get_result(msg, n);
		record_complete(msg, n);
	}
}

static void put_u32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = v >> (8 * i) & 0xff;
}

/* Numbers that promise more than there is must cost nothing. */
static void test_promises(void **state)
{
	unsigned char msg[64] = { 0 };

	/* label "", no queue, token 0, 100000 operations */
	put_u32(msg + 5, 0xffffffff);
	put_u32(msg + 13, 100000);
	assert_int_equal(get_work(msg, sizeof(msg)), -EBADMSG);
	put_u32(msg, 0xfffffffe);
	assert_int_equal(get_work(msg, sizeof(msg)), -EBADMSG);
	memset(msg, 0, sizeof(msg));
	put_u32(msg + 4, 100000);
	assert_int_equal(get_result(msg, sizeof(msg)), -EBADMSG);
	put_u32(msg, 0x80000000);
	put_u32(msg + 4, 0);
	assert_int_equal(get_result(msg, 12), -EBADMSG);
}

static void test_complete(void **state)
{
	unsigned char msg[16] = { 0 };

	put_u32(msg, 8);
	for (size_t n = 0; n < 12; n++)
		assert_int_equal(record_complete(msg, n), 0);
	assert_int_equal(record_complete(msg, 12), 8);
	assert_int_equal(record_complete(msg, 16), 8);
	put_u32(msg, 7);
	assert_int_equal(record_complete(msg, 4), -EBADMSG);
	put_u32(msg, RECORD_MAX + 1);
	assert_int_equal(record_complete(msg, 4), -EBADMSG);
}

static void test_too_many_operations(void **state)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	struct op *items = calloc(RECORD_OPS_MAX + 1, sizeof(*items));
	struct oplist ops = { .items = items, .n = RECORD_OPS_MAX + 1 };

	assert_non_null(items);
	assert_int_equal(record_put_work(&b, "", NULL, TOKEN_NONE, &ops), -EMSGSIZE);
	assert_int_equal(b.len, 0);
	free(items);
}

static void test_buffer_is_wiped(void **state)
{
	_cleanup_(buffer_done) struct buffer b = { 0 };
	_cleanup_oplist_ struct oplist ops = { 0 };
	unsigned char *data;

	assert_int_equal(oplist_add(&ops, OP_STORE_SECRET, 0, "k", "DHHC-1:00:secret:", NULL, NULL), 0);
	assert_int_equal(record_put_work(&b, "", NULL, TOKEN_NONE, &ops), 0);
	assert_non_null(memmem(b.data, b.size, "secret", 6));
	data = b.data;
	buffer_reset(&b);
	assert_ptr_equal(b.data, data);
	assert_int_equal(b.len, 0);
	assert_null(memmem(b.data, b.size, "secret", 6));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_work_round_trip),
		cmocka_unit_test(test_work_without_operations),
		cmocka_unit_test(test_result_round_trip),
		cmocka_unit_test(test_wire_form),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_trailing),
		cmocka_unit_test(test_any_byte),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_promises),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_too_many_operations),
		cmocka_unit_test(test_buffer_is_wiped),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
