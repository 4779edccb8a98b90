# Makes the limits of the server's part so small that what is rare is met often: sets of hints that
# overflow, types that have no set, marks that do not fit, floors that move all the time.
s/^\(#define HINT_SLOTS\) .*/\1 64/
s/^\(#define HINT_SETS\) .*/\1 2/
s/^\(#define MEMO_BUCKETS\) .*/\1 2/
s/^\(#define SLOT_REQUESTS\) .*/\1 1/
s/^\(#define MISS_BITS\) .*/\1 32/
s/^\(#define WINDOW\) .*/\1 2/
s/^\(#define SLICE_MAILBOXES\) .*/\1 8/
s/^\(#define SLICE_DEAD_ROWS\) .*/\1 20/
s/^\(#define SWEEP_SLICES\) .*/\1 2/
s/^\(#define FLOOR_ROWS\) .*/\1 1/
s/^\(#define MAX_MARKED_TYPES\) .*/\1 1/
s/^\(#define MAX_MARKED_BOXES\) .*/\1 3/
s/^\(#define MAX_MARKED_REPLIES\) .*/\1 2/
s/^\(#define FIRST_OWNED\) .*/\1 1/
s/^\(#define MAILBOX_ENTRIES\) .*/\1 2/
s/^\(#define IDLE_GRACE_MS\) .*/\1 300/
s/^\(#define MOVE_LIMIT\) .*/\1 2/
s/^\(#define SINGLE_TURNS\) .*/\1 2/
s/^\(#define CACHED\) .*/\1 1/
