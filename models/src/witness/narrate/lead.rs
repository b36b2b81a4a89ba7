//! What is done in a step, whatever comes of it.

use super::{
    step::{Teller, stamped},
    words::{clock_words, deed, row},
};
use crate::{
    fault::Fault,
    id::{LinkId, WriteId},
    strategy::{Decision, Site},
    witness::{Act, Applied, Frame, Happening},
};
use alloc::{
    format,
    string::{String, ToString},
};

impl Teller<'_> {
    /// What is done.
    pub(super) fn lead(&self) -> String {
        match self.act {
            Act::Begin { client, key, operation, write, at_once } => {
                let to = self.seen.iter().find_map(|seen| match seen {
                    Happening::Asked { to, .. } => Some(*to),
                    _ => None,
                });
                let at = to.map(|to| format!(" {} {to}", if *at_once { "at" } else { "and sends it to" }));
                let write = write.or_else(|| self.begun());
                let name = write.map(|write| format!(" ({write})")).unwrap_or_default();
                let stamped = self.stamped();
                format!("{client} {}{name}{}{stamped}", deed(key, operation), at.unwrap_or_default())
            }
            Act::Arrive { client, at } => {
                let what = self.arrived().map_or_else(|| "A request".to_string(), |write| write.to_string());
                let of = if self.arrived().is_some() { String::new() } else { format!(" of {client}") };
                let stamped = self.stamped();
                format!("{what}{of} arrives at {at}{stamped}")
            }
            Act::Deliver { link, copy, .. } => {
                format!("{link} delivers {}{}", self.delivered(), if *copy { " once more" } else { "" })
            }
            Act::Acknowledge { link } => format!("{} hears what {} has applied", link.from, link.to),
            Act::Fault(fault) => self.fault(fault),
            Act::Lose { replica } => format!("{replica} dies for good"),
            Act::LoseTail { replica, records } => {
                let what = if *records == 1 {
                    "the last record".to_string()
                } else {
                    format!("the last {records} records")
                };
                format!("{replica} dies and loses {what} of its log")
            }
            Act::Reconnect { link } => format!("The connection of {link} breaks and is made anew"),
            Act::GiveUp { client } => format!("{client} waits no longer"),
            Act::Tick { replica } => format!("{replica} looks at the time"),
            Act::Collect { replica } => format!("{replica} purges its tombstones"),
            Act::Forget { replica } => format!("{replica} loses its conflict metadata"),
        }
    }

    fn fault(&self, fault: &Fault) -> String {
        match fault {
            Fault::Cut(links) => format!("{} {} cut", links_of(links), is(links)),
            Fault::Stall(links) => format!("{} {} stalled", links_of(links), is(links)),
            Fault::Degrade(links, _) => format!("{} {} worse from now on", links_of(links), is(links)),
            Fault::Heal(links) => format!("{} {} whole again", links_of(links), is(links)),
            Fault::Clock(replica, change) => format!("The clock of {replica} {}", clock_words(*change)),
            Fault::Relocate { client, to, token } => {
                let tokens = self.witness.clients.get(client).is_some_and(|start| start.tokens);
                let token = match (tokens, token) {
                    (false, _) => "",
                    (true, true) => " with its session token",
                    (true, false) => " without its session token",
                };
                format!("{client} moves to {to}{token}")
            }
            Fault::Kill(replica) => format!("{replica} dies"),
            Fault::Restart(replica) => format!("{replica} restarts on what it had persisted"),
            Fault::Pause(replica) => format!("{replica} is stopped where it stands"),
            Fault::Resume(replica) => format!("{replica} goes on"),
        }
    }

    /// The write that its leader takes in this step, if the step is about that.
    pub(super) fn taken(&self) -> Option<&Applied> {
        let about = matches!(self.act, Act::Begin { .. } | Act::Arrive { .. });
        self.seen.iter().filter(|_| about).find_map(|seen| match seen {
            Happening::Applied(applied) if applied.site == Site::Local => Some(&**applied),
            _ => None,
        })
    }

    /// Its stamp, and what it replaces.
    fn stamped(&self) -> String {
        let Some(taken) = self.taken() else { return String::new() };
        let place = match taken.decision {
            Decision::Applied => self.in_place_of(taken),
            _ => String::new(),
        };
        let comma = if place.is_empty() { "" } else { ", " };
        format!(", {}{comma}{place}", stamped(taken))
    }

    fn begun(&self) -> Option<WriteId> {
        self.seen.iter().find_map(|seen| match seen {
            Happening::Began { write, .. } => *write,
            _ => None,
        })
    }

    fn arrived(&self) -> Option<WriteId> {
        self.seen.iter().find_map(|seen| match seen {
            Happening::Arrived { request, .. } => request.write,
            _ => None,
        })
    }

    fn delivered(&self) -> String {
        let delivered = self.seen.iter().find_map(|seen| match seen {
            Happening::Delivered { frame, writes, .. } => Some((frame, writes)),
            _ => None,
        });
        match delivered {
            Some((Frame::Entries(_), writes)) => row(writes.iter()),
            Some((frame, writes)) if writes.is_empty() => frame.to_string(),
            Some((frame, writes)) => format!("{frame} ({})", row(writes.iter())),
            None => "nothing".to_string(),
        }
    }
}

fn links_of(links: &[LinkId]) -> String {
    format!("{} {}", if links.len() == 1 { "Link" } else { "Links" }, row(links))
}

const fn is(links: &[LinkId]) -> &'static str {
    if links.len() == 1 { "is" } else { "are" }
}
