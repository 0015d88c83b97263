/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_CLEANUP_H
#define CFG_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Declares FUNCp(), which frees what the variable holds when the variable goes out of scope.
 * FUNC must accept NULL. Put it beside every _free function. */
#define CFG_DEFINE_CLEANUP(type, func)			\
	static inline void func##p(type *p)		\
	{						\
		if (*p)					\
			func(*p);			\
	}						\
	struct cfg_swallow_semicolon

/* Hands the pointer over: evaluates to it and leaves NULL behind, which disarms the cleanup. */
#define steal_ptr(ptr)					\
	({						\
		__typeof__(ptr) *_p = &(ptr);		\
		__typeof__(ptr) _v = *_p;		\
		*_p = NULL;				\
		_v;					\
	})

static inline int steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

static inline void free_charp(char **p)
{
	free(*p);
}

static inline void free_voidp(void *p)
{
	free(*(void **)p);
}

static inline void close_fdp(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void fclose_p(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_ _cleanup_(free_voidp)
#define _cleanup_close_ _cleanup_(close_fdp)
#define _cleanup_fclose_ _cleanup_(fclose_p)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline int streq(const char *a, const char *b)
{
	/* Most that are compared to a table of names differ in the first character. */
	return *a == *b && strcmp(a, b) == 0;
}

/* NULL equals NULL only. */
static inline int streq_ptr(const char *a, const char *b)
{
	return a == b || (a && b && streq(a, b));
}

#endif
