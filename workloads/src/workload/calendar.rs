//! Calendars of rooms: people book, move and cancel meetings by what their device last showed them.
//!
//! | | |
//! |---|---|
//! | records | `room0`, `room1` and so on: maps from slots such as `d1-09h` to who holds them |
//! | values | texts such as `m3.17`: the seventeenth meeting of client c3; each is booked once in a run |
//! | operations | read, claim (book), move, release (cancel) |
//! | checkers | the ledger of fates, divergence, quiescence, double bookings, resurrected deletes (a cancelled meeting comes back) |
//!
//! A client books one of the first few slots that it believes to be free, since people like the same hours; that is
//! what makes two offline devices collide. A room that it never saw counts as empty. It moves and cancels its own
//! meetings only: those whose booking was acknowledged, and that no later read showed to be gone.

use super::{Answer, Generate, Who, ppm};
use crate::scenario;
use quarrel_models::{
    operation::{KeyedOperation, Operation, is_held},
    random::Stream,
    value::{Key, Value},
};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Of how many free slots, from the first, a booking takes one.
const POPULAR_SLOTS: u64 = 4;

/// A meeting that the client holds, as far as it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Meeting {
    room: Key,
    slot: SmolStr,
    name: Value,
}

/// The device of one client.
#[derive(Debug)]
pub(super) struct Calendar {
    rooms: u64,
    slots: Vec<SmolStr>,
    read_ppm: u32,
    move_ppm: u32,
    cancel_ppm: u32,
    wishes: Stream,
    choices: Stream,
    who: Who,
    booked: u32,
    /// For each room that was seen: the slots that are taken.
    taken: BTreeMap<Key, BTreeSet<SmolStr>>,
    own: Vec<Meeting>,
}

impl Calendar {
    pub(super) fn new(calendar: &scenario::Calendar, who: Who) -> Self {
        Self {
            rooms: calendar.rooms.max(1).into(),
            slots: (0..calendar.slots).map(slot_name).collect(),
            read_ppm: ppm(calendar.read_share),
            move_ppm: ppm(calendar.move_share),
            cancel_ppm: ppm(calendar.cancel_share),
            wishes: who.stream("wishes"),
            choices: who.stream("choices"),
            who,
            booked: 0,
            taken: BTreeMap::new(),
            own: Vec::new(),
        }
    }

    /// One of the first free slots of the room, as far as the client knows.
    fn free_slot(&mut self, room: &Key) -> Option<SmolStr> {
        let taken = self.taken.get(room);
        let is_free = |slot: &&SmolStr| taken.is_none_or(|taken| !taken.contains(*slot));
        let free: Vec<&SmolStr> =
            self.slots.iter().filter(is_free).take(usize::try_from(POPULAR_SLOTS).unwrap_or(1)).collect();
        if free.is_empty() {
            return None;
        }
        let index = self.choices.below(free.len() as u64);
        usize::try_from(index).ok().map(|index| free[index].clone())
    }

    /// Takes one of the client's own meetings out of its list: it comes back when its operation was refused.
    fn some_meeting(&mut self) -> Option<Meeting> {
        if self.own.is_empty() {
            return None;
        }
        let index = usize::try_from(self.choices.below(self.own.len() as u64)).ok()?;
        Some(self.own.swap_remove(index))
    }

    fn book(&mut self, room: Key) -> KeyedOperation {
        let Some(field) = self.free_slot(&room) else { return self.cancel_or_read(room) };
        self.booked += 1;
        let value = Value::Text(SmolStr::from(format!("m{}.{}", self.who.client.0, self.booked)));
        KeyedOperation { key: room, operation: Operation::Claim { field, value } }
    }

    fn move_or_book(&mut self, room: Key) -> KeyedOperation {
        let Some(meeting) = self.some_meeting() else { return self.book(room) };
        let Some(to) = self.free_slot(&meeting.room) else { return cancel(meeting) };
        let operation = Operation::Move { from: meeting.slot, to, value: meeting.name };
        KeyedOperation { key: meeting.room, operation }
    }

    fn cancel_or_read(&mut self, room: Key) -> KeyedOperation {
        match self.some_meeting() {
            Some(meeting) => cancel(meeting),
            None => KeyedOperation { key: room, operation: Operation::Read },
        }
    }

    fn saw(&mut self, room: &Key, value: Option<&Value>) {
        let none = BTreeMap::new();
        let fields = value.and_then(Value::as_map).unwrap_or(&none);
        self.taken.insert(room.clone(), fields.keys().cloned().collect());
        self.own.retain(|meeting| {
            // A meeting that a merge moved beside its slot is still its owner's.
            meeting.room != *room || is_held(fields, &meeting.slot, &meeting.name)
        });
    }

    fn mark(&mut self, room: &Key, slot: &SmolStr, taken: bool) {
        let slots = self.taken.entry(room.clone()).or_default();
        if taken {
            slots.insert(slot.clone());
        } else {
            slots.remove(slot);
        }
    }

    /// Books down that the client holds the slot.
    fn hold(&mut self, room: &Key, slot: &SmolStr, name: &Value) {
        self.mark(room, slot, true);
        self.own.push(Meeting { room: room.clone(), slot: slot.clone(), name: name.clone() });
    }
}

impl Generate for Calendar {
    fn next(&mut self) -> KeyedOperation {
        let room = Key::from(format!("room{}", self.choices.below(self.rooms)));
        if self.wishes.chance_ppm(self.read_ppm) {
            return KeyedOperation { key: room, operation: Operation::Read };
        }
        let wish = self.wishes.below(1_000_000);
        let (moves, cancels) = (u64::from(self.move_ppm), u64::from(self.cancel_ppm));
        if wish < moves {
            self.move_or_book(room)
        } else if wish < moves + cancels && !self.own.is_empty() {
            self.cancel_or_read(room)
        } else {
            self.book(room)
        }
    }

    fn observe(&mut self, asked: &KeyedOperation, answer: Answer<'_>) {
        let room = &asked.key;
        match (&asked.operation, answer) {
            (Operation::Read, Answer::Read(value)) => self.saw(room, value),
            (Operation::Claim { field, value }, Answer::Done) => self.hold(room, field, value),
            (Operation::Claim { field, .. }, Answer::Refused | Answer::Unknown) => {
                self.mark(room, field, true)
            }
            (Operation::Move { from, to, value }, Answer::Done) => {
                self.mark(room, from, false);
                self.hold(room, to, value);
            }
            (Operation::Move { from, to, value }, Answer::Refused) => {
                self.mark(room, to, true);
                self.hold(room, from, value);
            }
            (Operation::Release { field, .. }, Answer::Done) => self.mark(room, field, false),
            (Operation::Release { field, value }, Answer::Refused) => self.hold(room, field, value),
            // Nobody knows where the meeting now stands: the client leaves it alone until it sees the room again.
            _ => {}
        }
    }
}

fn cancel(meeting: Meeting) -> KeyedOperation {
    let operation = Operation::Release { field: meeting.slot, value: meeting.name };
    KeyedOperation { key: meeting.room, operation }
}

/// The name of a slot: an hour of a day, such as `d1-09h`.
fn slot_name(slot: u32) -> SmolStr {
    SmolStr::from(format!("d{}-{:02}h", slot / 24 + 1, slot % 24))
}
