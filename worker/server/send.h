/*
 * A message to be sent.
 */
#ifndef DGEN_SERVER_SEND_H
#define DGEN_SERVER_SEND_H

#include "dgen.h"

#include "server/array.h"

typedef struct dgen__send
{
	int actor;        /* 1-based number of the sending actor in its batch */
	bool request;     /* the reply comes to that actor */
	bool action;      /* of that actor; correlation is its name */
	const char *type; /* begins the memory of all texts */
	const char *key;
	const char *message;     /* JSON */
	const char *correlation; /* NULL: none; so below */
	const char *idempotency_key;
	const char *headers;
	int64_t delay_ms;
	int priority;
} dgen__send;

/* Makes its texts copies, in one piece of memory. 0 or DGEN_ENOMEM. */
extern int dgen__send_copy(dgen__send *send, size_t message_length);
extern void dgen__send_free(dgen__send *send);

/* Where the parts of messages to send go. */
typedef struct dgen__send_arrays
{
	dgen__array *types;
	dgen__array *keys;
	dgen__array *messages;
	dgen__array *requests;
	dgen__array *delays_ms;
	dgen__array *priorities;
	dgen__array *idempotency_keys;
	dgen__array *headers;
} dgen__send_arrays;

/* An element for each; NULL where there is nothing to say. */
extern void dgen__send_encode(const dgen__send *send, size_t message_length,
							  const dgen__send_arrays *arrays);

#endif /* DGEN_SERVER_SEND_H */
