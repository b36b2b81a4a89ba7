//! Events in virtual time: of two at one instant, the one that was planned first comes first.

use super::client::Answer;
use crate::{
    id::{ClientId, ReplicaId},
    message::{Message, Request},
    replica::Outputs,
};
use alloc::{boxed::Box, collections::BinaryHeap, vec::Vec};
use core::cmp::Reverse;

/// Something that happens at an instant.
#[derive(Debug)]
pub(super) enum Event {
    /// An operation of the schedule is due.
    Operation(usize),
    /// A fault of the schedule strikes.
    Fault(usize),
    /// An errand of the schedule is run.
    Errand(usize),
    /// A frame reaches the other end of a connection.
    Frame { wire: usize, forth: bool, connection: u32, message: Message },
    /// A link tries to connect.
    Connect { wire: usize, connection: u32 },
    /// A request reaches a replica.
    Request { at: ReplicaId, client: ClientId, number: u32, request: Box<Request> },
    /// An answer reaches a client.
    Answer { client: ClientId, number: u32, answer: Answer },
    /// A client that was ordered to move with a request in flight leaves it behind.
    Leave { client: ClientId, number: u32 },
    /// A replica is told that time has passed.
    Tick(ReplicaId),
    /// A disk has written out what need not be durable.
    Sync { replica: ReplicaId, life: u32 },
    /// A disk has made so many records durable, and what waited for that leaves.
    Durable { replica: ReplicaId, life: u32, records: usize, outputs: Outputs },
    /// Every fault that is on is undone.
    Heal,
    /// Clients begin no operation any more; from now on it is looked whether replication has come to rest.
    Look,
}

/// The events to come: those of the schedule, which are known from the beginning and never move, and those that follow.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The schedule's, the last one first.
    scheduled: Vec<(u64, Event)>,
    /// When, the number of the plan, and the place of the event. Small, so that the heap moves little.
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    planned: u64,
}

impl Queue {
    /// Takes the events of the schedule. At one instant they come before all others, in the given order.
    pub(super) fn schedule(&mut self, mut events: Vec<(u64, Event)>) {
        events.reverse();
        // Stable: of those at one instant the given order stays, backwards.
        events.sort_by_key(|(at_us, _)| Reverse(*at_us));
        self.scheduled = events;
    }

    /// Plans an event.
    pub(super) fn push(&mut self, at_us: u64, event: Event) {
        let place = match self.free.pop() {
            Some(place) => {
                self.events[place] = Some(event);
                place
            }
            None => {
                self.events.push(Some(event));
                self.events.len() - 1
            }
        };
        self.heap.push(Reverse((at_us, self.planned, place)));
        self.planned += 1;
    }

    /// The next event, and when it happens.
    pub(super) fn pop(&mut self) -> Option<(u64, Event)> {
        let next_us = self.heap.peek().map_or(u64::MAX, |Reverse((at_us, ..))| *at_us);
        if self.scheduled.last().is_some_and(|(at_us, _)| *at_us <= next_us) {
            return self.scheduled.pop();
        }
        let Reverse((at_us, _, place)) = self.heap.pop()?;
        self.free.push(place);
        self.events[place].take().map(|event| (at_us, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_of_time_and_then_of_planning() {
        let mut queue = Queue::default();
        for (at_us, number) in [(5, 0), (3, 1), (5, 2), (3, 3), (9, 4)] {
            queue.push(at_us, Event::Operation(number));
        }
        let mut order = Vec::new();
        while let Some((at_us, Event::Operation(number))) = queue.pop() {
            order.push((at_us, number));
            if number == 3 {
                queue.push(5, Event::Operation(5));
            }
        }
        assert_eq!(order, [(3, 1), (3, 3), (5, 0), (5, 2), (5, 5), (9, 4)]);
    }

    #[test]
    fn what_is_scheduled_comes_before_what_follows_at_one_instant() {
        let mut queue = Queue::default();
        queue.push(3, Event::Operation(9));
        queue.push(4, Event::Operation(8));
        let scheduled = [(7, 3), (3, 0), (3, 1), (5, 2)];
        queue.schedule(scheduled.map(|(at_us, number)| (at_us, Event::Operation(number))).into());
        let order: Vec<(u64, Event)> = core::iter::from_fn(|| queue.pop()).collect();
        let number = |event: &Event| if let Event::Operation(number) = event { *number } else { 99 };
        let order: Vec<(u64, usize)> = order.iter().map(|(at_us, event)| (*at_us, number(event))).collect();
        assert_eq!(order, [(3, 0), (3, 1), (3, 9), (4, 8), (5, 2), (7, 3)]);
    }

    /// The slow way: all events in one list, the next one searched for.
    #[test]
    fn the_queue_agrees_with_a_search_through_all_events() {
        let mut draw = crate::random::Stream::new(1, "test queue", 0);
        let number = |event: Event| if let Event::Operation(number) = event { number } else { usize::MAX };
        for _ in 0..50 {
            let mut queue = Queue::default();
            let times: Vec<u64> = (0..20).map(|_| draw.below(30)).collect();
            queue.schedule(times.iter().zip(0..).map(|(&at_us, n)| (at_us, Event::Operation(n))).collect());
            let mut all: Vec<(u64, usize)> = times.into_iter().zip(0..).collect();
            let (mut planned, mut now_us) = (20, 0);
            while let Some(next) = all.iter().copied().min() {
                all.retain(|&other| other != next);
                assert_eq!(queue.pop().map(|(at_us, event)| (at_us, number(event))), Some(next));
                now_us = next.0.max(now_us);
                for _ in 0..if planned < 100 { draw.below(3) } else { 0 } {
                    let at_us = now_us + draw.below(5);
                    queue.push(at_us, Event::Operation(planned));
                    all.push((at_us, planned));
                    planned += 1;
                }
            }
            assert!(queue.pop().is_none());
        }
    }

    #[test]
    fn events_are_small_enough_to_be_moved() {
        assert!(size_of::<Event>() <= 72, "{} bytes", size_of::<Event>());
    }
}
