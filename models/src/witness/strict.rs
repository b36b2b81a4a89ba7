//! Types that other files read with tolerance, read without: in a witness a field that nobody knows is a mistake.

use crate::{
    clock::Stamp,
    fault::{ClockChange, Fault, LinkQuality},
    id::{ClientId, LinkId, ReplicaId},
    operation::Operation,
    value::Value,
};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The mirror of [`Operation`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "Operation", rename_all = "kebab-case", deny_unknown_fields)]
enum StrictOperation {
    Read,
    Put(Value),
    Delete,
    Add(i64),
    Insert(Value),
    Remove(Value),
    Append(Value),
    Claim { field: SmolStr, value: Value },
    Release { field: SmolStr, value: Value },
    Move { from: SmolStr, to: SmolStr, value: Value },
}

/// The mirror of [`Fault`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "Fault", rename_all = "kebab-case", deny_unknown_fields)]
enum StrictFault {
    Cut(Vec<LinkId>),
    Stall(Vec<LinkId>),
    Degrade(Vec<LinkId>, LinkQuality),
    Heal(Vec<LinkId>),
    Clock(ReplicaId, #[serde(with = "StrictClockChange")] ClockChange),
    Relocate { client: ClientId, to: ReplicaId, token: bool },
    Kill(ReplicaId),
    Restart(ReplicaId),
    Pause(ReplicaId),
    Resume(ReplicaId),
}

/// The mirror of [`ClockChange`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "ClockChange", rename_all = "kebab-case", deny_unknown_fields)]
enum StrictClockChange {
    Offset { us: i64 },
    Step { us: i64 },
    Drift { ppm: i64 },
    Freeze,
    Reset,
}

/// The mirror of [`Stamp`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "Stamp", deny_unknown_fields)]
struct StrictStamp {
    #[serde(rename = "us")]
    time_us: i64,
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    logical: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

macro_rules! strictly {
    ($module:ident, $type:ty, $mirror:ty) => {
        pub(super) mod $module {
            use super::*;
            use serde::{Deserializer, Serializer};

            pub(in crate::witness) fn serialize<S: Serializer>(
                value: &$type,
                to: S,
            ) -> Result<S::Ok, S::Error> {
                <$mirror>::serialize(value, to)
            }

            pub(in crate::witness) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<$type, D::Error> {
                <$mirror>::deserialize(from)
            }
        }
    };
}

strictly!(operation, Operation, StrictOperation);
strictly!(fault, Fault, StrictFault);
strictly!(stamp, Stamp, StrictStamp);
