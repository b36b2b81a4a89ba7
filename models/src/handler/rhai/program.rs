//! The call of a script.

use super::{
    convert::{from_dynamic, optional, to_dynamic},
    engine::Refusal,
};
use crate::{
    handler::{
        Conflict, Refused, RefusedKind, Resolution, Schema,
        past::{base_of_all, fold},
        script::Program,
    },
    value::Value,
    version::Version,
};
use alloc::{boxed::Box, format, string::ToString};
use core::fmt;
use rhai::{AST, Array, CallFnOptions, Dynamic, Engine, EvalAltResult, FuncArgs, Map, Scope};
use smol_str::SmolStr;

/// How the file merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Two sides at a time, perhaps with what both were made from.
    Merge { base: bool },
    /// All versions at once.
    Resolve,
}

pub(super) struct RhaiProgram {
    engine: Engine,
    ast: AST,
    form: Form,
    schema: Schema,
    wants_base: bool,
}

impl fmt::Debug for RhaiProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RhaiProgram").field("form", &self.form).field("schema", &self.schema).finish()
    }
}

type Answer = Result<Option<Value>, Refused>;

impl RhaiProgram {
    pub(super) const fn new(engine: Engine, ast: AST, form: Form, schema: Schema, wants_base: bool) -> Self {
        Self { engine, ast, form, schema, wants_base }
    }

    fn call(&self, function: &str, arguments: impl FuncArgs) -> Answer {
        let options = CallFnOptions::new().eval_ast(false).rewind_scope(false);
        let said: Result<Dynamic, Box<EvalAltResult>> =
            self.engine.call_fn_with_options(options, &mut Scope::new(), &self.ast, function, arguments);
        let said = said.map_err(|error| refused(&error))?;
        if said.is_unit() {
            return Ok(None);
        }
        let shaped = from_dynamic(said).and_then(|value| self.schema.shape(value));
        shaped.map(Some).map_err(|what| {
            let why = format!("`{function}` returned what is no {}: {what}", self.schema.name());
            Refused::new(RefusedKind::WrongKind, why)
        })
    }

    fn two(&self, left: Option<&Value>, right: Option<&Value>, base: Option<&Value>) -> Answer {
        let (left, right) = (optional(left), optional(right));
        if self.wants_base {
            self.call("merge", (left, right, optional(base)))
        } else {
            self.call("merge", (left, right))
        }
    }

    fn all(&self, conflict: &Conflict<'_>) -> Answer {
        let base = if self.wants_base {
            // Where the base is to be made of several versions, they are a conflict of their own without a base.
            let mut step = |left: Option<&Value>, right: Option<&Value>, _: Option<&Value>| {
                if left == right {
                    return Ok(left.cloned());
                }
                Err(Refused::new(RefusedKind::NoBase, "the sides were merged on their own"))
            };
            base_of_all(conflict.versions, conflict.past, &mut step)?
        } else {
            None
        };
        let versions: Array = conflict.versions.iter().map(version).collect();
        let entries = [
            ("key", Dynamic::from(rhai::ImmutableString::from(conflict.key.as_str()))),
            ("base", optional(base.as_ref())),
            ("versions", Dynamic::from_array(versions)),
        ];
        let conflict: Map = entries.into_iter().map(|(name, value)| (name.into(), value)).collect();
        self.call("resolve", (conflict,))
    }
}

fn version(version: &Version) -> Dynamic {
    let entries = [
        ("value", version.value.as_ref().map_or(Dynamic::UNIT, to_dynamic)),
        ("deleted", Dynamic::from_bool(version.value.is_none())),
        ("stamp", Dynamic::from_int(version.stamp.time_us)),
        ("origin", Dynamic::from(version.dot.origin.to_string())),
        ("write", Dynamic::from(version.write.to_string())),
    ];
    Dynamic::from_map(entries.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>())
}

impl Program for RhaiProgram {
    fn resolve(&self, conflict: &Conflict<'_>) -> Resolution {
        let said = match self.form {
            Form::Resolve => self.all(conflict),
            Form::Merge { .. } => {
                fold(conflict.versions, conflict.past, &mut |left, right, base| self.two(left, right, base))
            }
        };
        said.into()
    }

    fn merge(&self, left: Option<&Value>, right: Option<&Value>, base: Option<&Value>) -> Option<Answer> {
        matches!(self.form, Form::Merge { .. }).then(|| self.two(left, right, base))
    }
}

/// What became of a call that did not return.
fn refused(error: &EvalAltResult) -> Refused {
    let position = error.position();
    let place = match (position.line(), position.position()) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: "),
        (Some(line), None) => format!("line {line}: "),
        _ => "".to_string(),
    };
    let inner = error.unwrap_inner();
    let kind = match inner {
        EvalAltResult::ErrorRuntime(thrown, _) => {
            if let Some(Refusal(why)) = thrown.read_lock::<Refusal>().as_deref() {
                return Refused::new(RefusedKind::Refused, SmolStr::from(why.as_str()));
            }
            RefusedKind::Failed
        }
        EvalAltResult::ErrorTooManyOperations(_)
        | EvalAltResult::ErrorDataTooLarge(..)
        | EvalAltResult::ErrorStackOverflow(_)
        | EvalAltResult::ErrorTooManyVariables(_)
        | EvalAltResult::ErrorTerminated(..) => RefusedKind::Limit,
        _ => RefusedKind::Failed,
    };
    let words = inner.to_string();
    // The position stands in front.
    let words = words.split(" (line ").next().unwrap_or_default();
    Refused::new(kind, format!("{place}{words}"))
}
