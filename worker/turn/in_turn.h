/*
 * A turn from the inside, for the functions that callbacks use: turn_message.c (what came),
 * turn_state.c (entries) and turn_send.c (what goes out).
 */
#ifndef DGEN_TURN_IN_TURN_H
#define DGEN_TURN_IN_TURN_H

#include "dgen.h"

#include "base/error.h"
#include "base/memory.h"
#include "turn/outbox.h"
#include "turn/state.h"
#include "turn/turn.h"

/* A text that lives as long as the turn. */
typedef struct dgen__turn_text
{
	struct dgen__turn_text *next;
	char text[];
} dgen__turn_text;

struct dgen_turn
{
	const dgen_actor_type *type;
	const char *key;
	int64_t version;
	int actor;
	dgen__state *state;
	dgen__outbox *outbox;
	const dgen__message *message;
	const dgen__connector *connector;
	PGconn *connection; /* NULL: not asked for */

	int stuck; /* code of the first error; 0: none */
	dgen__error
		error; /* of that error, or of dgen_turn_fail or raise, which come later and count more */
	dgen__outcome ending; /* not DGEN__COMMIT once the callback chose it */
	int64_t delay_ms;
	bool answered; /* a reply was made, dropped or not */
	bool destroyed;
	bool locks;

	dgen__buffer whole;   /* what dgen_turn_state returned; empty after a change */
	dgen__buffer scratch; /* JSON of a number or string on its way */
	dgen__turn_text *texts;
};

/* 0 if the turn can continue; DGEN_EINVAL for NULL, else the error that stuck. */
extern int dgen__turn_ready(const dgen_turn *turn);
/* The same, and DGEN_ESTATE for an action. */
extern int dgen__turn_has_state(dgen_turn *turn);
/* Is it a locked part? */
extern bool dgen__turn_is_locked(const dgen_turn *turn);

/* Makes the code of a failed call stick; turn->error can have its text already. Returns it; 0 for 0. */
extern int dgen__turn_stick(dgen_turn *turn, int code);
/* What a callback gives as an error; NULL: an unspecified one. */
extern const char *dgen__turn_error_text(const char *error);
/* The SQLSTATE if it is one, otherwise another. */
extern const char *dgen__turn_sqlstate(const char *sqlstate, const char *otherwise);
/* Put a value into turn->scratch as JSON. What cannot be JSON is an error that sticks. */
extern int dgen__turn_write_double(dgen_turn *turn, double number);
extern int dgen__turn_write_string(dgen_turn *turn, const char *text);
/*
 * Typed readings of what a name stands for, in the message or in the state. What is not of
 * the type is an error that sticks.
 */
typedef struct dgen__source
{
	const char *what; /* of errors: "message" or "entry" */
	/* False: absent, or an error that sticks. */
	bool (*find)(dgen_turn *turn, const char *name, dgen_json *value);
} dgen__source;
extern int64_t dgen__turn_int64(dgen_turn *turn, const dgen__source *source, const char *name,
								int64_t absent);
extern double dgen__turn_double(dgen_turn *turn, const dgen__source *source, const char *name,
								double absent);
extern bool dgen__turn_bool(dgen_turn *turn, const dgen__source *source, const char *name,
							bool absent);
extern const char *dgen__turn_string(dgen_turn *turn, const dgen__source *source, const char *name,
									 const char *absent);

#endif /* DGEN_TURN_IN_TURN_H */
