/*
 * Many messages that are sent together: their rows (bulk.c), and the arrays that functions in SQL get
 * them in (send_arrays.c). Needs a transaction that can write.
 */
#ifndef DGEN_SEND_BULK_H
#define DGEN_SEND_BULK_H

#include "postgres.h"

#include "fmgr.h"

#include "send/send.h"
#include "table/writer.h"

struct ActorType;
struct ReplyTo;

/* ---- bulk.c: their rows ---- */

typedef struct Bulk
{
	MemoryContext context; /* of the Bulk */
	MemoryContext chunk;   /* of what the rows are made of */
	DgenRows messages;
	DgenRows requests;
	Rooms rooms;
} Bulk;

/*
 * The messages have their seqs (dgen_number_send). What they and their requests point to must stay
 * where it is to the end. A request comes after its message.
 */
extern void dgen_bulk_begin(Bulk *bulk);
extern void dgen_bulk_message(Bulk *bulk, const Send *send);
extern void dgen_bulk_request(Bulk *bulk, const Send *send, const struct ReplyTo *reply_to,
							  text *correlation, bool keep);
extern void dgen_bulk_flush(Bulk *bulk); /* writes what there is so far */
extern void dgen_bulk_end(Bulk *bulk);

/* ---- send_arrays.c: arrays of messages ---- */

/* One array parameter; NULL is an array without elements. */
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

/* Which arguments of a function in SQL are the arrays. */
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

/* The type of the message that was checked last, to which the caller may send. */
typedef struct LastType
{
	const text *name; /* NULL: there is none */
	const struct ActorType *type;
} LastType;

/* Those after messages may be NULL, and so may their elements. */
typedef struct SendArrays
{
	int errcode;          /* for every error; 0: the one that says it best */
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

/* Errcode, prefix and names are set. Raises unless the arrays have the same length. */
extern void dgen_get_send_arrays(FunctionCallInfo fcinfo, const SendArguments *arguments,
								 SendArrays *arrays);

/* Checks element i, and the privilege to send; returns its idempotency key, or NULL. */
extern text *dgen_get_send(const SendArrays *arrays, int i, Send *send);
/* The same without type and key, which are set already. */
extern text *dgen_get_send_content(const SendArrays *arrays, int i, Send *send);

#endif /* DGEN_SEND_BULK_H */
