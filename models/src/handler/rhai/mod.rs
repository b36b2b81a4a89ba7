//! Handlers as scripts in Rhai: from a file's text to a [`Handler`].
//!
//! The rooms: this one reads what a file says of itself, `engine` is the language with its bounds, `convert` values
//! there and back, `program` the call. It needs `std`, and so stands behind the feature `script`; the core sees the
//! trait [`Program`](super::Program) only. Nothing in it reads a clock, draws a number or looks outside: what a script
//! makes of a conflict depends on its text and on the conflict.

mod convert;
mod engine;
mod program;

pub use engine::{MOST_ITEMS, MOST_STEPS, MOST_TEXT};

use super::{
    Handler, Schema,
    script::{Old, RunSite, Script},
};
use crate::fate::Fate;
use alloc::{
    borrow::ToOwned,
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;
use program::{Form, RhaiProgram};
use rhai::{AST, Array, Engine, EvalAltResult, Position, Scope};
use std::sync::{Mutex, PoisonError};

/// The longest text of a handler, bytes.
const MOST_SOURCE: usize = 64 * 1024;

/// A file that is no handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The line, from 1, if it is somewhere.
    pub line: Option<usize>,
    /// The column, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub help: String,
}

impl LoadError {
    fn of(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { line: None, column: None, what: what.into(), help: help.into() }
    }

    fn at(self, position: Position) -> Self {
        Self { line: position.line(), column: position.position(), ..self }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}")?;
            if let Some(column) = self.column {
                write!(f, ", column {column}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}; {}", self.what, self.help)
    }
}

impl core::error::Error for LoadError {}

/// The handler of a file with this text. One that was loaded before is not loaded again.
///
/// # Errors
/// [`LoadError`] if the text is no handler.
pub fn load_once(file: &str, text: &str, old: Option<Old>) -> Result<Handler, LoadError> {
    static LOADED: Mutex<Vec<Handler>> = Mutex::new(Vec::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let same = |handler: &&Handler| {
        matches!(handler, Handler::Script(script)
            if script.file == file && script.text == text && script.old == old)
    };
    if let Some(known) = loaded.iter().find(same) {
        return Ok(*known);
    }
    let mut script = read(file, text)?;
    script.old = old;
    let handler = script.publish();
    loaded.push(handler);
    Ok(handler)
}

/// What a handler file says of itself, and what runs it.
///
/// # Errors
/// [`LoadError`] if the text is no handler.
pub fn read(file: &str, text: &str) -> Result<Script, LoadError> {
    if text.len() > MOST_SOURCE {
        let what = format!("the file has {} bytes; a handler has at most {MOST_SOURCE}", text.len());
        return Err(LoadError::of(what, "write less: a handler is a page"));
    }
    let mut engine = engine::bounded();
    let ast = engine.compile(text).map_err(|error| {
        let position = error.position();
        LoadError::of(error.err_type().to_string(), mend(&error.err_type().to_string())).at(position)
    })?;
    let header = Header::read(&engine, &ast)?;
    let form = form(&ast)?;
    engine::seal(&mut engine);
    let wants_base = matches!(form, Form::Merge { base: true }) || header.base;
    if wants_base && header.site != RunSite::Write {
        let what = format!("a handler whose site is \"{}\" has no base", header.site.name());
        return Err(LoadError::of(what, "write `fn merge(left, right)`, or `const SITE = \"write\";`"));
    }
    Ok(Script {
        name: header.name,
        file: file.to_owned(),
        text: text.to_owned(),
        site: header.site,
        workload: header.workload,
        wants_base,
        permits: header.permits,
        program: Some(Box::new(RhaiProgram::new(engine, ast, form, header.workload, wants_base))),
        old: None,
    })
}

fn mend(message: &str) -> &'static str {
    let rules = [
        ("';'", "end the statement with `;`"),
        ("')'", "close the bracket with `)`"),
        ("'}'", "close the block with `}`"),
        ("']'", "close the array with `]`"),
        ("End of script", "something that was opened is not closed: look for a missing `}` or `)`"),
        ("reserved", "handlers have no clock, no I/O and no `eval`: take what you need from the versions"),
        ("import", "a handler is one file: write the function here"),
    ];
    let rule = rules.iter().find(|(part, _)| message.contains(part));
    rule.map_or("`quarrel handler new --template set` shows a handler that works", |(_, help)| help)
}

/// Which functions the file has.
fn form(ast: &AST) -> Result<Form, LoadError> {
    let mut found = None;
    for function in ast.iter_functions() {
        let form = match (function.name, function.params.len()) {
            ("merge", 2) => Form::Merge { base: false },
            ("merge", 3) => Form::Merge { base: true },
            ("resolve", 1) => Form::Resolve,
            ("merge", n) => {
                let what = format!("`merge` takes {n} arguments");
                return Err(LoadError::of(
                    what,
                    "write `fn merge(left, right)` or `fn merge(left, right, base)`",
                ));
            }
            ("resolve", n) => {
                let what = format!("`resolve` takes {n} arguments");
                return Err(LoadError::of(what, "write `fn resolve(conflict)`"));
            }
            _ => continue,
        };
        if found.replace(form).is_some() {
            return Err(LoadError::of("the file says twice how to merge", "keep one of the functions"));
        }
    }
    found.ok_or_else(|| {
        let help = "write `fn merge(left, right) { ... }`, `fn merge(left, right, base) { ... }` or `fn resolve(conflict) { ... }`";
        LoadError::of("the function that merges is missing", help)
    })
}

/// The constants at the top of the file.
struct Header {
    name: String,
    site: RunSite,
    workload: Schema,
    base: bool,
    permits: Vec<Fate>,
}

impl Header {
    fn read(engine: &Engine, ast: &AST) -> Result<Self, LoadError> {
        let mut scope = Scope::new();
        engine.run_ast_with_scope(&mut scope, ast).map_err(|error: Box<EvalAltResult>| {
            let position = error.position();
            let what = format!("the constants of the file cannot be worked out: {error}");
            LoadError::of(what, "outside of functions write constants only").at(position)
        })?;
        let text = |name: &str| scope.get(name).and_then(|value| value.clone().into_string().ok());
        let named = |name: &str, help: &str| {
            text(name).ok_or_else(|| LoadError::of(format!("the constant `{name}` is missing"), help))
        };
        let name = named("NAME", "write `const NAME = \"my-handler\";` at the top")?;
        let well = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !well || Handler::ALL.iter().any(|built_in| built_in.name() == name) {
            let what = format!("`{name}` is no name for a handler");
            let help = "take lower-case letters, digits and hyphens, and no built-in handler's name";
            return Err(LoadError::of(what, help));
        }
        let site = text("SITE").unwrap_or_else(|| RunSite::Write.name().to_owned());
        let site = RunSite::ALL.into_iter().find(|known| known.name() == site).ok_or_else(|| {
            let what = format!("`{site}` is no place where a handler runs");
            LoadError::of(what, "write `const SITE = \"write\";`, `\"in-place\"` or `\"read\"`")
        })?;
        let names: Vec<&str> = Schema::ALL.iter().map(|schema| schema.name()).collect();
        let help = format!("write `const WORKLOAD = \"set\";`; there are {}", names.join(", "));
        let workload = named("WORKLOAD", &help)?;
        let workload = Schema::ALL
            .into_iter()
            .find(|known| known.name() == workload)
            .ok_or_else(|| LoadError::of(format!("there is no workload `{workload}`"), help.clone()))?;
        let base = scope.get("BASE").is_some_and(|value| value.as_bool() == Ok(true));
        let permits = permits(&scope)?;
        Ok(Self { name, site, workload, base, permits })
    }
}

/// The losing fates that the file says that it may cause.
fn permits(scope: &Scope<'_>) -> Result<Vec<Fate>, LoadError> {
    let Some(listed) = scope.get("PERMITS") else { return Ok(Vec::new()) };
    let losing: Vec<&str> = Fate::ALL.iter().filter(|fate| fate.is_loss()).map(|fate| fate.name()).collect();
    let wrong = |what: String| {
        let help =
            format!("write `const PERMITS = [\"concurrent-discard\"];`; there are {}", losing.join(", "));
        LoadError::of(what, help)
    };
    let listed =
        listed.clone().try_cast::<Array>().ok_or_else(|| wrong("`PERMITS` is no array".to_owned()))?;
    let mut permits = Vec::new();
    for fate in listed {
        let name = fate.into_string().unwrap_or_default();
        let fate = Fate::ALL.into_iter().find(|fate| fate.is_loss() && fate.name() == name);
        permits.push(fate.ok_or_else(|| wrong(format!("`{name}` is no fate of a lost write")))?);
    }
    Ok(permits)
}

#[cfg(test)]
mod tests;
