/*
 * Limits how many messages can wait for an actor (max_waiting). Needs a transaction that can write.
 */
#ifndef DGEN_SEND_ROOM_H
#define DGEN_SEND_ROOM_H

#include "postgres.h"

#include "utils/hsearch.h"

struct Send;

/* Raises DGEN_ERR_MAILBOX_FULL unless one more message can wait. */
extern void dgen_check_room(const struct Send *send);

/* The same for many messages, some of which might not be in the table yet. *rooms starts as NULL. */
typedef struct HTAB *Rooms;
extern void dgen_take_room(Rooms *rooms, const struct Send *send);

#endif /* DGEN_SEND_ROOM_H */
