/*
 * What turns send, until the batch commits.
 */
#ifndef DGEN_TURN_OUTBOX_H
#define DGEN_TURN_OUTBOX_H

#include "dgen.h"

#include "server/send.h"

typedef struct dgen__reply
{
	int64_t request;
	char *reply; /* JSON; NULL: it fails */
	char *error; /* then */
	char sqlstate[6];
} dgen__reply;

typedef struct dgen__action
{
	void (*action)(void *data);
	void (*release)(void *data);
	void *data;
} dgen__action;

typedef struct dgen__outbox
{
	dgen__send *sends;
	size_t nsends;
	size_t sends_size;
	dgen__reply *replies;
	size_t nreplies;
	size_t replies_size;
	dgen__action *actions;
	size_t nactions;
	size_t actions_size;
} dgen__outbox;

typedef struct dgen__outbox_mark
{
	size_t nsends;
	size_t nreplies;
	size_t nactions;
} dgen__outbox_mark;

/* Each copies what it is given, and returns 0 or DGEN_ENOMEM. */
extern int dgen__outbox_send(dgen__outbox *outbox, const dgen__send *send, size_t message_length);
extern int dgen__outbox_reply(dgen__outbox *outbox, int64_t request, const char *json,
							  size_t length);
/* Bytes of the error that are no UTF-8 become question marks. */
extern int dgen__outbox_fail(dgen__outbox *outbox, int64_t request, const char *error,
							 const char *sqlstate);
extern int dgen__outbox_action(dgen__outbox *outbox, const dgen__action *action);

extern dgen__outbox_mark dgen__outbox_mark_now(const dgen__outbox *outbox);
extern void dgen__outbox_undo(dgen__outbox *outbox,
							  dgen__outbox_mark mark); /* drops what came after; releases run */
extern void dgen__outbox_finish(dgen__outbox *outbox,
								bool committed); /* runs actions and releases, frees all it holds */
/* The same without its actions, which go to another one that is empty. */
extern void dgen__outbox_keep_actions(dgen__outbox *outbox, dgen__outbox *to);

#endif /* DGEN_TURN_OUTBOX_H */
