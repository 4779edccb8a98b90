/*
 * Who comes for a locked part, where workers leave parts to others (I6): one that may run it and is
 * not kept for messages.
 *
 * Follows extension/wake/locked_look.c, locked_part.c (dgen_part_begin), serving.c and baton.c, and with
 * OWN_SENDS batch.c (dgen_run_batch), for two actor types. Of parts and messages only their number is kept: the life of a part is in lock.pml.
 * That nobody falls asleep between an announcement and its call, and that there is a watch, is in
 * wakeup.pml: here that is one step.
 *
 *     ask, announce, call ──> Worker: claim ──> look, unless kept for messages ──> part
 *                                │                    └── end: calls who was kept
 *                                └── messages, wait
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef TYPES
#define TYPES 1
#endif
#ifndef TAKES
#define TAKES 3, 3, 3 /* types whose messages each worker takes; bits */
#endif
#ifndef RUNS
#define RUNS 3, 0, 3 /* and whose parts it runs */
#endif
#ifndef PARTS
#define PARTS 1 /* of each type */
#endif
#ifndef MESSAGES
#define MESSAGES 0 /* of the first type */
#endif
#ifndef OWN_SENDS
#define OWN_SENDS 0 /* batches without a turn that send a message all the same, of workers that look twice */
#endif
#ifndef HANGS
#define HANGS 0 /* parts that never end */
#endif
#ifndef FAULTS
#define FAULTS 0 /* waits that are cancelled, by clients that do not claim after it */
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef STOPS
#define STOPS 0 /* workers that stop for ever, asleep or just called */
#endif

#define LOOKING 1
#define RUNNING 2
#define ANY 0
#define PART 1
#define bit_of(t) (1 << (t))

/* Named in assertions, so that test/model/run sees which of them failed; always 0. */
hidden byte I6_no_lost_wakeup;

mtype = { GONE, BUSY, WAITING, CALLED };

byte takes[3] = {TAKES};
byte runs[3] = {RUNS};

/* ---- the database ---- */

byte parts[TYPES]; /* to be run */
byte messages;

/* ---- shared memory ---- */

mtype slot[3] = GONE;
byte part[3];
bit stopped[3];
bit changed[3]; /* a generation of its types is another one than when its last claim began */
byte asked[TYPES] = 1, answered[TYPES];
byte kept; /* a set of types */

byte deaths = DEATHS, stops = STOPS, hangs = HANGS, faults = FAULTS, own_sends = OWN_SENDS;

#define attached(i) (slot[i] != GONE)
#define takes_in(i, t, lane) ((lane) == PART -> (runs[i] >> (t)) & 1 : (takes[i] >> (t)) & 1)
#define waits(i, t, lane) (slot[i] == WAITING && takes_in(i, t, lane))
#define called(i, t, lane) (slot[i] == CALLED && takes_in(i, t, lane))
#define is_called(t, lane) (called(0, t, lane) || called(1, t, lane) || called(2, t, lane))

/* ---- announce.c, baton.c ---- */

inline announce(t)
{
	d_step {
		changed[0] = changed[0] | ((takes[0] >> (t)) & 1);
		changed[1] = changed[1] | ((takes[1] >> (t)) & 1);
		changed[2] = changed[2] | ((takes[2] >> (t)) & 1)
	}
}

/* In the lock of the database. Which of them is left open; a baton is late if its holder is stopped. */
inline call_one(t, lane)
{
	if
	:: !is_called(t, lane) && waits(0, t, lane) -> slot[0] = CALLED
	:: !is_called(t, lane) && waits(1, t, lane) -> slot[1] = CALLED
	:: !is_called(t, lane) && waits(2, t, lane) -> slot[2] = CALLED
	:: is_called(t, lane) || !(waits(0, t, lane) || waits(1, t, lane) || waits(2, t, lane))
	fi
}

inline call_type(t)
{
#ifndef CALLED_WHOEVER
	call_one(t, PART);
#endif
	call_one(t, ANY)
}

inline call_part(t)
{
#ifdef CALLED_WHOEVER
	call_one(t, ANY)
#else
	call_one(t, PART)
#endif
}

/* One for each type in each lane, also where one is called. A bucket is one type here. */
inline call_all(t)
{
	if
	:: waits(0, t, PART) -> slot[0] = CALLED
	:: waits(1, t, PART) -> slot[1] = CALLED
	:: waits(2, t, PART) -> slot[2] = CALLED
	:: !(waits(0, t, PART) || waits(1, t, PART) || waits(2, t, PART)) -> call_one(t, ANY)
	fi
}

inline call_in_place_of(i)
{
	if
	:: takes_in(i, 0, PART) -> call_type(0)
	:: !takes_in(i, 0, PART) && takes_in(i, 0, ANY) -> call_one(0, ANY)
	:: else
	fi;
#if TYPES > 1
	if
	:: takes_in(i, 1, PART) -> call_type(1)
	:: !takes_in(i, 1, PART) && takes_in(i, 1, ANY) -> call_one(1, ANY)
	:: else
	fi
#endif
}

inline pass_on(i)
{
	slot[i] = BUSY;
	call_in_place_of(i)
}

inline announce_types(i)
{
	d_step {
		if
		:: takes_in(i, 0, ANY) -> announce(0)
		:: else
		fi;
#if TYPES > 1
		if
		:: takes_in(i, 1, ANY) -> announce(1)
		:: else
		fi
#endif
	}
}

/* A part that nobody runs. */
inline unheld(t)
{
	asked[t]++;
	atomic { announce(t); call_part(t) }
}

/* ---- locked_look.c ---- */

#define works(i, t) (attached(i) && takes_in(i, t, ANY))
#define workers(t) (works(0, t) + works(1, t) + works(2, t))
#define others_running(t) ((works(0, t) && _pid != 0 && part[0] != 0) + (works(1, t) && _pid != 1 && part[1] != 0) + \
						   (works(2, t) && _pid != 2 && part[2] != 0))

inline reserve(t)
{
	d_step {
		if
		:: others_running(t) == 0 || others_running(t) + 1 < workers(t) -> part[_pid] = LOOKING
		:: else -> refused = refused | bit_of(t); kept = kept | bit_of(t)
		fi
	}
}

#define leaves_to_others(t) (takes_in(_pid, t, ANY) && !takes_in(_pid, t, PART))

inline call_kept(t)
{
	if
	:: leaves_to_others(t) && (kept & bit_of(t)) ->
		d_step { kept = kept & ~bit_of(t) };
		atomic { announce(t); call_all(t) }
	:: else
	fi
}

/* Those who were kept for messages of what this session leaves to others. */
inline call_others()
{
	call_kept(0);
#if TYPES > 1
	call_kept(1)
#endif
}

inline publish_none()
{
	part[_pid] = 0;
#ifndef KEPT_NOT_CALLED
	call_others()
#endif
}

/* ---- locked_part.c ---- */

inline look(t)
{
	reserve(t);
	if
	:: part[_pid] == LOOKING ->
		left = (parts[t] > 0); /* in the snapshot */
		d_step { /* or somebody was faster */
			if
			:: left && parts[t] > 0 ->
				parts[t]--;
				part[_pid] = RUNNING
			:: else
			fi
		};
		if
		:: part[_pid] == RUNNING -> running = t
		:: else ->
			publish_none();
			in_vain = 1;
			if
			:: !left -> answered[t] = read
			:: else
			fi
		fi
	:: else
	fi;
	left = 0
}

#define is_wanted(t) (takes_in(_pid, t, PART) && asked[t] != answered[t])

inline look_in_type(t)
{
	if
	:: d_step { part[_pid] != RUNNING && (untried & bit_of(t)) && is_wanted(t) -> read = asked[t] };
		untried = untried & ~bit_of(t);
		look(t)
	:: else
	fi;
	read = 0
}

/* Begins with any of its types. What it was refused it tries again, if it looked for another one in vain. */
inline look_for_one()
{
	untried = 3;
	do
	:: untried != 0 ->
		in_vain = 0;
#if TYPES > 1
		if
		:: true -> look_in_type(0); look_in_type(1)
		:: true -> look_in_type(1); look_in_type(0)
		fi;
#else
		look_in_type(0);
#endif
#ifdef REFUSED_NOT_TRIED_AGAIN
		refused = 0;
#endif
		untried = (in_vain && part[_pid] != RUNNING -> refused : 0);
		refused = 0
	:: untried == 0 -> break
	od;
	in_vain = 0
}

/* ---- a worker ---- */

#define has_messages (messages > 0 && takes_in(_pid, 0, ANY))

inline attach()
{
	d_step { slot[_pid] = BUSY; changed[_pid] = 1 };
#ifndef ATTACHED_SILENTLY
	call_others()
#endif
}

/*
 * After its batch, before it waits. The look takes the baton and what was announced, and looks for no
 * messages: of that the worker has to know.
 */
#define wants_part (is_wanted(0) || (TYPES > 1 && is_wanted(TYPES - 1)))
#ifdef SELF_CALL_TAKEN
#define is_told changed[_pid]
#elif defined(TOLD_BY_CALL_ONLY)
#define is_told (slot[_pid] == CALLED)
#else
#define is_told (slot[_pid] == CALLED || changed[_pid])
#endif

inline look_again()
{
	if
	:: d_step { wants_part -> told = is_told; slot[_pid] = BUSY; changed[_pid] = 0 }; look_for_one()
	:: !wants_part
	fi
}

/*
 * Turns handle them all. Or none is run, one is a dead letter of which another one is told: the commit
 * calls this very session, and announces nothing.
 */
inline run_batch()
{
	if
	:: d_step { has_messages -> messages = 0; ran = 1 }
#if OWN_SENDS > 0
	:: d_step { has_messages && own_sends > 0 -> own_sends--; messages = 1; slot[_pid] = CALLED }
#endif
	:: !has_messages
	fi
}

/* The session ends, or detaches. */
inline leave()
{
	atomic {
		if
		:: slot[_pid] == WAITING -> slot[_pid] = GONE
		:: else ->
			slot[_pid] = GONE;
			announce_types(_pid);
			call_in_place_of(_pid)
		fi
	}
}

active [WORKERS] proctype Worker()
{
	byte read, running, refused, untried;
	bit left, in_vain, part_last;
#if OWN_SENDS > 0
	bit told, ran;
#endif

	if
	:: _pid == WORKERS - 1 -> attach()
	:: else -> d_step { slot[_pid] = BUSY; changed[_pid] = 1 }
	fi;

claim:
	if
	:: true
#if STOPS > 0
	:: atomic { slot[_pid] == CALLED && stops > 0 -> stops--; stopped[_pid] = 1 }; goto end_stopped
#endif
#if DEATHS > 0
	:: atomic { deaths > 0 -> deaths-- }; goto gone
#endif
	fi;
	d_step { slot[_pid] = BUSY; changed[_pid] = 0 };

#if OWN_SENDS > 0
	if
	:: part_last -> part_last = 0
	:: else -> look_for_one()
	fi;
	if
	:: part[_pid] == RUNNING -> goto begun
	:: else
	fi;
	d_step { slot[_pid] = BUSY; changed[_pid] = 0 };
	run_batch();
	if
	:: ran -> ran = 0; goto claim
	:: else -> look_again()
	fi;
	if
	:: part[_pid] == RUNNING -> told = 0; goto begun
	:: part[_pid] != RUNNING && told -> told = 0; goto claim
	:: part[_pid] != RUNNING && !told -> goto wait
	fi;
#else
	/* Not two parts in a row while there are messages. */
	if
	:: d_step { part_last && has_messages -> messages = 0; part_last = 0 }; goto claim
	:: else -> part_last = 0; look_for_one()
	fi;
	if
	:: part[_pid] == RUNNING -> goto begun
	:: else
	fi;
	if
	:: d_step { has_messages -> messages = 0 }; goto claim
	:: else -> goto wait
	fi;
#endif

begun:
	atomic { announce_types(_pid); call_in_place_of(_pid) };
	if
	:: publish_none(); running = 0; part_last = 1; goto claim
#if HANGS > 0
	:: atomic { hangs > 0 -> hangs-- }; goto end_stopped
#endif
#if DEATHS > 0
	:: atomic { deaths > 0 -> deaths-- };
		publish_none();
		parts[running]++;
		unheld(running);
		goto gone
#endif
	fi;

wait:
	atomic {
		if
		:: slot[_pid] == BUSY && !changed[_pid] -> slot[_pid] = WAITING
		:: else -> goto claim
		fi
	};
end_sleep:
	if
	:: slot[_pid] != WAITING -> goto claim
#if DEATHS > 0
	:: atomic { deaths > 0 -> deaths-- }; goto gone
#endif
#if STOPS > 0
	:: atomic { stops > 0 -> stops--; stopped[_pid] = 1 }; goto end_stopped
#endif
#if FAULTS > 0
	:: atomic { slot[_pid] == CALLED && faults > 0 -> faults--; stopped[_pid] = 1; pass_on(_pid) };
		goto end_stopped
#endif
	fi;

gone:
	leave();
end_stopped:
	false
}

/* The watch, which is one of the sleepers: wakeup.pml. */
#if STOPS > 0
active proctype Watch()
{
end_watch:
	do
	:: atomic { slot[0] == CALLED && stopped[0] -> pass_on(0) }
	:: atomic { slot[1] == CALLED && stopped[1] -> pass_on(1) }
	:: atomic { slot[2] == CALLED && stopped[2] -> pass_on(2) }
	od
}
#endif

/* Turns that lock, in sessions of others, and senders. */
active [TYPES] proctype Asker()
{
	byte n = PARTS, type = _pid - WORKERS - (STOPS > 0);

	do
	:: n > 0 -> atomic { n--; parts[type]++ }; unheld(type)
	:: n == 0 -> break
	od
}

#if MESSAGES > 0
active proctype Sender()
{
	byte n = MESSAGES;

	do
	:: n > 0 -> atomic { n--; messages++ }; atomic { announce(0); call_one(0, ANY) }
	:: n == 0 -> break
	od
}
#endif

/* ---- what must hold when nothing moves ---- */

/* It sleeps, and would not be kept for messages. */
#define is_free(i, t) (attached(i) && !stopped[i] && part[i] == 0 && takes_in(i, t, PART) && \
					   (running_of(t) == 0 || running_of(t) + 1 < workers(t)))
#define running_of(t) ((works(0, t) && part[0] != 0) + (works(1, t) && part[1] != 0) + (works(2, t) && part[2] != 0))
#define somebody_is_free(t) (is_free(0, t) || is_free(1, t) || is_free(2, t))
#define takes_messages(i) (attached(i) && !stopped[i] && part[i] == 0 && takes_in(i, 0, ANY))

active proctype Quiet()
{
	timeout;
	assert(I6_no_lost_wakeup || parts[0] == 0 || !somebody_is_free(0));
	assert(I6_no_lost_wakeup || TYPES == 1 || parts[TYPES - 1] == 0 || !somebody_is_free(TYPES - 1));
	assert(I6_no_lost_wakeup || messages == 0 ||
		   !(takes_messages(0) || takes_messages(1) || takes_messages(2)))
}
