/*
 * Messages to send as parallel arrays, one element each: parameters of functions in SQL. Needs a
 * transaction.
 */
#ifndef DGEN_SEND_SEND_ARRAYS_H
#define DGEN_SEND_SEND_ARRAYS_H

#include "postgres.h"

#include "fmgr.h"

struct ActorType;
struct Send;

/* One array parameter; NULL counts as an array without elements. */
typedef struct Elements
{
	int count;
	Datum *values;
	bool *nulls;
} Elements;

static inline bool
dgen_has_element(const Elements *elements, int i)
{
	return i < elements->count && !elements->nulls[i];
}

extern char *dgen_element_text(const Elements *elements, int i); /* NULL: no element, or NULL */
extern bool dgen_element_is_true(const Elements *elements, int i);

/* The numbers of the arguments of a function in SQL that are the arrays. */
typedef struct SendArguments
{
	int types;
	int keys;
	int messages;
	int requests;
	int delays;
	int priorities;
	int idempotency_keys;
	int headers;
} SendArguments;

/* The type of the last message that was checked; the caller can send to it. */
typedef struct LastType
{
	const text *name; /* NULL: there is none */
	const struct ActorType *type;
} LastType;

/* The arrays after `messages` can be NULL, and so can their elements. */
typedef struct SendArrays
{
	int errcode;          /* for every error; 0: the most specific one */
	const char *prefix;   /* of the arrays' names, for errors */
	const char *names[2]; /* of types and keys */
	Elements types;
	Elements keys;
	Elements messages;
	Elements requests;
	Elements delays;
	Elements priorities;
	Elements idempotency_keys;
	Elements headers;
	LastType *last;
} SendArrays;

extern void dgen_get_elements(FunctionCallInfo fcinfo, int n, Oid type, Elements *elements);

/* The caller has set errcode, prefix and names. Raises unless the arrays have the same length. */
extern void dgen_get_send_arrays(FunctionCallInfo fcinfo, const SendArguments *arguments,
								 SendArrays *arrays);

/* Checks element i, and the privilege to send; returns its idempotency key, or NULL. */
extern text *dgen_get_send(const SendArrays *arrays, int i, struct Send *send);
/* The same without type and key, which the caller has set. */
extern text *dgen_get_send_content(const SendArrays *arrays, int i, struct Send *send);

#endif /* DGEN_SEND_SEND_ARRAYS_H */
