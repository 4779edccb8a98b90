/*
 * Suspects: a message that takes its worker along is charged with the attempt, and nobody
 * else is, however often workers are killed meanwhile (H8); it becomes a dead letter, and
 * all others are handled (I4, I11).
 *
 * Follows extension/claim/suspect.c, charges.c, claim.c and failure.c. Three actors with a message each:
 * those of the first POISON actors end every session that runs them. FEW are two here, sixteen in the
 * code. A session that ended is followed by another one at once.
 *
 * The transaction of a claim records what it has taken of the charges, and owns those actors until it
 * ends. If it is rolled back, also by a turn that ends its session, the charges are put back before
 * its locks are free. Nobody claims what he has recorded himself: it backs off.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef KILLS
#define KILLS 0 /* of clients that did nothing wrong: the server ends their sessions */
#endif
#ifndef TERMINATES
#define TERMINATES 0 /* by SIGTERM: a shutdown, pg_terminate_backend */
#endif
#ifndef ROLLBACKS
#define ROLLBACKS 0 /* of transactions whose session goes on */
#endif
#ifndef FORGETS
#define FORGETS 0 /* memos lost to another mailbox */
#endif
#ifndef POISON
#define POISON 1 /* so many; 0: nobody ends a session but who kills it */
#endif
#ifndef MAX_ATTEMPTS
#define MAX_ATTEMPTS 2
#endif

#define ACTORS 3
#define FREE 0
#define ME (_pid + 1)
#define actor(i) (1 << (i))
#define is_poison(i) ((i) < POISON)
#define poisons ((1 << POISON) - 1)
#define size_of(set) (((set) & 1) + ((set) >> 1 & 1) + ((set) >> 2 & 1))

/* levels */
#define NONE 0
#define FEW 1
#define ALONE 2

/* Named in assertions, so that test/model/run sees which of them failed; always 0. */
hidden byte H8_charged_alone, H8_kill_buries_nobody, H8_ends_so_many, I4_all_handled;

byte mailbox = (1 << ACTORS) - 1; /* actors with a message */
byte dead;                        /* with a dead letter */
byte owner[ACTORS];
byte level[ACTORS];
byte attempts[ACTORS];
byte charges[ACTORS]; /* not taken by a transaction that records them, MOST_CHARGES at most */
byte ended[ACTORS];   /* so many sessions, alone */

#define MOST_CHARGES 3

byte kills = KILLS, terminates = TERMINATES, rollbacks = ROLLBACKS, forgets = FORGETS;

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

/* ---- charges.c ---- */

/* Whose actor is owned is left to another claim; what is no longer there is forgotten. */
inline take_charge(i)
{
	if
	:: charges[i] > 0 && owner[i] == FREE ->
		if
		:: mailbox & actor(i) -> owner[i] = ME; taken[i] = charges[i]
		:: else
		fi;
		charges[i] = 0
	:: else
	fi
}

/* The transaction commits. */
inline count_attempts(i)
{
	if
	:: taken[i] > 0 ->
		attempts[i] = attempts[i] + taken[i];
		taken[i] = 0;
		if
		:: attempts[i] >= MAX_ATTEMPTS ->
			mailbox = mailbox & ~actor(i);
			dead = dead | actor(i);
			level[i] = NONE;
			assert(H8_kill_buries_nobody || is_poison(i))
		:: else
		fi;
		owner[i] = FREE
	:: else
	fi
}

inline add_charges(i, n)
{
	charges[i] = (charges[i] + (n) > MOST_CHARGES -> MOST_CHARGES : charges[i] + (n))
}

/* It is rolled back. */
inline put_back(i)
{
	if
	:: taken[i] > 0 ->
#ifndef CHARGE_LOST
		add_charges(i, taken[i]);
#endif
		taken[i] = 0;
		owner[i] = FREE
	:: else
	fi
}

/* ---- suspect.c: while the session that ends still has its locks ---- */

#ifdef H8
#define is_charged(i, blame) true
#elif defined(CHARGED_BY_LEVEL)
#define is_charged(i, blame) (level[i] == ALONE)
#elif defined(TERMINATED_COUNTS)
#define is_charged(i, blame) (level[i] == ALONE && batch == actor(i))
#else
#define is_charged(i, blame) (level[i] == ALONE && batch == actor(i) && blame)
#endif

inline suspect(i, blame)
{
	if
	:: batch & actor(i) ->
		if
		:: is_charged(i, blame) ->
			assert(H8_charged_alone || batch == actor(i));
			add_charges(i, 1);
			ended[i] = (ended[i] > MAX_ATTEMPTS -> ended[i] : ended[i] + 1);
			assert(H8_ends_so_many || WORKERS > 1 || ended[i] <= MAX_ATTEMPTS)
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

inline release_all()
{
	release(0);
	release(1);
	release(2);
	batch = 0;
	batch_level = 0
}

active [WORKERS] proctype Worker()
{
	byte batch, batch_level, seen, tried, taken[ACTORS];

end_claim:
	atomic {
		(charges[0] && owner[0] == FREE) || (charges[1] && owner[1] == FREE) || (charges[2] && owner[2] == FREE) ||
			(mailbox & 1 && owner[0] == FREE) || (mailbox & 2 && owner[1] == FREE) || (mailbox & 4 && owner[2] == FREE);
		take_charge(0);
		take_charge(1);
		take_charge(2)
	};

own:
	/* In any order; a suspect that did not fit is what the next claim begins with. */
	if
	:: !(tried & 1) -> try_own(0); goto own
	:: !(tried & 2) -> try_own(1); goto own
	:: !(tried & 4) -> try_own(2); goto own
	:: tried == 7 || batch || taken[0] || taken[1] || taken[2] -> tried = 0
	fi;

	/* The turns. */
	if
	:: batch & poisons -> goto ends
	:: !(batch & poisons) -> goto commit
#if KILLS > 0
	:: atomic { batch && kills > 0 -> kills--; goto ends }
#endif
#if TERMINATES > 0
	:: atomic { batch && terminates > 0 -> terminates--; goto terminated }
#endif
#if ROLLBACKS > 0
	:: atomic { rollbacks > 0 -> rollbacks--; goto undone }
#endif
	fi;

commit:
	atomic {
		count_attempts(0);
		count_attempts(1);
		count_attempts(2);
		handle(0);
		handle(1);
		handle(2);
		release_all()
	};
	goto end_claim;
#if TERMINATES > 0
terminated:
	atomic { suspect(0, false); suspect(1, false); suspect(2, false) };
	goto undone;
#endif
ends:
	atomic { suspect(0, true); suspect(1, true); suspect(2, true) };
undone:
	atomic { put_back(0); put_back(1); put_back(2); release_all() };
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
	assert(I4_all_handled || dead == poisons)
}
