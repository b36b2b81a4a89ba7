//! What recording, replicating and judging cost: recorded operations per second against a bare reqwest-to-axum loop
//! in the same run. `cargo bench --bench throughput`.
//!
//! Three leaders, all-to-all, 64 clients, closed loop, half reads, no durability, batched replication; once with every
//! link through a proxy, once with replication links only. The bare loop is the same clients and bodies against three
//! axum servers in one other process that hold a value a key and do nothing else. Rounds are interleaved, and the
//! ratios of one round are compared with each other: machines are noisy.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use anyhow::{Context as _, Result};
use axum::{Json, Router, extract::Path, routing::post};
use quarrel::{
    node::{RecordReply, RecordRequest},
    runner::{Interrupt, Live, RunRequest, run},
};
use quarrel_models::{
    id::{ClientId, Dot, ReplicaId},
    message::{Parents, ReadView, Written},
    operation::Operation,
    value::Value,
    version::VersionVector,
};
use quarrel_workloads::{scenario::Scenario, workload::Generator};
use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::Path as FilePath,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const ROUNDS: usize = 3;
const LENGTH: Duration = Duration::from_secs(4);
const CLIENTS: u32 = 64;
/// The bare servers are this program again, with this variable set.
const SERVE: &str = "QUARREL_BENCH_SERVE";

const SCENARIO: &str = r#"
name = "throughput"
[cluster]
leaders = 3
durability = "none"
proxy_clients = PROXY
[strategy.lww]
clock = "hybrid"
[workload.register]
keys = 64
read_share = 0.5
[clients]
count = 64
think = "0s"
[phases]
warm_up = "500ms"
storm = "4s"
recovery = "0s"
"#;

fn main() -> Result<()> {
    if std::env::var_os(SERVE).is_some() {
        return serve();
    }
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    println!(
        "{CLIENTS} clients, closed loop, half reads, 3 leaders all-to-all, durability none, {ROUNDS} rounds"
    );
    println!(
        "{:>8} {:>12} {:>22} {:>22}",
        "round", "bare ops/s", "replication proxied", "every link proxied"
    );
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 1..=ROUNDS {
        let bare = bare()?;
        let mut columns = Vec::new();
        for (kind, proxy_clients) in [(0, false), (1, true)] {
            let recorded = recorded(proxy_clients)?;
            ratios[kind].push(recorded / bare);
            columns.push(format!("{recorded:>12.0} ({:.2})", recorded / bare));
        }
        println!("{round:>8} {bare:>12.0} {:>22} {:>22}", columns[0], columns[1]);
    }
    for (kind, goal, what) in [(0, 0.60, "client links direct"), (1, 0.45, "every link proxied")] {
        ratios[kind].sort_by(f64::total_cmp);
        println!("median ratio, {what}: {:.2} (goal {goal:.2})", ratios[kind][ROUNDS / 2]);
    }
    Ok(())
}

/// Recorded operations per second of a run's storm.
fn recorded(proxy_clients: bool) -> Result<f64> {
    let scenario: Scenario = toml::from_str(&SCENARIO.replace("PROXY", &proxy_clients.to_string()))?;
    let folder = tempfile::tempdir()?;
    let request = RunRequest {
        scenario,
        seed: 1,
        folder: folder.path().to_owned(),
        program: FilePath::new(env!("CARGO_BIN_EXE_quarrel")).to_owned(),
        live: Arc::new(Live::new("throughput")),
        interrupt: Interrupt::new(),
    };
    run(&request)?;
    storm_rate(&folder.path().join("history.jsonl"))
}

/// Counts the completions between the phases `storm` and `heal`.
fn storm_rate(history: &FilePath) -> Result<f64> {
    use quarrel_workloads::history::{Event, Phase, Reader};
    let reader = Reader::new(BufReader::with_capacity(1 << 20, std::fs::File::open(history)?))?;
    let (mut began, mut ended, mut count) = (None, None, 0_u64);
    for event in reader {
        match event? {
            Event::Phase { t, phase: Phase::Storm } => began = Some(t),
            Event::Phase { t, phase: Phase::Heal } => ended = Some(t),
            Event::Ok { .. } if began.is_some() && ended.is_none() => count += 1,
            _ => {}
        }
    }
    let (began, ended) = (began.context("no storm")?, ended.context("no heal")?);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    Ok(count as f64 / ((ended - began) as f64 / 1e9))
}

/// Operations per second of the same clients against servers that do nothing.
fn bare() -> Result<f64> {
    let mut server = Command::new(std::env::current_exe()?)
        .env(SERVE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().context("no output")?).read_line(&mut line)?;
    let addresses: Vec<SocketAddr> = serde_json::from_str(&line)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = Arc::new(AtomicU64::new(0));
    let rate = runtime.block_on(async {
        let scenario: Scenario = toml::from_str(&SCENARIO.replace("PROXY", "false"))?;
        let deadline = Instant::now() + LENGTH;
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..CLIENTS {
            let address = addresses[number as usize % addresses.len()];
            clients.spawn(bare_client(
                scenario.clone(),
                ClientId(number),
                address,
                deadline,
                Arc::clone(&done),
            ));
        }
        while let Some(ended) = clients.join_next().await {
            ended??;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        anyhow::Ok(done.load(Ordering::Relaxed) as f64 / LENGTH.as_secs_f64())
    });
    drop(server.stdin.take());
    server.wait()?;
    rate
}

async fn bare_client(
    scenario: Scenario,
    client: ClientId,
    address: SocketAddr,
    deadline: Instant,
    done: Arc<AtomicU64>,
) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(1).build()?;
    let mut generator = Generator::new(&scenario, client, 1);
    while Instant::now() < deadline {
        let operation = generator.next();
        let url = format!("http://{address}/v1/records/{}", operation.key);
        let body = RecordRequest { op: operation.operation, write: None, context: None, token: None };
        let _: RecordReply = http.post(url).json(&body).send().await?.json().await?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Three servers on one thread, until standard input ends.
fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut addresses = Vec::new();
        for _ in 0..3 {
            let values: Arc<Mutex<HashMap<String, Value>>> = Arc::default();
            let answer = move |Path(key): Path<String>, Json(request): Json<RecordRequest>| {
                let values = Arc::clone(&values);
                async move {
                    Json(answer(&mut values.lock().unwrap_or_else(PoisonError::into_inner), key, request.op))
                }
            };
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            addresses.push(listener.local_addr()?);
            tokio::spawn(async move {
                use axum::serve::ListenerExt as _;
                let router = Router::new().route("/v1/records/{key}", post(answer));
                let listener = listener.tap_io(|stream| {
                    let _ = stream.set_nodelay(true);
                });
                axum::serve(listener, router).await
            });
        }
        println!("{}", serde_json::to_string(&addresses)?);
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new()));
        ended.await??;
        Ok(())
    })
}

/// An answer of the size that a node gives.
fn answer(values: &mut HashMap<String, Value>, key: String, operation: Operation) -> RecordReply {
    let context: VersionVector =
        [Dot { origin: ReplicaId(0), position: 10_000 }, Dot { origin: ReplicaId(2), position: 10_000 }]
            .into_iter()
            .collect();
    match operation {
        Operation::Put(value) => {
            values.insert(key, value);
            let dot = Dot { origin: ReplicaId(0), position: 10_000 };
            let written = Written {
                dot,
                stamp: quarrel_models::clock::Stamp { time_us: 1_700_000_000_000_000, logical: 0 },
                knew: context,
                on: Parents::new(),
                duplicate: false,
            };
            RecordReply { written: Some(written), ..RecordReply::default() }
        }
        _ => {
            let value = values.get(&key).cloned();
            let read =
                ReadView { value, versions: Vec::new(), resolved: true, applied: context.clone(), context };
            RecordReply { read: Some(read), ..RecordReply::default() }
        }
    }
}
