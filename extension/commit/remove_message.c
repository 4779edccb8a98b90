/*
 * Removing a handled message from the place where the claim found it.
 *
 * A claim that has written nothing holds no snapshot until it commits. If an operator removes the
 * row by hand in the meantime, a VACUUM frees its place, and another message might be there:
 *
 *     worker   claims ─────────────────────────────────────────── commits: whose row is this?
 *     others          DELETE ── VACUUM frees the place ── a sender's message takes it
 *
 * So there must be a row at the place, and after its removal dgen checks that it was the message:
 * if not, the error undoes the removal. Neither check needs a lock. The pin keeps a row where it
 * is, because pruning waits until no other session has a pin; and a row that this transaction has
 * removed stays as it is. VACUUM does not cut off the page, because the table has been locked since
 * the claim.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "storage/buf.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "actor/batch.h"
#include "base/errors.h"
#include "commit/commit.h"
#include "table/columns.h"
#include "version/access.h"
#include "write/writer.h"

StaticAssertDecl(MESSAGE_MAILBOX == 0 && MESSAGE_SEQ == 1, "seq is behind the mailbox");

/* The first two columns are always there, and have eight bytes each. */
static int64
seq_of(Page page, ItemId item)
{
	const HeapTupleHeader row = (HeapTupleHeader) PageGetItem(page, item);
	int64 seq;

	memcpy(&seq, (const char *) row + row->t_hoff + sizeof(int64), sizeof(seq));
	return seq;
}

/* Most often it is in the buffer in which the claim has found it: that saves looking for it. */
static Buffer
pin_page(Relation heap, const BatchMessage *message, Buffer before)
{
	BlockNumber block = ItemPointerGetBlockNumber(&message->tid);

	if (BufferIsValid(before))
		return ReleaseAndReadBuffer(before, heap, block);
	if (BufferIsValid(message->buffer) && DGEN_READ_RECENT_BUFFER(heap, block, message->buffer))
		return message->buffer;
	return ReadBuffer(heap, block);
}

/* False: it was removed, and nothing or another row is there. */
static bool
remove_row(Relation heap, const BatchMessage *message, Buffer *buffer)
{
	OffsetNumber offset = ItemPointerGetOffsetNumber(&message->tid);
	ItemPointerData tid = message->tid;
	ItemId item;
	Page page;

	*buffer = pin_page(heap, message, *buffer);
	page = BufferGetPage(*buffer);
	if (offset > PageGetMaxOffsetNumber(page))
		return false;
	item = PageGetItemId(page, offset);
	return ItemIdIsNormal(item) && dgen_delete_row(heap, &tid) &&
		   seq_of(page, PageGetItemId(page, offset)) == message->seq;
}

void
dgen_delete_message(Relation heap, const BatchMessage *message, Buffer *buffer)
{
	if (!remove_row(heap, message, buffer))
		ereport(ERROR,
				(errcode(DGEN_ERR_NOT_OWNED),
				 errmsg("message " INT64_FORMAT " was removed during its turn", message->id),
				 errhint("Roll back and claim again. Remove messages only with dgen.cancel.")));
}
