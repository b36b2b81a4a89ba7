//! The language with its bounds.

use super::convert::{from_dynamic, to_dynamic};
use crate::value::Value;
use alloc::{boxed::Box, collections::BTreeSet, string::String};
use rhai::{
    Array, Dynamic, Engine, EvalAltResult, Position,
    packages::{
        ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
        BasicMathPackage, BasicStringPackage, LogicPackage, MoreStringPackage, Package as _,
    },
};

/// The most steps of one call. Time follows from it, and it is the same on every machine; a deadline would not be.
pub const MOST_STEPS: u64 = 20_000;
/// The most items of an array or a map, with all that is inside. The language counts them anew at every change, so that
/// much more would make a growing array slow.
pub const MOST_ITEMS: usize = 1_000;
/// The longest string, bytes.
pub const MOST_TEXT: usize = 8 * 1024;
/// How deeply functions may call each other.
const MOST_CALLS: usize = 16;
/// How deeply expressions may nest.
const MOST_LEVELS: usize = 32;
/// The most variables at a time.
const MOST_VARIABLES: usize = 64;

/// What `refuse` throws.
#[derive(Debug, Clone)]
pub(super) struct Refusal(pub(super) String);

/// An engine without clock, I/O and evaluation of texts, and with bounds.
pub(super) fn bounded() -> Engine {
    let mut engine = Engine::new_raw();
    // One by one: the package of the language's core would bring `sleep`.
    engine.register_global_module(ArithmeticPackage::new().as_shared_module());
    engine.register_global_module(LogicPackage::new().as_shared_module());
    engine.register_global_module(BasicMathPackage::new().as_shared_module());
    engine.register_global_module(BasicIteratorPackage::new().as_shared_module());
    engine.register_global_module(BasicFnPackage::new().as_shared_module());
    engine.register_global_module(BasicStringPackage::new().as_shared_module());
    engine.register_global_module(MoreStringPackage::new().as_shared_module());
    engine.register_global_module(BasicArrayPackage::new().as_shared_module());
    engine.register_global_module(BasicMapPackage::new().as_shared_module());
    for symbol in ["eval", "print", "debug"] {
        engine.disable_symbol(symbol);
    }
    engine.set_max_operations(MOST_STEPS);
    engine.set_max_array_size(MOST_ITEMS);
    engine.set_max_map_size(MOST_ITEMS);
    engine.set_max_string_size(MOST_TEXT);
    engine.set_max_call_levels(MOST_CALLS);
    engine.set_max_expr_depths(MOST_LEVELS, MOST_LEVELS);
    engine.set_max_variables(MOST_VARIABLES);
    engine.set_max_functions(64);
    engine.register_type_with_name::<Refusal>("refusal");
    engine.register_fn("refuse", |why: &str| -> Result<Dynamic, Box<EvalAltResult>> {
        Err(EvalAltResult::ErrorRuntime(Dynamic::from(Refusal(why.into())), Position::NONE).into())
    });
    register_sets(&mut engine);
    engine
}

/// What is done once the file has been read: constants were worked out with a bound of their own.
pub(super) fn seal(engine: &mut Engine) {
    engine.set_fast_operators(true);
}

type Fallible = Result<Array, Box<EvalAltResult>>;

/// Arrays as sets: sorted, each item once.
fn register_sets(engine: &mut Engine) {
    engine.register_fn("union", |a: Array, b: Array| -> Fallible {
        let mut all = set(a)?;
        all.append(&mut set(b)?);
        Ok(array(&all))
    });
    engine.register_fn("without", |a: Array, b: Array| -> Fallible {
        let taken = set(b)?;
        let mut kept = set(a)?;
        kept.retain(|item| !taken.contains(item));
        Ok(array(&kept))
    });
    engine.register_fn("common", |a: Array, b: Array| -> Fallible {
        let other = set(b)?;
        let mut both = set(a)?;
        both.retain(|item| other.contains(item));
        Ok(array(&both))
    });
    engine.register_fn("sorted", |a: Array| -> Fallible { Ok(array(&set(a)?)) });
    // Who holds a slot of a calendar: nobody, one, or several.
    engine.register_fn("holders", |field: Dynamic| -> Fallible {
        if field.is_unit() {
            return Ok(Array::new());
        }
        let held = if field.is_array() { field.cast::<Array>() } else { Array::from([field]) };
        Ok(array(&set(held)?))
    });
}

fn set(items: Array) -> Result<BTreeSet<Value>, Box<EvalAltResult>> {
    items.into_iter().map(|item| from_dynamic(item).map_err(Into::into)).collect()
}

fn array(items: &BTreeSet<Value>) -> Array {
    items.iter().map(to_dynamic).collect()
}
