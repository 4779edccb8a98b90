/*
 * The conversation of a client with several operations in progress.
 */
#ifndef DGEN_CLIENT_PIPELINE_H
#define DGEN_CLIENT_PIPELINE_H

#include "dgen.h"

#include "base/error.h"
#include "client/client.h"
#include "client/operation.h"
#include "server/sql.h"

/* pipeline.c: when the client connects, continues and rests */
extern void dgen__pipeline_step(dgen_client *client);
extern int64_t dgen__pipeline_deadline(const dgen__async *async);
extern void dgen__pipeline_leave(dgen_client *client); /* for functions of one round trip */
extern void dgen__pipeline_disconnect(dgen_client *client);
extern int dgen__pipeline_backoff_ms(dgen__async *async);
extern void dgen__pipeline_end_all(dgen_client *client, const dgen__error *why);

/* What a pending result belongs to. */
typedef enum dgen__came
{
	DGEN__CAME_VERSION,
	DGEN__CAME_AWAIT,
	DGEN__CAME_AWAIT_SYNC,
	DGEN__CAME_SEND,
	DGEN__CAME_SEND_SYNC, /* what was sent is committed */
	DGEN__CAME_EXPLAIN,
	DGEN__CAME_EXPLAIN_SYNC,
	DGEN__CAME_SYNC
} dgen__came;

/* pipeline_send.c: what is sent. An error is that of the connection, but for expect's, before anything is sent. */
extern int dgen__pipeline_expect(dgen_client *client, dgen__came answer, dgen__came sync);
extern int dgen__pipeline_section(dgen_client *client, const dgen__statement *statement,
								  const char *const *values, const int *lengths,
								  const int *formats);
extern int dgen__pipeline_send(dgen_client *client); /* whatever there is to send now */

/* pipeline_answer.c: what has come; an error: the connection is lost, or of no use */
extern int dgen__pipeline_take(dgen_client *client);
extern int dgen__pipeline_lost(dgen_client *client); /* sets the error */

/* pipeline_explain.c: why a call has no reply in time */
extern bool dgen__explain_begin(dgen_client *client, dgen__operation *call, int64_t now);
extern bool dgen__explain_is_due(const dgen__async *async);
extern int dgen__explain_send(dgen_client *client);
extern void dgen__explain_came(dgen_client *client, PGresult *result); /* keeps async->reason */
extern int dgen__explain_synced(dgen_client *client);

#endif /* DGEN_CLIENT_PIPELINE_H */
