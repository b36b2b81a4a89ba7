//! How a witness is read: strictly, and with errors that name the step.

use super::{Digest, Step, Version1};
use alloc::string::ToString;
use core::fmt;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Unexpected, Visitor},
};

/// The version of the format that this build writes and reads.
const VERSION: u64 = 1;

impl Serialize for Version1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            VERSION => Ok(Self),
            found => Err(D::Error::custom(format_args!(
                "the witness has format version {found}, and this build reads version {VERSION}: use the quarrel that \
                 wrote it, or find it anew"
            ))),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = Digest;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a digest of up to 16 hexadecimal digits")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Digest, E> {
                text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

/// The list of steps: an error says in which of them it is.
pub(super) mod steps {
    use super::*;
    use alloc::vec::Vec;
    use serde::de::SeqAccess;

    pub(in crate::witness) fn serialize<S: Serializer>(steps: &[Step], to: S) -> Result<S::Ok, S::Error> {
        steps.serialize(to)
    }

    pub(in crate::witness) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Step>, D::Error> {
        struct Steps;
        impl<'de> Visitor<'de> for Steps {
            type Value = Vec<Step>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the list of steps")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Step>, A::Error> {
                let mut steps: Vec<Step> = Vec::new();
                loop {
                    let number = steps.len() + 1;
                    let in_step = |error: A::Error| A::Error::custom(format_args!("step {number}: {error}"));
                    match items.next_element().map_err(in_step)? {
                        None => return Ok(steps),
                        Some(Step { step: Some(said), .. }) if said as usize != number => {
                            let wrong = A::Error::custom(format_args!("it says that it is step {said}"));
                            return Err(in_step(wrong));
                        }
                        Some(step) => steps.push(step),
                    }
                }
            }
        }
        from.deserialize_seq(Steps)
    }
}
