//! The pages in a real browser: what they say, whether they can be used, and that they ask for nothing.
//!
//! Skipped aloud where there is no browser. `QUARREL_SHOTS=DIR` keeps pictures of the pages.

mod webdriver;

use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::{TempDir, tempdir};
use webdriver::Browser;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

fn quarrel() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    command.stdin(Stdio::null()).env_remove("CI").env_remove("GITHUB_ACTIONS").env_remove("QUARREL_SHOTS");
    command
}

/// A run of real processes, with its page.
struct Run {
    _store: TempDir,
    folder: PathBuf,
    verdict: Value,
}

fn run() -> Run {
    let store = tempdir().expect("a folder");
    let mut command = quarrel();
    command.args(["run", "lww-skew", "--quick", "--seed", "7", "--output", "json", "--results"]);
    let ran = command.arg(store.path()).output().expect("it can be run");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!said.contains("warning"), "{said}");
    let folder = store.path().join("latest").canonicalize().expect("a run");
    let verdict: Value =
        serde_json::from_slice(&fs::read(folder.join("verdict.json")).expect("a verdict")).expect("in JSON");
    Run { _store: store, folder, verdict }
}

fn address(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn fate(verdict: &Value, name: &str) -> u64 {
    verdict["run"]["fates"][name].as_u64().expect("it is there")
}

fn acknowledged(verdict: &Value) -> u64 {
    verdict["run"]["fates"].as_object().expect("it is there").values().filter_map(Value::as_u64).sum()
}

fn figure(text: &str) -> u64 {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no figure in {text:?}"))
}

/// The page says what the verdict says, and its filters work.
async fn the_figures_are_those_of_the_verdict(browser: &Browser, run: &Run) {
    let row = |fate: &str| {
        format!(
            "const row = [...document.querySelectorAll('#fates tbody tr')].find(r => r.innerText.includes('{fate}')); \
             return row && row.querySelector('td').innerText"
        )
    };
    for name in ["visible", "superseded", "causal-inversion"] {
        let shown = browser.run(&row(name)).await;
        assert_eq!(figure(shown.as_str().unwrap_or("0")), fate(&run.verdict, name), "{name}");
    }
    let all = acknowledged(&run.verdict);
    let count = |text: String| figure(text.split(" of ").next().expect("it is there"));
    assert_eq!(count(browser.text("#ledger-count").await), all);
    browser.click("#ledger-fate option[value='causal-inversion']").await;
    let lost = fate(&run.verdict, "causal-inversion");
    assert!(lost > 0, "the scenario loses writes");
    assert_eq!(count(browser.text("#ledger-count").await), lost);
    let others = "return [...document.querySelectorAll('#ledger-table tbody tr')].filter(r => !r.innerText.includes('causal-inversion')).length";
    assert_eq!(browser.run(others).await, 0);
    browser.click("#ledger-fate option[value='']").await;
    // A search for the write that the first example is about finds it.
    let sentence = browser.text("#case-0 .sentence").await;
    let write = sentence.split(' ').next().expect("it is there").to_owned();
    browser.keys("#ledger-search", &write).await;
    assert!(count(browser.text("#ledger-count").await) >= 1);
    assert!(browser.text("#ledger-table tbody").await.contains(&write), "{write}");
}

/// The first example tells which write was lost, to which, and why: in words, in a table and in a diagram.
async fn the_evidence_is_complete(browser: &Browser) {
    let sentence = browser.text("#case-0 .sentence").await;
    let (lost, rest) = sentence.split_once(" (").expect("it is there");
    let won = rest.split_once("lost to ").and_then(|(_, rest)| rest.split(' ').next()).expect("it is there");
    let why = browser.text("#case-0 .why").await;
    assert!(why.contains(lost) && why.contains(won) && why.contains("stamps decided"), "{why}");
    let drawn = browser.run("return document.querySelector('#case-0 .quarrel-diagram').textContent").await;
    let drawn = drawn.as_str().expect("it is there");
    for word in [lost, won, "acknowledged", "discards", "clock"] {
        assert!(drawn.contains(word), "{word} is not in {drawn}");
    }
}

async fn the_ledger_sorts(browser: &Browser) {
    browser.run("document.getElementById('ledger-search').value = ''; document.getElementById('ledger-search').dispatchEvent(new Event('input')); return 0").await;
    let leads = "return [...document.querySelectorAll('#ledger-table tbody tr td:nth-child(5)')].map(c => parseFloat(c.innerText))";
    browser.click("#ledger-table thead th:nth-child(5) button").await;
    for ascending in [true, false] {
        let times: Vec<f64> = browser
            .run(leads)
            .await
            .as_array()
            .expect("it is there")
            .iter()
            .filter_map(Value::as_f64)
            .collect();
        assert!(times.len() > 10);
        let sorted =
            times.windows(2).all(|pair| if ascending { pair[0] <= pair[1] } else { pair[0] >= pair[1] });
        assert!(sorted, "ascending: {ascending}, {times:?}");
        browser.click("#ledger-table thead th:nth-child(5) button").await;
    }
}

/// What does not fit scrolls in its own box: the page itself is never wider than the window.
const OVERFLOW: &str = "
  const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll('body *')].filter(e => {
    if (e.closest('.scroll, pre, nav, .command') && !e.matches('.scroll, pre, nav, .command')) return false;
    const box = e.getBoundingClientRect();
    return box.width > 0 && (box.right > wide + 1 || box.left < -1);
  }).slice(0, 5).map(e => e.tagName + '.' + e.className + ' ' + e.getBoundingClientRect().right);
  return {page: document.documentElement.scrollWidth, wide, out};";

/// Words whose colour is too close to what is behind them, as WCAG counts it.
const CONTRAST: &str = r"
  const parse = c => { const n = c.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3]));
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => { let stack = []; for (let at = e; at; at = at.parentElement) stack.push(parse(getComputedStyle(at).backgroundColor)); let c = [255, 255, 255]; for (const layer of stack.reverse()) c = over(layer, c); return c; };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    if (e.closest('svg') && !e.matches('.plot svg text:not(.on-bar)')) continue;
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const style = getComputedStyle(e);
    if (style.visibility === 'hidden' || !e.getClientRects().length) continue;
    const ground = behind(e), ink = over(parse(e.closest('svg') ? style.fill : style.color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(e.tagName + '.' + e.className.toString() + ' ' + ratio.toFixed(2) + ' ' + e.textContent.slice(0, 30));
  }
  return bad.slice(0, 8);";

async fn the_layout_holds(browser: &Browser, name: &str) {
    for width in [1280, 390] {
        for scheme in ["light", "dark"] {
            browser.surroundings(width, scheme).await;
            let found = browser.run(OVERFLOW).await;
            assert_eq!(found["wide"], width, "the window is as wide as was asked");
            assert_eq!(found["page"], width, "{name} at {width}: {found}");
            assert_eq!(found["out"].as_array().map(Vec::len), Some(0), "{name} at {width}: {found}");
            let pale = browser.run(CONTRAST).await;
            assert_eq!(pale.as_array().map(Vec::len), Some(0), "{name}, {scheme}: {pale}");
            browser.picture(&format!("{name}-{width}-{scheme}")).await;
        }
    }
    let ground = "return getComputedStyle(document.body).backgroundColor";
    let dark = browser.run(ground).await;
    browser.surroundings(1280, "light").await;
    assert_ne!(browser.run(ground).await, dark, "dark differs from light");
}

/// A page that is too wide, too pale and too curious is found to be all three.
async fn these_checks_can_fail(browser: &Browser) {
    browser
        .run(
            "const bad = document.createElement('p');
             bad.textContent = 'pale';
             bad.style = 'width: 3000px; color: #eee; background: #fff';
             document.body.append(bad);
             const picture = new Image();
             picture.src = 'http://127.0.0.1:9/x.png';
             document.body.append(picture);
             return 0",
        )
        .await;
    let found = browser.run(OVERFLOW).await;
    assert!(found["page"].as_u64() >= Some(3000) && found["out"][0].as_str().is_some(), "{found}");
    let pale = browser.run(CONTRAST).await;
    assert!(pale[0].as_str().is_some_and(|text| text.ends_with("pale")), "{pale}");
    let complaints = browser.complaints().await;
    assert!(
        complaints.iter().any(|complaint| complaint.contains("Content Security Policy")),
        "{complaints:?}"
    );
}

/// Everything that scrolls or reacts can be reached by key.
async fn the_keyboard_reaches_everything(browser: &Browser) {
    let lost = "return [...document.querySelectorAll('.scroll, pre')].filter(e => e.tabIndex !== 0 && e.scrollWidth > e.clientWidth).length";
    assert_eq!(browser.run(lost).await, 0);
    browser.run("document.querySelector('nav a').focus(); return 0").await;
    browser.press(TAB).await;
    browser.press(TAB).await;
    let first = browser.run("return document.activeElement.getAttribute('href')").await;
    assert_eq!(first, "#evidence", "two key presses go on by two entries");
    // A folded part opens by key.
    browser.run("document.querySelector('#contract summary').focus(); return 0").await;
    browser.press(ENTER).await;
    assert_eq!(browser.run("return document.querySelector('#contract details').open").await, true);
}

#[tokio::test]
async fn the_page_of_a_run_can_be_read_used_and_trusted() {
    let Some(browser) = Browser::start().await else { return };
    let run = run();
    browser.surroundings(1280, "light").await;
    browser.requests().await;
    let page = address(&run.folder.join("report.html"));
    browser.open(&page).await;
    the_figures_are_those_of_the_verdict(&browser, &run).await;
    the_evidence_is_complete(&browser).await;
    the_ledger_sorts(&browser).await;
    the_layout_holds(&browser, "report").await;
    the_keyboard_reaches_everything(&browser).await;
    let asked = browser.requests().await;
    assert!(asked.iter().all(|url| *url == page || url.starts_with("data:")), "{asked:?}");
    assert!(asked.contains(&page), "requests are seen at all: {asked:?}");
    assert_eq!(browser.complaints().await, [""; 0]);
    these_checks_can_fail(&browser).await;
    // Without scripts the ledger still stands there.
    browser.scripts(false).await;
    browser.open(&page).await;
    let rows = browser.run("return document.querySelectorAll('#ledger-table tbody tr').length").await;
    assert_eq!(rows.as_u64(), Some(acknowledged(&run.verdict).min(100)));
    let hidden = browser.run("return document.getElementById('ledger-controls').hidden").await;
    assert_eq!(hidden, true, "controls that nothing listens to are not shown");
    browser.end().await;
}

/// `quarrel runs serve`, until it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_store_can_be_browsed_and_runs_compared() {
    let Some(browser) = Browser::start().await else { return };
    let store = tempdir().unwrap();
    for scenario in ["smoke", "lww-hybrid"] {
        let mut command = quarrel();
        command.args(["run", scenario, "--quick", "--seed", "7", "--results"]).arg(store.path());
        assert!(command.output().unwrap().status.code() != Some(2));
    }
    let mut command = quarrel();
    command.args(["runs", "serve", "--results"]).arg(store.path()).stdout(Stdio::piped());
    let mut server = Server(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let root = line.trim().to_owned();
    browser.requests().await;
    browser.open(&root).await;
    the_layout_holds(&browser, "list").await;
    browser.click("select[name=scenario] option[value=smoke]").await;
    browser.click("form.controls button").await;
    browser.until("location.search.includes('scenario=smoke')").await;
    assert_eq!(browser.run("return document.querySelectorAll('tbody tr').length").await, 1);
    browser.click("tbody a").await;
    browser.until("document.getElementById('scenario')").await;
    assert_eq!(browser.text("#scenario").await, "smoke");
    browser.click("#environment a[href='history.jsonl']").await;
    browser.until("location.pathname.endsWith('history.jsonl')").await;
    assert!(browser.text("body").await.starts_with("{\"quarrel\":\"history\""));
    browser.open(&root).await;
    for n in 1..=2 {
        browser.click(&format!("tbody tr:nth-child({n}) input")).await;
    }
    browser.click("#runs button").await;
    browser.until("location.pathname === '/compare'").await;
    assert_eq!(browser.text("h1").await, "Runs side by side");
    let verdicts = browser.run("return document.querySelectorAll('#matrix tbody .sign').length").await;
    assert_eq!(verdicts, 2);
    the_layout_holds(&browser, "compare").await;
    let asked = browser.requests().await;
    assert!(asked.iter().all(|url| url.starts_with(&root) || url.starts_with("data:")), "{asked:?}");
    assert_eq!(browser.complaints().await, [""; 0]);
    browser.end().await;
}
