/*
 * Notes whether this transaction might have called a function that leaves something in the session.
 */
#ifndef DGEN_TURN_NOTED_H
#define DGEN_TURN_NOTED_H

#include "postgres.h"

typedef enum NotedKind
{
	NOTED_SESSION_LOCKS,
	NOTED_LARGE_OBJECTS,
	NOTED_KINDS
} NotedKind;

extern void dgen_noted_init(void);
extern bool dgen_is_noted(NotedKind kind);
/* How often an expression with a function for locks of the session was prepared. */
extern uint64 dgen_session_locks_prepared(void);
/* The turn evaluates an expression with such a function that was prepared earlier. */
extern void dgen_note_session_locks(void);

#endif /* DGEN_TURN_NOTED_H */
