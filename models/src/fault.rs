//! What may go wrong, in one serialisable type that model, simulator, live nemesis and witness share.

use crate::{
    clock::ClockSetting,
    id::{ClientId, LinkId, ReplicaId},
};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// One action of the nemesis, or its undoing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Resets the connections of these links and refuses new ones.
    Cut(Vec<LinkId>),
    /// Keeps the connections of these links, and delivers nothing.
    Stall(Vec<LinkId>),
    /// Changes how these links carry data.
    Degrade(Vec<LinkId>, LinkQuality),
    /// Makes these links whole again.
    Heal(Vec<LinkId>),
    /// Changes a replica's wall clock; monotonic time is never touched.
    Clock(ReplicaId, ClockChange),
    /// Moves a client to another replica.
    Relocate {
        /// Who moves.
        client: ClientId,
        /// Where it goes on.
        to: ReplicaId,
        /// Whether it takes its session token along.
        token: bool,
    },
    /// Kills the process without warning (SIGKILL).
    Kill(ReplicaId),
    /// Starts the process again on what its log holds.
    Restart(ReplicaId),
    /// Stops the process where it stands (SIGSTOP).
    Pause(ReplicaId),
    /// Lets a stopped process go on.
    Resume(ReplicaId),
}

/// How a link carries data when it is neither cut nor stalled. All zero is a perfect link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LinkQuality {
    /// Added to every delivery, microseconds.
    pub latency_us: u64,
    /// A uniform extra delay up to this, microseconds; the order is kept.
    pub jitter_us: u64,
    /// The most bytes that pass in a second; 0 is no bound.
    pub bandwidth_bytes_per_second: u64,
    /// Whole frames lost, per million.
    pub loss_ppm: u32,
    /// Whole frames delivered twice, per million.
    pub duplicate_ppm: u32,
    /// Whole frames delivered after their successor, per million.
    pub reorder_ppm: u32,
}

/// A change of one wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockChange {
    /// The clock stands this far from real time from now on, microseconds.
    Offset {
        /// Ahead when positive.
        us: i64,
    },
    /// The clock jumps by this, microseconds, relative to where it stands.
    Step {
        /// Forwards when positive.
        us: i64,
    },
    /// The clock gains this much from now on, parts per million.
    Drift {
        /// Gains when positive.
        ppm: i64,
    },
    /// The clock stands still.
    Freeze,
    /// The clock is right again.
    Reset,
}

impl ClockChange {
    /// How the clock stands after the change, given how it stood, the real time and the monotonic time, nanoseconds.
    #[must_use]
    pub const fn applied_to(self, setting: ClockSetting, real_ns: i64, monotonic_ns: i64) -> ClockSetting {
        let right = ClockSetting { offset_ns: 0, base_monotonic_ns: 0, drift_ppb: 0, frozen_at_ns: 0 };
        let wall_ns = setting.wall_ns(real_ns, monotonic_ns);
        let off_ns = wall_ns.saturating_sub(real_ns);
        match self {
            Self::Offset { us } => ClockSetting { offset_ns: us.saturating_mul(1000), ..right },
            Self::Step { us } => {
                ClockSetting { offset_ns: off_ns.saturating_add(us.saturating_mul(1000)), ..right }
            }
            Self::Drift { ppm } => ClockSetting {
                offset_ns: off_ns,
                base_monotonic_ns: monotonic_ns,
                drift_ppb: ppm.saturating_mul(1000),
                frozen_at_ns: 0,
            },
            Self::Freeze => ClockSetting { frozen_at_ns: wall_ns, ..right },
            Self::Reset => right,
        }
    }
}

impl Fault {
    /// The kind of the fault, as scenarios and marks spell it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Cut(_) => "cut",
            Self::Stall(_) => "stall",
            Self::Degrade(..) => "degrade",
            Self::Heal(_) => "heal",
            Self::Clock(..) => "clock",
            Self::Relocate { .. } => "relocate",
            Self::Kill(_) => "kill",
            Self::Restart(_) => "restart",
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = |f: &mut fmt::Formatter<'_>, links: &[LinkId]| {
            links.iter().try_for_each(|link| write!(f, " {link}"))
        };
        f.write_str(self.kind())?;
        match self {
            Self::Cut(on) | Self::Stall(on) | Self::Heal(on) | Self::Degrade(on, _) => links(f, on),
            Self::Clock(replica, change) => match change {
                ClockChange::Offset { us } => write!(f, " {replica} {:+} ms", us / 1000),
                ClockChange::Step { us } => write!(f, " {replica} steps {:+} ms", us / 1000),
                ClockChange::Drift { ppm } => write!(f, " {replica} drifts {ppm:+} ppm"),
                ClockChange::Freeze => write!(f, " {replica} freezes"),
                ClockChange::Reset => write!(f, " {replica} is right again"),
            },
            Self::Relocate { client, to, token } => {
                write!(f, " {client} to {to} {} its token", if *token { "with" } else { "without" })
            }
            Self::Kill(replica) | Self::Restart(replica) | Self::Pause(replica) | Self::Resume(replica) => {
                write!(f, " {replica}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_counts_from_where_the_clock_stands_and_a_drift_begins_there() {
        let ahead = ClockChange::Offset { us: 5 }.applied_to(ClockSetting::default(), 100, 0);
        let stepped = ClockChange::Step { us: -8 }.applied_to(ahead, 200, 0);
        assert_eq!(stepped.wall_ns(1000, 0), 1000 - 3000);
        let drifting = ClockChange::Drift { ppm: 1000 }.applied_to(stepped, 300, 1_000_000);
        assert_eq!(drifting.wall_ns(400, 1_000_000), 400 - 3000);
        assert_eq!(drifting.wall_ns(1_000_400, 2_000_000), 1_000_400 - 3000 + 1000);
        assert_eq!(ClockChange::Reset.applied_to(drifting, 9, 9), ClockSetting::default());
    }
}
