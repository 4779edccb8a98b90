/*
 * Removing a message that was handled, from the place where its claim has found it.
 *
 * A claim that has written nothing holds no snapshot until it commits. If somebody removes the row
 * by hand meanwhile, a VACUUM frees its place, and another message may be there:
 *
 *     worker   claims ─────────────────────────────────────────── commits: whose row is this?
 *     others          DELETE ── VACUUM frees the place ── a sender's message takes it
 *
 * So the row at the place has to be the message. The pin on its page keeps it there until it is
 * removed: pruning waits until nobody else has one. And VACUUM does not cut off the page, as the table
 * has been locked since the claim.
 */
#include "dgen_ext.h"
#include "table.h"

#include "access/htup_details.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

static bool
is_on_page(Relation heap, Page page, const BatchMessage *message)
{
	OffsetNumber offset = ItemPointerGetOffsetNumber(&message->tid);
	HeapTupleData row;
	ItemId item;
	bool isnull;

	if (offset > PageGetMaxOffsetNumber(page))
		return false;
	item = PageGetItemId(page, offset);
	if (!ItemIdIsNormal(item))
		return false;
	row.t_data = (HeapTupleHeader) PageGetItem(page, item);
	row.t_len = ItemIdGetLength(item);
	row.t_self = message->tid;
	row.t_tableOid = RelationGetRelid(heap);
	return DatumGetInt64(heap_getattr(&row, MESSAGE_SEQ + 1, RelationGetDescr(heap), &isnull)) ==
		   message->seq;
}

/* Alive or not: the removal finds that out. */
static bool
is_at_its_place(Relation heap, const BatchMessage *message, Buffer *buffer)
{
	bool found;

	*buffer = ReleaseAndReadBuffer(*buffer, heap, ItemPointerGetBlockNumber(&message->tid));
	LockBuffer(*buffer, BUFFER_LOCK_SHARE);
	found = is_on_page(heap, BufferGetPage(*buffer), message);
	LockBuffer(*buffer, BUFFER_LOCK_UNLOCK);
	return found;
}

void
dgen_delete_message(Relation heap, const BatchMessage *message, Buffer *buffer)
{
	ItemPointerData tid = message->tid;

	if (!is_at_its_place(heap, message, buffer) || !dgen_delete_row(heap, &tid))
		ereport(ERROR,
				(errcode(DGEN_ERR_NOT_OWNED),
				 errmsg("message " INT64_FORMAT " was removed while it was handled", message->id),
				 errhint("Remove messages only with dgen.cancel. Roll back and claim again.")));
}
