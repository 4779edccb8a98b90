/*
 * Limits the messages that wait for one actor (max_waiting of its type). A sender counts the messages
 * that it sees. It neither waits nor leaves a counter for others (H5). Concurrent senders do not see each
 * other, so the limit can be exceeded by as many messages as there are senders.
 *
 * Only messages that a role sends are refused. A reply, a message that has become due and one that is
 * sent again (dgen.redrive) are always accepted, because they must not be lost (I4). They count.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "actor/actor_type.h"
#include "actor/key.h"
#include "base/errors.h"
#include "send/room.h"
#include "send/send.h"
#include "table/columns.h"
#include "table/scan.h"
#include "table/table.h"

/* At least so many dead rows are skipped, however low the limit. */
#define LEAST_DEAD_ROWS 100

#define FIRST_ROOMS 64

/* Two keys of one mailbox share its room. Delayed messages have a separate room. */
typedef struct RoomKey
{
	int64 mailbox;
	int32 type_id;
	int32 delayed;
} RoomKey;

typedef struct Room
{
	RoomKey key;
	int left;
} Room;

static RoomKey
key_of(const Send *send)
{
	return (RoomKey){
		.mailbox = dgen_mailbox_of(send->key),
		.type_id = send->type->id,
		.delayed = send->not_before > GetCurrentTimestamp(),
	};
}

/*
 * Counts the rows that exist now, in every isolation level, including those that this command has sent.
 * Counts from the end, where the waiting messages are. Before them there can be any number of dead rows
 * that an old snapshot keeps (H6), so it stops after as many dead rows as messages can wait.
 */
static int
room_left(const RoomKey *key, int max)
{
	ScanKeyData keys[2];
	DgenScan scan;
	int waiting;

	if (key->delayed)
		dgen_table_lock(TABLE_DELAYED_MESSAGE, RowExclusiveLock);
	dgen_key_int4(&keys[0], ORDER_TYPE_ID, BTEqualStrategyNumber, key->type_id);
	dgen_key_int8(&keys[1], ORDER_MAILBOX, BTEqualStrategyNumber, key->mailbox);
	dgen_scan_begin(&scan, key->delayed ? TABLE_DELAYED_MESSAGE : TABLE_MESSAGE, INDEX_PRIMARY,
					SnapshotSelf, 2);
	dgen_scan_seek(&scan, keys, 2);
	waiting = dgen_scan_count_back(&scan, max, Max(max, LEAST_DEAD_ROWS));
	dgen_scan_end(&scan);
	return max - waiting;
}

static void
refuse(const Send *send, const RoomKey *key)
{
	ereport(
		ERROR,
		(errcode(DGEN_ERR_MAILBOX_FULL),
		 errmsg("mailbox of actor \"%s\" of type \"%s\" is full", text_to_cstring(send->key),
				send->type->name),
		 key->delayed
			 ? errdetail("The max_waiting of its type is %d, and so many messages are delayed.",
						 send->type->max_waiting)
			 : errdetail("The max_waiting of its type is %d, and so many messages wait.",
						 send->type->max_waiting),
		 errhint(
			 "Send again when the actor has handled some of them. To see whether it does, use dgen.explain_actor.")));
}

void
dgen_check_room(const Send *send)
{
	RoomKey key = key_of(send);

	if (room_left(&key, send->type->max_waiting) <= 0)
		refuse(send, &key);
}

static HTAB *
make_rooms(void)
{
	HASHCTL control = {
		.keysize = sizeof(RoomKey),
		.entrysize = sizeof(Room),
		.hcxt = CurrentMemoryContext,
	};

	return hash_create("dgen rooms", FIRST_ROOMS, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void
dgen_take_room(Rooms *rooms, const Send *send)
{
	RoomKey key = key_of(send);
	Room *room;
	bool found;

	if (*rooms == NULL)
		*rooms = make_rooms();
	room = hash_search(*rooms, &key, HASH_ENTER, &found);
	if (!found)
		room->left = room_left(&key, send->type->max_waiting);
	if (room->left <= 0)
		refuse(send, &key);
	room->left--;
}
