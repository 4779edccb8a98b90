/*
 * Wakeups: no message waits while a worker sleeps (I6), whoever dies or stops (I7).
 *
 * Follows extension/wake/wakeup.c, held_locks.c, announce.c, baton.c, wait.c, hints.c and claim.c step by
 * step; what they do under one lock is one step here. There is one actor type. Of messages
 * only their number is kept: order, states and snapshots are in turn.pml. README.md tells
 * what is left out.
 *
 *     Sender, Caller ──commit──> hint, generation, baton ──> Worker: claim, commit, wait
 *
 * A run ends when nothing can move any more; Quiet looks at it then. The timers of the
 * watch may ring at any time, but the safety net looks as late as can be.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef BOXES
#define BOXES 1 /* mailboxes: 1 or 2 */
#endif
#ifndef SLOTS
#define SLOTS BOXES /* in the set of hints */
#endif
#ifndef CLAIMS
#define CLAIMS BOXES /* mailboxes that a claim takes */
#endif
#ifndef BATCH
#define BATCH 2 /* messages that it reads of each */
#endif
#ifndef SENDERS
#define SENDERS 1
#endif
#ifndef TURNS_SEND
#define TURNS_SEND 0 /* messages that turns send, one in a batch */
#endif
#ifndef CALLERS
#define CALLERS 0 /* transactions that own an actor for another reason, and send as well */
#endif
#ifndef PREPARERS
#define PREPARERS 0 /* senders that end with COMMIT PREPARED */
#endif
#ifndef DEATHS
#define DEATHS 0 /* sessions of workers that end */
#endif
#ifndef STOPS
#define STOPS 0 /* workers that stop for ever, asleep or just called */
#endif
#ifndef FAULTS
#define FAULTS 0 /* transactions and statements of workers that fail */
#endif
#ifndef LOOKS
#define LOOKS 0 /* of the safety net */
#endif

#define SLICES 2 /* of sweeps in one claim */
#define NOBODY 3
#define FREE 0
#define box(b) (1 << (b))
#define EVERY ((1 << BOXES) - 1)

/* Named in assertions, so that test/model/run sees which of them failed; always 0. */
hidden byte I4_nothing_lost, I6_no_lost_wakeup, I7_lock_freed;

mtype = { GONE, BUSY, WAITING, CALLED };

/* ---- the database ---- */

byte messages[BOXES]; /* committed, and not handled */
byte owner[BOXES];    /* of the lock: session + 1 */
byte sent, handled;

/* ---- shared memory ---- */

mtype slot[3];
bit latch[3];
bit changed[3]; /* the generation is another one than when the last claim began */
bit stopped[3];
byte watch = NOBODY;
bit soon; /* watch_until comes no later than a baton is late */

byte missed; /* a set of mailboxes, as are all below */
byte hints;
bit asked = 1;   /* asked != swept; a new set is to be swept */
bit asked_again; /* asked != answers */
bit sweeping, sweep_lock;
byte unswept; /* what the sweep has yet to come past */

byte deaths = DEATHS, stops = STOPS, faults = FAULTS, looks = LOOKS, sends = TURNS_SEND;

#define spend(budget) atomic { budget > 0 -> budget-- }

#define waits(i) ((i) < WORKERS && slot[i] == WAITING)
#define called(i) ((i) < WORKERS && slot[i] == CALLED)
#define somebody_waits (waits(0) || waits(1) || waits(2))
#define somebody_is_called (called(0) || called(1) || called(2))

/* ---- baton.c: the lists, in the lock of the database ---- */

/* Which of them is left open: the order of the list is one of those possible. */
inline choose_waiting(i)
{
	if
	:: waits(0) -> i = 0
	:: waits(1) -> i = 1
	:: waits(2) -> i = 2
	:: !somebody_waits -> i = NOBODY
	fi
}

inline appoint_watch()
{
	choose_waiting(watch);
	soon = 1;
	if
	:: watch != NOBODY -> latch[watch] = 1
	:: else
	fi
}

inline stop_waiting(i, state)
{
	slot[i] = state;
	if
	:: watch == i -> appoint_watch()
	:: else
	fi
}

inline tell_watch()
{
#ifdef WATCH_NOT_TOLD
	skip
#else
	if
	:: watch != NOBODY && !soon -> soon = 1; latch[watch] = 1
	:: else
	fi
#endif
}

inline hand_baton(i)
{
#ifdef NO_BATON
	stop_waiting(i, BUSY);
	latch[i] = 1
#else
	stop_waiting(i, CALLED);
	latch[i] = 1;
	tell_watch()
#endif
}

inline announce() { d_step { changed[0] = 1; changed[1] = 1; changed[2] = 1 } }

/* Whether a baton that is out is fresh is left open. */
inline call_one()
{
	if
	:: somebody_is_called
	:: somebody_waits -> choose_waiting(next); hand_baton(next)
	:: !somebody_is_called && !somebody_waits
	fi;
	next = 0
}

inline call_all()
{
	if
	:: somebody_waits -> choose_waiting(next); hand_baton(next)
	:: else
	fi;
	next = 0
}

/* ---- wakeup.c: calling. Whether somebody waits is read before the lock is taken ---- */

inline call_for()
{
	if
	:: somebody_waits -> atomic { call_one() }
	:: else
	fi
}

inline call_everybody()
{
	if
	:: somebody_waits -> atomic { call_all() }
	:: else
	fi
}

/* For what the own turns have sent. A busy session has no baton yet. */
inline call_self()
{
#ifdef OWN_CLAIM_TRUSTED
	skip
#else
	d_step { slot[_pid] = CALLED; tell_watch() }
#endif
}

/* ---- hints.c ---- */

inline ask()
{
	asked = 1;
	asked_again = sweeping
}

#define has_room (SLOTS >= BOXES || hints == 0)

inline add_hint(b)
{
	d_step {
		if
		:: (hints & box(b)) || has_room -> hints = hints | box(b)
		:: else ->
#ifndef FULL_SET_NOT_SWEPT
			ask()
#else
			skip
#endif
		fi
	}
}

inline add_hints(boxes)
{
	do
	:: boxes & 1 -> add_hint(0); boxes = boxes & ~1
	:: !(boxes & 1) && boxes -> add_hint(BOXES - 1); boxes = 0
	:: !boxes -> break
	od
}

/* ---- claim.c ---- */

/*
 * Takes as many as it may own. Some are left for those who had them last; all are only by
 * a session that owns something.
 */
inline take_hints()
{
	atomic {
		if
		:: CLAIMS >= BOXES || hints != EVERY -> found = hints
		:: BOXES > 1 && hints == EVERY -> found = 1
		:: BOXES > 1 && hints == EVERY -> found = EVERY & ~1
		:: BOXES > 1 && hints && held -> found = 0
		fi;
		hints = hints & ~found;
		hand = hand | found
	}
}

inline try_lock(b)
{
	d_step {
		if
		:: owner[b] == FREE -> owner[b] = _pid + 1; held = held | box(b)
		:: else
		fi
	}
}

/* Whoever fails leaves a mark, and tries once more. */
inline try_own(b)
{
	try_lock(b);
	if
	:: !(held & box(b)) ->
		d_step { missed = missed | box(b) };
#ifndef NO_SECOND_TRY
		try_lock(b)
#endif
	:: else
	fi;
#ifdef HINT_OF_OWNED_DROPPED
	hand = hand & ~box(b);
#endif
	d_step { found = found & ~box(b); hand = hand & ~held }
}

inline own_found()
{
	do
	:: found & 1 -> try_own(0)
	:: !(found & 1) && found -> try_own(BOXES - 1)
	:: !found -> break
	od
}

inline take_snapshot()
{
	d_step { seen = (messages[0] > 0) | ((messages[BOXES - 1] > 0) << (BOXES - 1)) }
}

inline walk_past(b)
{
	if
	:: stuck || !(unswept & box(b))
	:: !stuck && (unswept & box(b)) && !(seen & box(b)) -> unswept = unswept & ~box(b)
	:: !stuck && (unswept & box(b)) && (seen & box(b)) && ((hints & box(b)) || has_room) ->
		hints = hints | box(b);
		unswept = unswept & ~box(b)
	:: !stuck && (unswept & box(b)) && (seen & box(b)) && !((hints & box(b)) || has_room) -> stuck = 1
	fi
}

/* One slice. It stops where there is no room for a hint; the next one goes on there. */
inline walk_slice()
{
	d_step {
		walk_past(0);
#if BOXES > 1
		walk_past(1);
#endif
		if
		:: !stuck ->
			sweeping = 0;
#ifdef SWEEP_ANSWERS_ALL
			asked = 0;
#else
			asked = asked_again;
#endif
			asked_again = 0
		:: else
		fi;
		stuck = 0;
		seen = 0;
		sweep_lock = 0
	}
}

/* An error, or the end of the session: another one begins it anew. */
inline end_of_failed_slice()
{
#ifdef SWEEP_NOT_GIVEN_BACK
	skip
#else
	sweep_lock = 0
#endif
}

inline begin_sweep()
{
	sweep_lock = 1;
	if
	:: !sweeping -> sweeping = 1; asked_again = 0; unswept = EVERY
	:: else
	fi
}

/* What it answers is known before its snapshot is taken. One session at a time. */
inline sweep()
{
#ifdef SWEEP_SNAPSHOT_FIRST
	take_snapshot();
#endif
	if
	:: atomic { sweep_lock -> slices++ }; !sweep_lock
	:: d_step { sweep_lock -> slices = SLICES } /* it takes its time */
	:: d_step { !sweep_lock && !asked -> slices = SLICES }
	:: d_step { !sweep_lock && asked -> slices++; begin_sweep() };
#ifndef SWEEP_SNAPSHOT_FIRST
		take_snapshot();
#endif
		if
		:: walk_slice()
#if FAULTS > 0
		:: spend(faults) -> failed = 1; end_of_failed_slice()
#endif
		fi
	fi
}

#define is_full_claim (CLAIMS < BOXES -> held != 0 : held == EVERY)

/* Takes hints, tries their locks, sweeps if there is nothing; can be interrupted. */
inline discover()
{
	do
	:: is_full_claim -> break
	:: !is_full_claim ->
		take_hints();
		if
		:: found -> own_found()
		:: !found && !held && asked && slices < SLICES -> sweep();
			if
			:: failed -> break
			:: !failed
			fi
		:: !found && !(!held && asked && slices < SLICES) -> break
		fi
#if FAULTS > 0
	:: spend(faults) -> failed = 1; break
#endif
#if DEATHS > 0
	:: spend(deaths) -> failed = 1; dying = 1; break
#endif
	od;
	slices = 0;
#ifndef LEFT_UNTOLD
	left = (hints || asked)
#endif
}

inline read_batch(b)
{
	if
	:: held & box(b) ->
		took[b] = (messages[b] > BATCH -> BATCH : messages[b]);
		drained = drained | ((took[b] == messages[b]) << b)
	:: else
	fi
}

/* In a snapshot taken after the locks. */
inline read_batches()
{
	d_step {
		read_batch(0);
#if BOXES > 1
		read_batch(1)
#endif
	}
}

/* ---- the end of a worker's transaction ---- */

inline choose_box(b)
{
	if
	:: b = 0
#if BOXES > 1
	:: b = 1
#endif
	fi
}

/* At most one message in a batch. */
inline run_turns()
{
	if
	:: true
	:: atomic { (took[0] || took[BOXES - 1]) && sends > 0 -> sends--; choose_box(to); sending = 1 }
	fi
}

inline delete_messages()
{
	d_step {
		if
		:: sending -> messages[to]++; sent++
		:: else
		fi;
		messages[0] = messages[0] - took[0];
		handled = handled + took[0];
		worked = (took[0] > 0);
#if BOXES > 1
		messages[1] = messages[1] - took[1];
		handled = handled + took[1];
		worked = worked || took[1] > 0;
		took[1] = 0;
#endif
		took[0] = 0
	}
}

inline release_lock(b)
{
	if
	:: owner[b] == _pid + 1 -> owner[b] = FREE
	:: else
	fi
}

inline release_locks()
{
	d_step {
		release_lock(0);
#if BOXES > 1
		release_lock(1)
#endif
	}
}

inline take_misses(boxes)
{
	d_step { taken = missed & boxes; missed = missed & ~boxes };
	if
	:: taken -> taken = 0; announce(); call_everybody()
	:: else
	fi
}

/* Once the locks are free. What was not read to its end is there for the next claim. */
inline end_commit()
{
	if
	:: sending ->
		add_hint(to);
		if
		:: left -> announce(); call_for()
		:: !left -> call_self()
		fi;
		d_step { sending = 0; to = 0 }
	:: !sending
	fi;
	if
	:: left -> left = 0; announce(); call_for()
	:: else
	fi;
	drained = held & ~drained;
	add_hints(drained);
	take_misses(held)
}

/* A rollback, also to a savepoint before the claim, and the end of a session. */
inline end_rollback()
{
#ifdef HINTS_STAY_IN_HAND
	hand = 0;
#endif
	if
	:: hand -> add_hints(hand); announce(); call_everybody()
	:: else
	fi;
	if
	:: held ->
		drained = held;
#ifndef HINTS_LOST_IN_ROLLBACK
		add_hints(drained);
#endif
#ifndef ROLLBACK_SILENT
		take_misses(held);
#endif
#ifndef OWN_ROLLBACK_SILENT
		announce();
#endif
#ifndef DEATH_SILENT
		if
		:: dying -> call_for()
		:: else
		fi
#endif
	:: else
	fi
}

/* ---- a worker ---- */

/* The watch's duties; a baton is late once its timer has rung. */
inline pass_late_baton()
{
	if
	:: called(0) -> slot[0] = BUSY
	:: called(1) -> slot[1] = BUSY
	:: called(2) -> slot[2] = BUSY
	fi;
	announce();
	call_one()
}

inline tend_watch()
{
	atomic {
		if
		:: slot[_pid] == WAITING ->
			if
#ifndef STOPPED_WATCH_STAYS
			:: watch == NOBODY || stopped[watch] -> watch = _pid
#else
			:: watch == NOBODY -> watch = _pid
#endif
			:: else
			fi;
			if
			:: watch == _pid && rang && somebody_is_called -> pass_late_baton()
			:: else
			fi;
			if
			:: watch == _pid -> soon = somebody_is_called
			:: else
			fi;
			mine = (watch == _pid && soon)
		:: else
		fi;
		rang = 0
	}
}

inline leave()
{
	atomic {
		if
		:: slot[_pid] == WAITING -> stop_waiting(_pid, GONE)
		:: else ->
			slot[_pid] = GONE;
#if !defined(NO_BATON) && !defined(DEATH_SILENT)
#ifndef LEAVE_UNANNOUNCED
			announce();
#endif
			call_one()
#endif
		fi
	}
}

active [WORKERS] proctype Worker()
{
	byte hand, held, drained, found, seen, slices, taken, next;
	byte took[BOXES];
	byte to;
	bit sending, left, worked, failed, dying, stuck, rang, mine;

	d_step { slot[_pid] = BUSY; changed[_pid] = 1 };

claim:
	if
	:: true
#if STOPS > 0
	:: atomic { slot[_pid] == CALLED && stops > 0 -> stops--; stopped[_pid] = 1 }; goto end_stopped
#endif
#ifdef STOPPED_BETWEEN_CLAIMS
	:: atomic { stops > 0 -> stops--; stopped[_pid] = 1 }; goto end_stopped
#endif
#if DEATHS > 0
	:: spend(deaths) -> goto gone
#endif
	fi;
	atomic {
		if
		:: slot[_pid] == CALLED -> slot[_pid] = BUSY
		:: else
		fi
	};
	changed[_pid] = 0;
	worked = 0;

	discover();
	if
	:: failed -> goto rollback
	:: else
	fi;
#ifdef H2
	/* One more lock was taken by a condition that LIMIT cut off: nobody knows of it. */
	if
	:: owner[BOXES - 1] == FREE -> owner[BOXES - 1] = _pid + 1
	:: true
	fi;
#endif
	add_hints(hand);
	read_batches();
	if
	:: true
#if FAULTS > 0
	:: atomic { held && faults > 0 -> faults-- }; goto rollback
#endif
#if DEATHS > 0
	:: atomic { held && deaths > 0 -> deaths--; dying = 1 }; goto rollback
#endif
	fi;

	run_turns();
	delete_messages();
	release_locks();
	end_commit();
	held = 0;
	drained = 0;
	if
	:: worked -> goto claim
	:: else -> goto wait
	fi;

rollback:
	failed = 0;
	d_step { took[0] = 0; took[BOXES - 1] = 0; drained = 0; left = 0; found = 0 };
	release_locks();
	end_rollback();
#ifndef CLAIM_FORGOTTEN
	changed[_pid] = 1; /* what it had been called to is still there */
#endif
	held = 0;
	drained = 0;
	if
	:: dying -> goto gone
	:: else
	fi;

wait:
	atomic {
		if
		:: slot[_pid] == BUSY ->
			slot[_pid] = WAITING;
			if
			:: watch == NOBODY -> watch = _pid; soon = 1
			:: else
			fi
		:: else -> goto claim
		fi
	};
#ifndef NO_RECHECK
	if
	:: changed[_pid] ->
		atomic {
			if
			:: slot[_pid] == WAITING -> stop_waiting(_pid, BUSY)
			:: else
			fi
		};
		goto claim
	:: else
	fi;
#endif
	rang = 0;
sleep:
	tend_watch();
end_sleep:
	if
	:: slot[_pid] != WAITING -> mine = 0; latch[_pid] = 0; goto claim
	:: atomic { slot[_pid] == WAITING && latch[_pid] -> latch[_pid] = 0 }; goto sleep
	:: mine && slot[_pid] == WAITING -> rang = 1; goto sleep
#ifndef STOPPED_WATCH_STAYS
	:: slot[_pid] == WAITING && watch != _pid && (watch == NOBODY || stopped[watch]) -> goto sleep
#endif
#if LOOKS > 0
	:: atomic { timeout && looks > 0 && watch == _pid -> looks--; ask(); call_all() };
		goto end_sleep
#endif
#if FAULTS > 0
	:: atomic { /* the statement is cancelled; the client waits again */
			faults > 0 ->
			faults--;
			if
			:: slot[_pid] == WAITING -> stop_waiting(_pid, BUSY)
			:: slot[_pid] == CALLED -> slot[_pid] = BUSY; call_one()
			:: else
			fi
		};
		mine = 0;
		goto wait
#endif
#if DEATHS > 0
	:: spend(deaths) -> goto gone
#endif
#if STOPS > 0
	:: atomic { stops > 0 -> stops--; stopped[_pid] = 1 }; goto end_stopped
#endif
	fi;

gone:
	leave();
end_stopped:
	false
}

/* ---- others ---- */

active [SENDERS] proctype Sender()
{
	byte b, next;
	bit marked;

	choose_box(b);
	marked = 1;
	if
	:: true
	:: true ->
#ifdef SAVEPOINT_FORGETS
		marked = 0 /* something after it was rolled back to a savepoint */
#else
		skip
#endif
	:: goto done /* ROLLBACK */
	fi;
	d_step { messages[b]++; sent++ };
	if
	:: marked -> add_hint(b); announce(); call_for()
	:: else
	fi;
done:
	skip
}

#if PREPARERS > 0
active [PREPARERS] proctype Preparer()
{
	byte b;

	choose_box(b);
	d_step { messages[b]++; sent++ }
}
#endif

#if CALLERS > 0
/* dgen.call, dgen.cancel and the like, in a transaction that sends to the same actor. */
active [CALLERS] proctype Caller()
{
	byte b, to, next, taken;

	choose_box(b);
	atomic { owner[b] == FREE -> owner[b] = _pid + 1 };
	if
	:: /* COMMIT */
		choose_box(to);
		d_step { messages[to]++; sent++ };
#ifdef H9
		add_hint(to);
		announce();
		call_for();
		take_misses(box(b));
		owner[b] = FREE
#else
		owner[b] = FREE;
		add_hint(to);
		announce();
		call_for();
		take_misses(box(b))
#endif
	:: /* ROLLBACK, also to a savepoint */
		owner[b] = FREE;
#ifndef ROLLBACK_SILENT
		take_misses(box(b))
#endif
	fi
}
#endif

/* ---- what must hold when nothing moves ---- */

#define lives(i) ((i) < WORKERS && slot[i] != GONE && !stopped[i])

active proctype Quiet()
{
	timeout && (looks == 0 || watch == NOBODY || stopped[watch]);
	assert(I4_nothing_lost || sent == handled + messages[0] + (BOXES > 1 -> messages[BOXES - 1] : 0));
	assert(I7_lock_freed || (owner[0] == FREE && owner[BOXES - 1] == FREE));
#ifndef LIVE
	assert(I6_no_lost_wakeup || !(lives(0) || lives(1) || lives(2)) ||
		   (messages[0] == 0 && messages[BOXES - 1] == 0));
#endif
	skip
}

#ifdef LIVE
/* And workers do not keep each other from it for ever: if each that can move does so at some time. */
ltl I6_handled_soon { [] (sent > handled -> <> (sent == handled)) }
#endif
