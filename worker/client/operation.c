/*
 * Operations of a client that are in progress: their queues, and how they end. Each gets its
 * callback once.
 */
#include "base/error.h"
#include "base/memory.h"
#include "client/client.h"
#include "client/operation.h"
#include "client/pipeline.h"
#include "server/loop.h"
#include "server/send.h"

/* Connections that can be lost while one operation is sent. */
#define MOST_DOUBTS 5

/* ---- queues ---- */

void
dgen__queue_add(dgen__queue *queue, dgen__operation *operation)
{
	operation->next = NULL;
	operation->previous = queue->last;
	if (queue->last != NULL)
		queue->last->next = operation;
	else
		queue->first = operation;
	queue->last = operation;
	queue->count++;
}

void
dgen__queue_put_back(dgen__queue *queue, dgen__operation *operation)
{
	operation->previous = NULL;
	operation->next = queue->first;
	if (queue->first != NULL)
		queue->first->previous = operation;
	else
		queue->last = operation;
	queue->first = operation;
	queue->count++;
}

void
dgen__queue_remove(dgen__queue *queue, dgen__operation *operation)
{
	if (operation->previous != NULL)
		operation->previous->next = operation->next;
	else
		queue->first = operation->next;
	if (operation->next != NULL)
		operation->next->previous = operation->previous;
	else
		queue->last = operation->previous;
	queue->count--;
}

/* ---- ending ---- */

void
dgen__operation_free(dgen_client *client, dgen__operation *operation)
{
	client->async->bytes -= operation->bytes;
	client->async->calls -= operation->send.request;
	dgen__send_free(&operation->send);
	dgen__free(operation);
}

/* The first error that no callback gets. */
static void
keep_failure(dgen_client *client)
{
	if (client->error.code != 0 && client->async->failure.code == 0)
		(void) dgen__fail_error(&client->async->failure, &client->error);
}

/*
 * One that waits is taken out of its queue and freed; others are over, and freed when
 * the step that goes through them has come to them.
 */
void
dgen__operation_end(dgen_client *client, dgen__operation *operation, const char *reply,
					size_t length)
{
	dgen__async *async = client->async;
	dgen_client_callback callback = operation->callback;
	void *user = operation->user;

	dgen__timeouts_remove(&async->timeouts, operation);
	operation->over = true;
	async->under_way--;
	if (async->explained == operation)
		async->explained = NULL;
	if (operation->place == DGEN__OPEN)
		async->any_over = true;
	else if (operation->place == DGEN__WAITING)
	{
		dgen__queue_remove(&async->waiting, operation);
		dgen__operation_free(client, operation);
	}
	if (callback != NULL)
		callback(client, client->error.code, reply, length, user);
	else
		keep_failure(client);
}

static void
end_with(dgen_client *client, dgen__operation *operation, const dgen__error *why)
{
	(void) dgen__fail_error(&client->error, why);
	dgen__operation_end(client, operation, NULL, 0);
}

/* Why one that waits ends; the outcome of one that might have been sent is unknown. */
static void
end_waiting(dgen_client *client, dgen__operation *operation, const dgen__error *why)
{
	if (operation->doubts == 0)
		(void) dgen__fail_error(&client->error, why);
	else
		(void) dgen__fail_doubtful(&client->error, DGEN__DOUBT_SENT, why);
	dgen__operation_end(client, operation, NULL, 0);
}

/* Those that callbacks start in the meantime stay. */
void
dgen__operations_end_all(dgen_client *client, const dgen__error *why)
{
	dgen__async *async = client->async;

	for (size_t left = async->waiting.count; left > 0; left--)
		end_waiting(client, async->waiting.first, why);
	for (size_t i = 0; i < async->nopen; i++)
		if (!async->open[i]->over)
			end_with(client, async->open[i], why);
}

/* Without a reason. */
void
dgen__operation_time_out(dgen_client *client, dgen__operation *operation)
{
	if (operation->place == DGEN__WAITING && operation->doubts == 0)
		(void) dgen__fail(&client->error, DGEN_ETIMEOUT,
						  "could not send the message before the timeout; it will not be sent");
	else
		(void) dgen__fail_hint(&client->error, DGEN_ETIMEOUT,
							   "The request is still open. Give it more time.", "no reply in time");
	dgen__operation_end(client, operation, NULL, 0);
}

void
dgen__operations_expire(dgen_client *client)
{
	int64_t now = dgen__now_ms();
	dgen__operation *first;

	while ((first = dgen__timeouts_first(&client->async->timeouts)) != NULL &&
		   first->deadline <= now)
		if (!dgen__explain_begin(client, first, now))
			dgen__operation_time_out(client, first);
}

/* Those that are over go. */
void
dgen__operations_sweep(dgen_client *client)
{
	dgen__async *async = client->async;
	size_t kept = 0;

	if (!async->any_over)
		return;
	for (size_t i = 0; i < async->nopen; i++)
		if (async->open[i]->over)
			dgen__operation_free(client, async->open[i]);
		else
			async->open[kept++] = async->open[i];
	async->nopen = kept;
	async->any_over = false;
}

/*
 * Their outcome is unknown. Those with an idempotency key are sent again, before what waits. But
 * not without limit: one of them might be what ends the connection.
 */
static void
send_again(dgen__async *async)
{
	dgen__operation *previous;

	for (dgen__operation *sent = async->sent.last; sent != NULL; sent = previous)
	{
		previous = sent->previous;
		if (sent->over || sent->send.idempotency_key == NULL || ++sent->doubts > MOST_DOUBTS)
			continue;
		dgen__queue_remove(&async->sent, sent);
		dgen__queue_put_back(&async->waiting, sent);
		sent->place = DGEN__WAITING;
	}
}

void
dgen__operations_lost(dgen_client *client, const dgen__error *why)
{
	dgen__error error = {0};

	send_again(client->async);
	(void) dgen__fail_doubtful(&error, DGEN__DOUBT_SENT, why);
	dgen__operations_end_sent(client, &error);
	dgen__error_free(&error);
}

/*
 * One of them, it is not known which, made the statement fail before the server could tell them
 * apart: they are sent again, in their order and before what waits, in statements of half as many.
 */
void
dgen__operations_send_apart(dgen_client *client)
{
	dgen__async *async = client->async;
	dgen__operation *previous;

	async->most = async->sent.count / 2;
	for (dgen__operation *sent = async->sent.last; sent != NULL; sent = previous)
	{
		previous = sent->previous;
		dgen__queue_remove(&async->sent, sent);
		if (sent->over)
			dgen__operation_free(client, sent);
		else
		{
			dgen__queue_put_back(&async->waiting, sent);
			sent->place = DGEN__WAITING;
		}
	}
}

/* A callback can change client->error, so `why` is elsewhere. */
void
dgen__operations_end_sent(dgen_client *client, const dgen__error *why)
{
	dgen__async *async = client->async;
	dgen__operation *sent;

	while ((sent = async->sent.first) != NULL)
	{
		if (!sent->over)
		{
			(void) dgen__fail_error(&client->error, why);
			dgen__operation_end(client, sent, NULL, 0);
		}
		dgen__queue_remove(&async->sent, sent);
		dgen__operation_free(client, sent);
	}
}
