//! Runs in a browser: `quarrel runs open` and `quarrel runs serve`.

use super::{World, report, runs};
use crate::{
    exit::{Exit, Failure},
    report::html,
    store::Store,
    viewer,
};
use std::process::{Command, Stdio};

/// Only people at a terminal have a browser to look at.
pub(super) fn open(store: &Store, name: &str, world: &mut World<'_>) -> Result<Exit, Failure> {
    let entry = report::finished(runs::find(store, name)?)?;
    let page = entry.path.join("report.html");
    if !page.exists() {
        report::write(&page, &html::of_folder(&entry.path)?)?;
    }
    writeln!(world.out, "{}", page.display())?;
    if world.surroundings.terminal_err && !world.surroundings.ci {
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let silent = || Stdio::null();
        let started =
            Command::new(opener).arg(&page).stdin(silent()).stdout(silent()).stderr(silent()).spawn();
        if let Err(error) = started {
            writeln!(world.err, "warning: {opener} cannot be run ({error}): open the page by hand")?;
        }
    }
    Ok(Exit::Success)
}

/// Serves the store until the program is ended.
pub(super) fn serve(port: u16, store: Store, world: &mut World<'_>) -> Result<Exit, Failure> {
    let cannot = |error: std::io::Error| {
        let message = format!("cannot serve on port {port} of 127.0.0.1: {error}");
        Failure::environment(message, "choose another port with --port, or 0 for a free one")
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(cannot)?;
    runtime.block_on(async {
        let listener = viewer::listen(port).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        writeln!(world.out, "http://{address}/")?;
        world.out.flush()?;
        viewer::serve(listener, store).await.map_err(cannot)
    })?;
    Ok(Exit::Success)
}
