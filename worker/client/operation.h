/*
 * Operations, in their queues and by their deadlines.
 */
#ifndef DGEN_CLIENT_OPERATION_H
#define DGEN_CLIENT_OPERATION_H

#include "dgen.h"

#include "base/error.h"
#include "server/send.h"

typedef struct dgen__operation dgen__operation;

typedef enum dgen__place
{
	DGEN__WAITING, /* in the queue */
	DGEN__SENT,    /* in the statement in progress */
	DGEN__OPEN     /* its reply is awaited */
} dgen__place;

struct dgen__operation
{
	dgen__operation *next; /* of its queue */
	dgen__operation *previous;
	dgen__place place;
	bool over;        /* its callback has run */
	int doubts;       /* how often the connection was lost while it was sent */
	dgen__send send;  /* request: it is a call */
	size_t length;    /* of the message */
	size_t bytes;     /* what it counts for */
	int64_t deadline; /* DGEN__NEVER: none */
	size_t timeout;   /* its index among the timeouts */
	int64_t id;       /* of its request, once open */
	dgen_client_callback callback;
	void *user;
};

typedef struct dgen__queue
{
	dgen__operation *first;
	dgen__operation *last;
	size_t count;
} dgen__queue;

/* timeouts.c: a heap of those that have a deadline, the first one on top. */
typedef struct dgen__timeouts
{
	dgen__operation **heap;
	size_t count;
	size_t size;
} dgen__timeouts;

extern int dgen__timeouts_reserve(dgen__timeouts *timeouts, size_t count); /* 0 or DGEN_ENOMEM */
extern void dgen__timeouts_add(dgen__timeouts *timeouts, dgen__operation *operation); /* reserved */
extern void dgen__timeouts_remove(dgen__timeouts *timeouts, dgen__operation *operation);
extern dgen__operation *dgen__timeouts_first(const dgen__timeouts *timeouts); /* NULL: none */

/* operation.c: operations that end, with client->error or `why`, which is not part of the client */
extern void dgen__queue_add(dgen__queue *queue, dgen__operation *operation);
extern void dgen__queue_put_back(dgen__queue *queue, dgen__operation *operation); /* first */
extern void dgen__queue_remove(dgen__queue *queue, dgen__operation *operation);
extern void dgen__operation_free(dgen_client *client, dgen__operation *operation);
extern void dgen__operation_end(dgen_client *client, dgen__operation *operation, const char *reply,
								size_t length); /* frees it if it waits; else it is over */
extern void dgen__operations_end_all(dgen_client *client, const dgen__error *why); /* but sent */
extern void dgen__operations_end_sent(dgen_client *client, const dgen__error *why);
extern void dgen__operations_send_apart(
	dgen_client *client); /* nothing of the statement was done */
extern void dgen__operations_lost(dgen_client *client,
								  const dgen__error *why); /* while being sent */
extern void dgen__operations_expire(dgen_client *client);
extern void dgen__operation_time_out(dgen_client *client, dgen__operation *operation);
extern void dgen__operations_sweep(dgen_client *client); /* frees open ones that are over */

#endif /* DGEN_CLIENT_OPERATION_H */
