/*
 * Suspects: a message that takes its worker along is charged with the attempt, and nobody
 * else is, however often workers are killed meanwhile (H8); it becomes a dead letter, and
 * all others are handled (I4, I11).
 *
 * Follows extension/suspect.c, claim.c and failure.c. Three actors with a message each:
 * that of actor 0 ends every session that runs it. FEW are two here, sixteen in the code.
 * A session that ended is followed by another one at once.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef KILLS
#define KILLS 0 /* of workers that did nothing wrong */
#endif
#ifndef FORGETS
#define FORGETS 0 /* memos lost to another mailbox */
#endif
#ifndef POISON
#define POISON 1 /* 0: nobody ends a session but who kills it */
#endif
#ifndef MAX_ATTEMPTS
#define MAX_ATTEMPTS 2
#endif

#define ACTORS 3
#define FREE 0
#define ME (_pid + 1)
#define actor(i) (1 << (i))
#define is_poison(i) (POISON && (i) == 0)
#define size_of(set) (((set) & 1) + ((set) >> 1 & 1) + ((set) >> 2 & 1))

/* levels */
#define NONE 0
#define FEW 1
#define ALONE 2

/* Named in assertions, so that test/model/run sees which of them failed; always 0. */
hidden byte H8_charged_alone, H8_kill_buries_nobody, I4_all_handled;

byte mailbox = (1 << ACTORS) - 1; /* actors with a message */
byte dead;                        /* with a dead letter */
byte owner[ACTORS];
byte level[ACTORS];
byte attempts[ACTORS];
byte charges; /* not recorded yet */

byte kills = KILLS, forgets = FORGETS;

/* ---- claim.c ---- */

#ifdef SUSPECTS_MIXED
#define fits true
#else
#define fits (batch == 0 || seen == batch_level)
#endif
#define limit (batch == 0 || batch_level == NONE -> ACTORS : (batch_level == FEW -> 2 : 1))

/* The level is looked at before the lock is tried: it may rise in between. */
inline try_own(i)
{
	seen = level[i];
	if
	:: fits && size_of(batch) < limit ->
		atomic {
			if
			:: owner[i] == FREE ->
				owner[i] = ME;
				if
				:: batch == 0 -> batch_level = seen
				:: else
				fi;
				batch = batch | actor(i);
				if
				:: !(mailbox & actor(i)) -> owner[i] = FREE; batch = batch & ~actor(i)
				:: else
				fi
			:: else
			fi
		}
	:: !(fits && size_of(batch) < limit)
	fi;
	seen = 0;
	tried = tried | actor(i)
}

/* Whose worker is gone was charged by the server; the next claim writes it down. */
inline record_charge(i)
{
	if
	:: owner[i] == FREE && (mailbox & actor(i)) ->
		attempts[i]++;
		if
		:: attempts[i] >= MAX_ATTEMPTS ->
			mailbox = mailbox & ~actor(i);
			dead = dead | actor(i);
			level[i] = NONE;
			assert(H8_kill_buries_nobody || is_poison(i))
		:: else
		fi
	:: else
	fi;
	charges = charges & ~actor(i)
}

/* ---- suspect.c: while the session that ends still has its locks ---- */

#ifdef H8
#define is_charged(i) true
#else
#ifdef CHARGED_BY_LEVEL
#define is_charged(i) (level[i] == ALONE)
#else
#define is_charged(i) (level[i] == ALONE && batch == actor(i))
#endif
#endif

inline suspect(i)
{
	if
	:: batch & actor(i) ->
		if
		:: is_charged(i) ->
			assert(H8_charged_alone || batch == actor(i));
			charges = charges | actor(i)
		:: else
		fi;
		level[i] = (level[i] == ALONE -> ALONE : level[i] + 1)
	:: else
	fi
}

inline release(i)
{
	if
	:: batch & actor(i) -> owner[i] = FREE
	:: else
	fi
}

inline handle(i)
{
	if
	:: batch & actor(i) -> mailbox = mailbox & ~actor(i); level[i] = NONE
	:: else
	fi
}

active [WORKERS] proctype Worker()
{
	byte batch, batch_level, seen, tried;

end_claim:
	if
	:: atomic { charges & 1 -> record_charge(0) }
	:: atomic { charges & 2 -> record_charge(1) }
	:: atomic { charges & 4 -> record_charge(2) }
	:: !charges && ((mailbox & 1 && owner[0] == FREE) || (mailbox & 2 && owner[1] == FREE) ||
					(mailbox & 4 && owner[2] == FREE)) -> goto own
	fi;
	goto end_claim;

own:
	/* In any order; a suspect that did not fit is what the next claim begins with. */
	if
	:: !(tried & 1) -> try_own(0); goto own
	:: !(tried & 2) -> try_own(1); goto own
	:: !(tried & 4) -> try_own(2); goto own
	:: tried == 7 || batch -> tried = 0
	fi;
	if
	:: batch == 0 -> goto end_claim
	:: else
	fi;

	/* The turns. */
	if
	:: is_poison(0) && (batch & 1) -> goto ends
	:: !(is_poison(0) && (batch & 1)) -> goto commit
#if KILLS > 0
	:: atomic { kills > 0 -> kills--; goto ends }
#endif
	fi;

commit:
	atomic { handle(0); handle(1); handle(2); release(0); release(1); release(2); batch = 0; batch_level = 0 };
	goto end_claim;
ends:
	atomic { suspect(0); suspect(1); suspect(2) };
	atomic { release(0); release(1); release(2); batch = 0; batch_level = 0 };
	goto end_claim
}

#if FORGETS > 0
active proctype Memory()
{
	do
	:: atomic { forgets > 0 -> forgets--; level[0] = NONE }
	:: atomic { forgets > 0 -> forgets--; level[1] = NONE }
	:: true -> break
	od
}
#endif

active proctype Quiet()
{
	timeout;
	assert(I4_all_handled || mailbox == 0);
	assert(I4_all_handled || dead == POISON)
}
