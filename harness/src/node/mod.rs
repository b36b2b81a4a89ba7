//! The live node: the shell around one [`Replica`], as a process of its own.
//!
//! The binary starts itself again as the hidden subcommand `node`. A node listens on loopback only, says where on
//! standard output, and ends when its standard input does: nodes do not outlive the harness, however that ends.

mod frame;
mod http;
mod log;
mod peers;
mod shell;
mod spec;
mod stepped;

pub use frame::MAX_FRAME_BYTES;
pub(crate) use frame::{Forward, FrameReader, Handshake, encode};
pub use http::{MAX_KEY_BYTES, MAX_PAGE, RecordReply, RecordRequest, SECRET_HEADER};
pub use log::{LogError, Recovered, WriteAheadLog};
pub use shell::{StatePage, Status};
pub use spec::{Listening, NodeSpec};
pub use stepped::{Look, Order};

use crate::clock_file::ClockReader;
use anyhow::Context as _;
use quarrel_models::{
    id::LinkId,
    replica::{Config, Replica},
    strategy::Strategy,
    topology::TopologyError,
};
use quarrel_workloads::scenario::{Cluster, Durability};
use rustix::process::Signal;
use shell::{ApplyLog, Command, Shell};
use std::{io::Write as _, net::Ipv4Addr, path::Path, sync::Arc, time::Duration};
use tokio::{io::AsyncReadExt as _, net::TcpListener, sync::mpsc};

/// Log positions that a leader reserves at a time when it may lose the tail of its log: more than it can fill before
/// the reservation is on disk, and few enough that 32 bits last for a hundred thousand restarts.
const RESERVE: u32 = 40_000;
/// Commands that wait for the shell.
const COMMAND_QUEUE: usize = 4096;

/// Runs a node until it is told to stop or its standard input ends.
///
/// # Errors
/// If the specification, a file or a port cannot be used.
pub fn run(spec_file: &Path) -> anyhow::Result<()> {
    die_with_parent();
    let text = std::fs::read(spec_file).with_context(|| format!("cannot read {}", spec_file.display()))?;
    let spec: NodeSpec =
        serde_json::from_slice(&text).with_context(|| format!("{} is no node spec", spec_file.display()))?;
    // One thread: the replica is one state machine, and the machine's cores are shared by all nodes and the harness.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(spec));
    // The reader of standard input may never return; nothing waits for it.
    runtime.shutdown_background();
    ended
}

/// A second string to the end of standard input: it also reaches a node that is stopped.
fn die_with_parent() {
    #[cfg(target_os = "linux")]
    // Where it is not to be had, the end of standard input serves.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

async fn serve(spec: NodeSpec) -> anyhow::Result<()> {
    let stepped = spec.stepped.is_some();
    let clock = if stepped { ClockReader::open_stepped(&spec.clock) } else { ClockReader::open(&spec.clock) };
    let clock = clock.context("cannot open the clock file")?;
    let apply_log = ApplyLog::open(spec.apply.as_deref()).context("cannot open the apply log")?;
    let (log, recovered) = WriteAheadLog::open(&spec.log, spec.cluster.durability)?;
    if recovered.torn_bytes > 0 {
        note(format_args!(
            "{}: cut {} bytes of a torn record off the log",
            spec.replica, recovered.torn_bytes
        ));
    }
    let (config, records) = (Arc::new(config_of(&spec)?), recovered.records.len());
    let replica = Replica::recover(config, spec.replica, recovered.records)?;
    let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let replication = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let listening = Listening { http: http.local_addr()?, replication: replication.local_addr()? };

    let (commands, queue) = mpsc::channel(COMMAND_QUEUE);
    for (&to, &address) in &spec.peers {
        let link = LinkId { from: spec.replica, to };
        tokio::spawn(peers::keep_connected(link, address, spec.secret.clone(), commands.clone()));
    }
    tokio::spawn(peers::accept(replication, spec.replica, spec.secret.clone(), commands.clone()));
    let router = http::router(commands, &spec.secret, stepped);
    let server = tokio::spawn(async move {
        use axum::serve::ListenerExt as _;
        let http = http.tap_io(|stream| {
            // Without it small answers wait for more; a connection that is gone already needs none.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(http, router).await
    });
    announce(listening)?;
    tokio::select! {
        ended = work(Shell::new(replica, clock, log, records, apply_log), queue, stepped) => {
            ended.context("the node can no longer keep what it acknowledges")?;
            // Give the answer to the shutdown time to leave.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ended = server => ended??,
        () = end_of_input() => {}
    }
    Ok(())
}

async fn work(shell: Shell, queue: mpsc::Receiver<Command>, stepped: bool) -> std::io::Result<()> {
    if stepped { shell.run_stepped(queue).await } else { shell.run(queue).await }
}

/// The core's configuration for a node of this cluster.
fn config_of(spec: &NodeSpec) -> Result<Config, TopologyError> {
    match &spec.stepped {
        Some(cluster) => cluster.config(),
        None => live_config(&spec.cluster, &spec.strategy),
    }
}

/// The core's configuration for a node of a live run.
///
/// # Errors
/// If the cluster cannot deliver.
pub(crate) fn live_config(cluster: &Cluster, strategy: &Strategy) -> Result<Config, TopologyError> {
    let token_wait_us = u64::try_from(cluster.token_wait.duration().as_micros()).unwrap_or(u64::MAX);
    // Whether acknowledged writes may be lost when the process is killed.
    let may_lose_its_tail = matches!(cluster.durability, Durability::None);
    Ok(Config {
        token_wait_us,
        home_wait_us: token_wait_us,
        reserve: if may_lose_its_tail { RESERVE } else { 0 },
        ..Config::new(cluster.graph()?, strategy.clone())
    })
}

fn announce(listening: Listening) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(&listening)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    Ok(out.flush()?)
}

/// Standard error is the node's log, kept by the runner. A log that cannot be written stops nobody.
fn note(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

async fn end_of_input() {
    let mut input = tokio::io::stdin();
    let mut bytes = [0; 64];
    while matches!(input.read(&mut bytes).await, Ok(1..)) {}
}
