/*
 * Last write wins, once more: the small system that a world of the model checker is, written anew in another language
 * from the strategy's description. `tests/spin.rs` lets Spin explore it, and compares states, depths and verdicts.
 *
 * Leaders hold one record. A write takes no time: its leader stamps it, puts it through the merge, and sends it along
 * its links, which are FIFO queues. The later stamp wins; equal stamps go to the greater leader, and at one leader to
 * its later write. The true time is the number of writes made so far; a leader's clock shows that and its offset.
 *
 * Given from outside (-D): LEADERS; WRITES, at most 8; SHAPE, as below; OFFSET, by which one clock may be set off once
 * (0: none is); UNCONDITIONAL (1: a leader's own write replaces what it holds whatever the stamps say); PROPERTY, the
 * one that is asserted, as below (0: none is).
 *
 * What states tell apart. The model checker's form of a state holds all writes in the order of their making, each with
 * what its leader had applied, since verdicts are about that; so `origin`, `stamp` and `knew` are kept here for ever,
 * though no leader looks at `knew`; Spin has to be told (-o2) not to leave such variables out of the state, and finds
 * 19 states instead of 23 with two leaders and two writes otherwise. What else that form holds (sessions,
 * acknowledgements, idempotency keys, the knowledge that versions carry) follows from these in a world where writes take
 * no time and nobody moves, so it tells no two states apart and has no counterpart here.
 */

#define ALL_TO_ALL 0
#define RING 1
#define STAR 2

#define LINK(from, to) link[(from) * LEADERS + (to)]

/* Whether a leader sends a write that it holds in its log to another one, which did not make it: its own writes along
 * all its links, those of others to the next leader of a ring and from the hub of a star, which is the first leader. */
#define SENDS(from, to) \
	(  SHAPE == ALL_TO_ALL && origin[entry] == from \
	|| SHAPE == RING && to == (from + 1) % LEADERS \
	|| SHAPE == STAR && (from == 0 || to == 0 && origin[entry] == from))

/* The writes, in the order of their making. */
byte made;
byte origin[WRITES];
short stamp[WRITES];
byte knew[WRITES]; /* the writes that its leader had applied before, one bit each */

/* The leaders. */
byte applied[LEADERS]; /* one bit a write */
byte held[LEADERS];    /* 0: nothing; else the number of the write, from 1 */
short offset[LEADERS];
bit clock_was_set;

chan link[LEADERS * LEADERS] = [WRITES] of { byte };

/* Scratch: zero again after every step, so it tells no states apart. */
byte entry, other, leader, shown, worst, busy, broken;

#define BEATS(left, right) \
	(stamp[left] > stamp[right] \
	|| stamp[left] == stamp[right] && origin[left] > origin[right] \
	|| stamp[left] == stamp[right] && origin[left] == origin[right] && left > right)

inline apply(at, own)
{
	applied[at] = applied[at] | (1 << entry);
	if
	:: held[at] == 0 || (own && UNCONDITIONAL) -> held[at] = entry + 1
	:: else ->
		other = held[at] - 1;
		if
		:: BEATS(entry, other) -> held[at] = entry + 1
		:: else
		fi
	fi
}

inline send(at)
{
	leader = 0;
	do
	:: leader < LEADERS ->
		if
		:: leader != at && leader != origin[entry] && SENDS(at, leader) -> LINK(at, leader)!entry
		:: else
		fi;
		leader++
	:: else -> break
	od
}

#define CONVERGED 1
#define DELIVERED 2
#define REAL_TIME_INVERSION 3
#define CAUSAL_INVERSION 4
#define PARTIAL 5
#define NOTHING_LOST 6

/* The properties speak of states in which nothing is under way and two writes or more have been acknowledged. */
inline judge()
{
	leader = 0;
	do
	:: leader < LEADERS * LEADERS -> busy = busy + len(link[leader]); leader++
	:: else -> break
	od;
	if
	:: busy == 0 && made >= 2 ->
		judge_equality();
		entry = 0;
		do
		:: entry < made -> judge_fate(); entry++
		:: else -> break
		od;
		assert(!broken)
	:: else
	fi
}

inline judge_equality()
{
	leader = 1;
	do
	:: leader < LEADERS ->
		if
		:: PROPERTY == CONVERGED && held[leader] != held[0] -> broken = 1
		:: PROPERTY == DELIVERED && applied[leader] != applied[0] -> broken = 1
		:: else
		fi;
		leader++
	:: else -> break
	od
}

inline judge_fate()
{
	shown = 0;
	leader = 0;
	do
	:: leader < LEADERS ->
		if
		:: held[leader] == entry + 1 -> shown++
		:: else
		fi;
		leader++
	:: else -> break
	od;
	if
	:: shown > 0 && shown < LEADERS && (PROPERTY == PARTIAL || PROPERTY == NOTHING_LOST) -> broken = 1
	:: shown == 0 -> judge_loss()
	:: else
	fi
}

/* The fate of a lost write is the worst that the winner at any leader makes of it. Writes take no time, so one that was
 * made earlier was acknowledged before the other one began. */
inline judge_loss()
{
	worst = 0;
	leader = 0;
	do
	:: leader < LEADERS ->
		other = held[leader] - 1;
		if
		:: knew[entry] >> other & 1 -> worst = CAUSAL_INVERSION
		:: !(knew[entry] >> other & 1) && other < entry && worst == 0 -> worst = REAL_TIME_INVERSION
		:: else
		fi;
		leader++
	:: else -> break
	od;
	if
	:: worst != 0 && (PROPERTY == worst || PROPERTY == NOTHING_LOST) -> broken = 1
	:: else
	fi
}

inline end_step()
{
	if
	:: PROPERTY != 0 -> judge()
	:: else
	fi;
	entry = 0; other = 0; leader = 0; shown = 0; worst = 0; busy = 0; broken = 0
}

/* Each leader's one client, and the nemesis that sets its clock. */
active [LEADERS] proctype client()
{
end:	do
	:: d_step {
		made < WRITES ->
		entry = made;
		origin[entry] = _pid;
		stamp[entry] = made + offset[_pid];
		knew[entry] = applied[_pid];
		made++;
		apply(_pid, true);
		send(_pid);
		end_step()
	}
	:: d_step {
		OFFSET != 0 && !clock_was_set && made < WRITES ->
		offset[_pid] = OFFSET;
		clock_was_set = 1;
		end_step()
	}
	od
}

#define FROM ((_pid - LEADERS) / LEADERS)
#define TO ((_pid - LEADERS) % LEADERS)

/* Each link delivers what is first in it. Links that the shape does not have stay empty for ever. */
active [LEADERS * LEADERS] proctype delivery()
{
end:	do
	:: d_step {
		nempty(LINK(FROM, TO)) ->
		LINK(FROM, TO)?entry;
		apply(TO, false);
		if
		:: SHAPE != ALL_TO_ALL -> send(TO)
		:: else
		fi;
		end_step()
	}
	od
}
