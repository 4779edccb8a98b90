/*
 * Writes the rows of many messages that are sent together. Needs a transaction that can write.
 */
#ifndef DGEN_SEND_BULK_H
#define DGEN_SEND_BULK_H

#include "postgres.h"

#include "send/room.h"
#include "write/rows.h"

struct ReplyTo;
struct Send;

typedef struct Bulk
{
	MemoryContext context; /* of the Bulk */
	MemoryContext chunk;   /* of the values of the rows */
	DgenRows messages;
	DgenRows requests;
	Rooms rooms;
} Bulk;

/*
 * The messages have their seqs (dgen_number_send). Memory to which they and their requests point must
 * stay valid until the end. A request comes after its message.
 */
extern void dgen_bulk_begin(Bulk *bulk);
extern void dgen_bulk_message(Bulk *bulk, const struct Send *send);
extern void dgen_bulk_request(Bulk *bulk, const struct Send *send, const struct ReplyTo *reply_to,
							  text *correlation, bool keep);
extern void dgen_bulk_flush(Bulk *bulk); /* writes the rows so far */
extern void dgen_bulk_end(Bulk *bulk);

#endif /* DGEN_SEND_BULK_H */
