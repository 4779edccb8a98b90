/*
 * Locked actors: a part that runs outside of turns, by one live session at a time (I1),
 * is run again when that dies (I7), commits only while it is the latest (I8), and loses
 * nothing that turns of a higher priority did meanwhile (I2, I4).
 *
 * Follows extension/commit/locked.c, locked_part.c, locked_due.c and locked_look.c for one actor.
 *
 *     turn ──locks──> row of dgen.locked ──look──> fence, session lock ──> part ──> commit
 *                         ^                              │
 *                         └── session died, timed out ───┘
 *
 * The state has two entries: `a` is the part's, `b` counts turns of a higher priority.
 * To be called is simplified: an announcement reaches every live worker (wakeup.pml has
 * how few it takes, lanes.pml which ones).
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef NORMAL
#define NORMAL 1 /* messages that wait while the actor is locked */
#endif
#ifndef URGENT
#define URGENT 1 /* messages that do not */
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef FAULTS
#define FAULTS 0 /* transactions of workers that fail */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* parts that take longer than lock_timeout */
#endif
#ifndef UNLOCKS
#define UNLOCKS 0 /* dgen.unlock */
#endif
#ifndef FREED
#define FREED 0 /* sessions that run pg_advisory_unlock_all */
#endif

#define FREE 0
#define ME (_pid + 1)

/* Named in assertions, so that test/model/run sees which of them failed; always 0. */
hidden byte I1_one_part, I1_no_turn_while_locked, I2_no_lost_update, I4_nothing_lost, I4_part_commits_once,
	I7_taken_over, I8_latest_fence, I8_lost_is_counted;

/* ---- the database ---- */

byte normal, urgent; /* messages in the mailbox */
bit to_lock = 1;     /* so is the one whose turn locks */
bit locked;          /* the actor's status, and its row in dgen.locked */
bit begun;           /* of that row */
byte fence;
byte a, b;
byte last_fence;
byte parts, turns; /* committed */
byte failed;       /* attempts that have lost their lock */
bit dead_letter;   /* the part's message, after dgen.unlock */

/* ---- locks and shared memory ---- */

byte owner;
byte holds[WORKERS]; /* the fence on which the session has a lock */
byte running[WORKERS];
bit gone[WORKERS];
bit changed[WORKERS];
byte asked = 1, answered; /* asked at first: nobody has looked yet */

byte deaths = DEATHS, faults = FAULTS, timeouts = TIMEOUTS, unlocks = UNLOCKS, freed = FREED;

#define other (1 - _pid) /* of two workers */
#define is_alive(f) (holds[0] == (f) || holds[WORKERS - 1] == (f))

inline announce() { d_step { changed[0] = 1; changed[WORKERS - 1] = 1 } }

/* Marks of a commit, acted on once the locks are free. */
inline ask() { asked++ }

/* One worker is kept for messages. Whoever looks counts as running. */
#define LOOKING 99
#if defined(NO_SESSION_LOCK) || FREED > 0
#define may_run true /* as with three workers of which two may */
#else
#define may_run (WORKERS == 1 || running[other] == 0 || gone[other])
#endif

inline new_fence() { last_fence++; fence = last_fence }

/* ---- turns ---- */

inline take_turn()
{
	if
	:: urgent > 0 -> urgent--; b++; turns++
	:: urgent == 0 && to_lock ->
		to_lock = 0;
#ifndef LOCKING_MESSAGE_DELETED
		locked = 1;
		begun = 0;
		new_fence()
#endif
	:: urgent == 0 && !to_lock && normal > 0 && sees_lock == 0 ->
		assert(I1_no_turn_while_locked || !locked);
		normal--;
		turns++
	:: else
	fi
}

#ifdef STATUS_SEEN_EARLY
#define has_message (urgent > 0 || to_lock || (normal > 0 && !sees_lock))
#else
#define has_message (urgent > 0 || to_lock || (normal > 0 && !locked))
#endif

inline run_batch()
{
#ifdef STATUS_SEEN_EARLY
	sees_lock = locked;
#endif
	if
	:: atomic { has_message && owner == FREE -> owner = ME };
		d_step {
#ifndef STATUS_SEEN_EARLY
			sees_lock = locked;
#endif
			left = asked
		};
		atomic {
			had = locked;
			if
			:: owner == ME -> take_turn()
			:: else
			fi;
			sees_lock = 0
		};
		owner = FREE;
		if
		:: locked && !had -> ask()
		:: else
		fi;
		had = 0;
		left = 0;
		announce() /* it claims again, and others tried in vain */
	:: !(has_message && owner == FREE) -> sees_lock = 0
	fi
}

/* ---- looking for a part, and beginning it ---- */

/* Its session lives, and has lost the lock: the attempt has failed, and waits to be run again. */
inline fail_lost()
{
	atomic { new_fence(); begun = 0; failed++ };
	ask()
}

#ifdef LOST_IS_RUN_AGAIN
#define lost_by_other false
#else
#define lost_by_other (WORKERS == 2 && begun && running[other] == fence && !gone[other] && !is_alive(fence))
#endif

inline begin_part()
{
	atomic {
		assert(I1_one_part || WORKERS == 1 || gone[other] || running[other] != fence || fence == 0);
		last_fence++;
		mine = last_fence;
		holds[_pid] = mine
	};
	if
	:: atomic { fence = mine; begun = 1; running[_pid] = mine }
#if FAULTS > 0
	:: atomic { faults > 0 -> faults--; mine = 0; holds[_pid] = 0; running[_pid] = 0 };
#endif
	fi
}

#ifdef NO_SESSION_LOCK
#define may_be_run locked
#else
#define may_be_run (locked && (!begun || !is_alive(fence)))
#endif

inline look()
{
	left = asked;
	d_step {
		if
		:: may_be_run -> found = fence
		:: else -> found = 0
		fi
	};
	if
	:: found == 0 ->
#ifdef ANSWERS_ALL
		answered = asked
#else
		answered = left
#endif
	:: found != 0 ->
		if
		:: atomic { owner == FREE -> owner = ME };
			if
			:: locked && fence == found && lost_by_other -> fail_lost()
			:: locked && fence == found && !lost_by_other -> begin_part()
			:: else /* somebody was faster */
			fi;
			owner = FREE;
			announce()
		:: owner != FREE -> owner == FREE; changed[_pid] = 1 /* its release calls */
		fi
	fi;
	d_step { running[_pid] = mine; found = 0; left = 0 }
}

/* ---- running it and ending it ---- */

inline forget()
{
	atomic { mine = 0; made = 0; given = 0; holds[_pid] = 0; running[_pid] = 0 }
}

inline end_part()
{
	if
	:: holds[_pid] != mine ->
#ifdef LOST_IS_FORGOTTEN
		forget()
#else
		atomic { owner == FREE -> owner = ME };
		if
		:: locked && fence == mine -> fail_lost()
		:: else
		fi;
		owner = FREE;
		forget();
		announce()
#endif
	:: holds[_pid] == mine ->
		atomic { owner == FREE -> owner = ME };
#if FAULTS > 0
		if
		:: atomic { faults > 0 -> faults-- };
			owner = FREE;
			announce();
#ifdef PART_NOT_ABANDONED
			mine = 0;
			running[_pid] = 0;
#else
			forget();
#endif
			ask();
			announce();
			goto end_wait
		:: true
		fi;
#endif
#ifdef NO_FENCE
		if
		:: locked ->
#else
		if
		:: locked && fence == mine ->
#endif
			atomic {
				assert(I8_latest_fence || fence == mine);
				a = made;
#ifdef NO_MERGE
				b = given;
#endif
				locked = 0;
				begun = 0;
				fence = 0;
				parts++
			};
			owner = FREE;
			forget();
			announce()
		:: else -> owner = FREE; forget(); announce()
		fi
	fi
}

/* The session ends: its locks go, and then others are told. */
inline die()
{
	atomic { running[_pid] = 0; holds[_pid] = 0; gone[_pid] = 1 };
#ifndef DEATH_UNTOLD
	ask();
	announce()
#endif
}

active [WORKERS] proctype Worker()
{
	byte mine, given, made, found, left;
	bit sees_lock, had;

	changed[_pid] = 1;
end_wait:
	atomic { changed[_pid] -> changed[_pid] = 0 };
	if
	:: atomic { asked != answered && may_run -> running[_pid] = LOOKING }; look()
	:: !(asked != answered && may_run)
#if DEATHS > 0
	:: atomic { asked != answered && may_run && deaths > 0 -> deaths--; running[_pid] = LOOKING };
		atomic { running[_pid] = 0; gone[_pid] = 1 };
		announce(); /* it was busy: another one is called */
		goto end_gone
#endif
	fi;
	if
	:: mine == 0 -> run_batch(); goto end_wait
	:: else
	fi;

	/* Outside of any transaction; the state as it was when it began. */
	atomic { given = b; made = a + 1 };
	if
	:: true
#if DEATHS > 0
	:: atomic { deaths > 0 -> deaths-- }; die(); goto end_gone
#endif
#if FREED > 0
	:: atomic { freed > 0 -> freed--; holds[_pid] = 0 }; ask(); announce()
#endif
	fi;
	end_part();
	changed[_pid] = 1;
	goto end_wait;
end_gone:
	skip
}

/* ---- others ---- */

active proctype Sender()
{
	byte n = NORMAL, u = URGENT;

	do
	:: n > 0 -> atomic { normal++; n-- }; announce()
	:: u > 0 -> atomic { urgent++; u-- }; announce()
	:: n == 0 && u == 0 -> break
	od
}

#if TIMEOUTS > 0
/* The alarm: the attempt has failed, the next one is due; its holder is told to end. */
active proctype Alarm()
{
	if
	:: atomic { locked && begun && owner == FREE -> owner = ME };
		if
		:: locked && begun -> atomic { new_fence(); begun = 0 }; owner = FREE; ask(); announce()
		:: else -> owner = FREE; announce()
		fi
	:: true
	fi
}
#endif

#if UNLOCKS > 0
active proctype Operator()
{
	atomic { owner == FREE -> owner = ME };
	if
	:: locked -> atomic { locked = 0; begun = 0; fence = 0; dead_letter = 1 }
	:: else
	fi;
	owner = FREE;
	announce()
}
#endif

/* ---- what must hold when nothing moves ---- */

#define somebody_lives (!gone[0] || !gone[WORKERS - 1])

active proctype Quiet()
{
	timeout;
	assert(I7_taken_over || !somebody_lives || !locked);
	assert(I4_nothing_lost || !somebody_lives || (normal == 0 && urgent == 0 && !to_lock));
	assert(I4_nothing_lost || !somebody_lives || parts + dead_letter == 1);
	assert(I4_part_commits_once || parts <= 1);
	assert(I8_lost_is_counted || failed == FREED - freed);
	assert(I2_no_lost_update || (a == parts && b == URGENT - urgent))
}
