//! The committed example run: what is said of it holds for this build too, and it names nobody's machine.
//!
//! Made, in an empty folder, with `quarrel run lww-skew --quick --clients 4 --rate 60 --seed 2`; then the run's files
//! were copied without `apply`, `log` and `nodes`, and its path in them was replaced by `results/example`. Where a
//! checker has learned more, make it anew in the same way. Its page is made of these files: `UPDATE=1 cargo test -p
//! quarrel --test example` makes it anew.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/example")
}

fn check(folder: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    command.arg("check").arg(folder).args(["--output", "json"]);
    let output = command.env_remove("CI").env_remove("GITHUB_ACTIONS").output().expect("it can be run");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn the_example_is_judged_as_its_verdict_says() {
    let text = fs::read_to_string(example().join("verdict.json")).unwrap();
    let said: Value = serde_json::from_str(&text).unwrap();
    let checked = check(&example());
    for key in ["verdict", "fates", "anomalies", "properties", "marks", "operations"] {
        assert_eq!(checked["run"][key], said["run"][key], "{key}");
    }
    assert_ne!(said["run"]["fates"]["causal-inversion"], 0, "the example shows lost writes");
}

#[test]
fn the_page_of_the_example_is_what_this_build_makes_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("report.html");
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    let output = command.arg("report").arg(example()).arg("--html").arg(&made).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = fs::read_to_string(made).unwrap();
    let committed = example().join("report.html");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&committed, &made).unwrap();
    }
    // Not `assert_eq`: nobody reads two pages of markup side by side.
    let same = fs::read_to_string(committed).unwrap_or_default() == made;
    assert!(same, "results/example/report.html is not what this build makes: set UPDATE=1 to make it anew");
}

#[test]
fn the_example_is_small_and_has_no_path_of_a_machine() {
    let mut bytes = 0;
    for file in fs::read_dir(example()).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        bytes += text.len();
        for root in ["/home/", "/root/", "/tmp/", "/Users/"] {
            assert!(!text.contains(root), "{} has {root}", path.display());
        }
    }
    assert!(bytes < 250_000, "{bytes} bytes");
}
