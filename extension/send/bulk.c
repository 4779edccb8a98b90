/*
 * Sends many messages together. Their rows are inserted into the tables many at a time, which saves WAL
 * and page locks. The order of the rows in the tables does not matter.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/memutils.h"

#include "actor/actor_type.h"
#include "actor/key.h"
#include "send/bulk.h"
#include "send/request.h"
#include "send/room.h"
#include "send/send.h"
#include "table/table.h"
#include "wake/wake.h"
#include "write/rows.h"

void
dgen_bulk_begin(Bulk *bulk)
{
	memset(bulk, 0, sizeof(*bulk));
	bulk->context = CurrentMemoryContext;
	bulk->chunk = AllocSetContextCreate(CurrentMemoryContext, "dgen bulk", ALLOCSET_DEFAULT_SIZES);
	bulk->messages.table = TABLE_MESSAGE;
	bulk->requests.table = TABLE_REQUEST;
}

void
dgen_bulk_flush(Bulk *bulk)
{
	MemoryContextSwitchTo(bulk->chunk);
	dgen_rows_flush(&bulk->messages);
	dgen_rows_flush(&bulk->requests);
	MemoryContextSwitchTo(bulk->context);
	MemoryContextReset(bulk->chunk);
}

static void
add_row(Bulk *bulk, DgenRows *rows)
{
	dgen_rows_add(rows);
	if (rows->count == DGEN_ROWS)
		dgen_bulk_flush(bulk);
}

void
dgen_bulk_end(Bulk *bulk)
{
	dgen_bulk_flush(bulk);
	dgen_rows_close(&bulk->messages);
	dgen_rows_close(&bulk->requests);
	MemoryContextDelete(bulk->chunk);
}

/* A delayed message is inserted alone. */
void
dgen_bulk_message(Bulk *bulk, const Send *send)
{
	int64 mailbox;
	TupleTableSlot *slot;

	if (send->type->max_waiting > 0)
		dgen_take_room(&bulk->rooms, send);
	if (send->not_before != 0)
	{
		(void) dgen_send(send);
		return;
	}
	mailbox = dgen_mailbox_of(send->key);
	slot = dgen_rows_next(&bulk->messages);
	MemoryContextSwitchTo(bulk->chunk);
	dgen_message_row(send, mailbox, send->seq, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(bulk->context);
	add_row(bulk, &bulk->messages);
	dgen_wakeup_sent(send->type->id, mailbox);
}

void
dgen_bulk_request(Bulk *bulk, const Send *send, const ReplyTo *reply_to, text *correlation,
				  bool keep)
{
	TupleTableSlot *slot = dgen_rows_next(&bulk->requests);

	dgen_request_row(send, send->seq, reply_to, correlation, keep, slot->tts_values,
					 slot->tts_isnull);
	add_row(bulk, &bulk->requests);
}
