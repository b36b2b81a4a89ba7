//! What a link proxy costs, against a direct connection in the same run. `cargo bench --bench proxy`, below 10 s on a quiet machine.
//!
//! Three threads, as in the harness: the client and the echo have a runtime each, the proxy runs on its
//! `ProxyRuntime`. Two more paths for comparison: the simplest proxy there is (tokio's copy), and the proxy on
//! the client's thread. Times on a shared machine are noisy: compare within one run, never between runs.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use quarrel::proxy::{Gate, Kind, LinkOptions, Proxy, ProxyRuntime, Shape};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};

const MESSAGE_BYTES: usize = 100;
const BULK_BYTES: usize = 1 << 29;
const BULK_WRITE_BYTES: usize = 64 << 10;

fn main() -> io::Result<()> {
    // `cargo test --all-targets` starts benchmarks too, without this argument.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let (echo, sink) = (serve(echo_all)?, serve(swallow)?);
    let plain = serve(move |stream| copy_both(stream, echo))?;
    let runtime = ProxyRuntime::new()?;
    let link = |target| {
        let options =
            LinkOptions { name: "bench".to_owned(), kind: Kind::Frames, seed: 1, target: Some(target) };
        runtime.start(LinkOptions { kind: Kind::Bytes, ..options })
    };
    let (to_echo, to_sink) = (link(echo)?, link(sink)?);
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let options = LinkOptions { name: "here".to_owned(), kind: Kind::Bytes, seed: 1, target: Some(echo) };
        let here = ProxyRuntime::within(Handle::current()).start(options)?;
        let paths = [
            ("direct", echo),
            ("plain copy", plain),
            ("proxied", to_echo.address()),
            ("client's thread", here.address()),
        ];
        added_latency(&paths).await?;
        for delay in [1, 5].map(Duration::from_millis) {
            delay_error(&to_echo, delay).await?;
        }
        to_echo.set(Shape::HEALTHY).map_err(io::Error::other)?;
        many_clients(echo, &to_echo).await?;
        cut(&to_echo).await?;
        bulk(sink, &to_sink).await
    })
}

/// Round trips in alternating blocks, so that all paths see the same neighbours.
async fn added_latency(addresses: &[(&str, SocketAddr)]) -> io::Result<()> {
    const BLOCKS: usize = 10;
    const BLOCK: usize = 500;
    let mut paths = Vec::new();
    for (name, address) in addresses {
        paths.push((name, connect(*address).await?, Vec::new()));
    }
    for block in 0..=BLOCKS {
        for (_, stream, times) in &mut paths {
            let of_block = round_trips(stream, BLOCK).await?;
            // The first block warms up.
            if block > 0 {
                times.extend(of_block);
            }
        }
    }
    let mut direct = None;
    for (name, _, times) in &mut paths {
        times.sort_unstable();
        let median = us(at(times, 0.5));
        let added = median - *direct.get_or_insert(median);
        let p99 = us(at(times, 0.99));
        println!("{name:22} p50 {median:6.1} us, p99 {p99:6.1} us, added p50 {added:5.1} us (goal 25)");
    }
    Ok(())
}

/// Half the round trip less the delay: the path's own latency is part of the error.
async fn delay_error(proxy: &Proxy, delay: Duration) -> io::Result<()> {
    proxy.set(Shape { latency: delay, ..Shape::HEALTHY }).map_err(io::Error::other)?;
    let mut stream = connect(proxy.address()).await?;
    round_trips(&mut stream, 20).await?;
    let count = if delay > Duration::from_millis(2) { 150 } else { 500 };
    let mut times = round_trips(&mut stream, count).await?;
    times.sort_unstable();
    let error = |q| us(at(&times, q)) / 2.0 - us(delay);
    let goal = if delay > Duration::from_millis(2) { 150 } else { 70 };
    println!(
        "one-way error, {delay:?}     p50 {:6.1} us (goal {goal}), p99 {:6.1} us",
        error(0.5),
        error(0.99)
    );
    Ok(())
}

/// Throughput and the proxy's CPU time with 64 clients.
async fn many_clients(echo: SocketAddr, proxy: &Proxy) -> io::Result<()> {
    const CLIENTS: usize = 64;
    const ROUNDS: usize = 500;
    for (path, address) in [("direct", echo), ("proxied", proxy.address())] {
        let (start, cpu_before) = (Instant::now(), proxy_cpu());
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(async move { round_trips(&mut connect(address).await?, ROUNDS).await.map(drop) });
        }
        while let Some(ended) = clients.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        let count = (CLIENTS * ROUNDS) as f64;
        let per_second = count / start.elapsed().as_secs_f64();
        print!("64 clients {path:8}    {:6.1} k round trips/s", per_second / 1000.0);
        match (path, cpu_before.zip(proxy_cpu())) {
            ("proxied", Some((before, after))) => {
                println!(", proxy CPU {:.1} us each (goal 12)", us(after.saturating_sub(before)) / count);
            }
            _ => println!(),
        }
    }
    Ok(())
}

/// From the order to cut until a client that waits for a reply sees the reset.
async fn cut(proxy: &Proxy) -> io::Result<()> {
    let mut times = Vec::new();
    for _ in 0..200 {
        proxy.set(Shape::HEALTHY).map_err(io::Error::other)?;
        let mut stream = connect(proxy.address()).await?;
        round_trips(&mut stream, 5).await?;
        let start = Instant::now();
        proxy.set(Shape { gate: Gate::Cut, ..Shape::HEALTHY }).map_err(io::Error::other)?;
        let seen = stream.read(&mut [0]).await;
        times.push(start.elapsed());
        if !seen.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset) {
            return Err(io::Error::other("a cut was not seen as a reset"));
        }
    }
    proxy.set(Shape::HEALTHY).map_err(io::Error::other)?;
    times.sort_unstable();
    println!(
        "cut until reset seen   p50 {:6.1} us, max {:6.1} us (goal 1000)",
        us(at(&times, 0.5)),
        us(at(&times, 1.0))
    );
    Ok(())
}

/// Half a gibibyte one way, acknowledged by one byte; the median of three.
async fn bulk(sink: SocketAddr, proxy: &Proxy) -> io::Result<()> {
    let delayed = Shape { latency: Duration::from_millis(5), ..Shape::HEALTHY };
    let paths = [
        ("direct", sink, Shape::HEALTHY),
        ("proxied", proxy.address(), Shape::HEALTHY),
        ("proxied, 5 ms", proxy.address(), delayed),
    ];
    for (path, address, shape) in paths {
        proxy.set(shape).map_err(io::Error::other)?;
        let mut rates = Vec::new();
        for _ in 0..3 {
            let mut stream = connect(address).await?;
            let block = vec![1; BULK_WRITE_BYTES];
            let start = Instant::now();
            for _ in 0..BULK_BYTES / BULK_WRITE_BYTES {
                stream.write_all(&block).await?;
            }
            stream.shutdown().await?;
            stream.read_exact(&mut [0]).await?;
            rates.push(BULK_BYTES as f64 / f64::from(1 << 30) / start.elapsed().as_secs_f64());
        }
        rates.sort_unstable_by(f64::total_cmp);
        println!("bulk {path:17} {:6.2} GiB/s", rates[1]);
    }
    println!("                       (goal 1.4 proxied without delay)");
    Ok(())
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn round_trips(stream: &mut TcpStream, count: usize) -> io::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(count);
    let mut message = [1; MESSAGE_BYTES];
    for _ in 0..count {
        let start = Instant::now();
        stream.write_all(&message).await?;
        stream.read_exact(&mut message).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// A server on a thread and a runtime of its own, for as long as the benchmark runs.
fn serve<F>(mut handle: impl FnMut(TcpStream) -> F + Send + 'static) -> io::Result<SocketAddr>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(handle(stream));
            }
            #[expect(unreachable_code, reason = "gives the block its type")]
            io::Result::Ok(())
        })
    });
    Ok(address)
}

async fn echo_all(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

async fn swallow(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    while stream.read(&mut buffer).await? > 0 {}
    stream.write_all(&[1]).await
}

/// The simplest proxy there is, for comparison: tokio's own copy, no faults.
async fn copy_both(mut client: TcpStream, target: SocketAddr) -> io::Result<()> {
    let mut server = connect(target).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// The CPU time of the proxies' thread so far, where the system tells.
fn proxy_cpu() -> Option<Duration> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let of_proxies = |path: &std::path::Path| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "link proxies")
    };
    let task = tasks.flatten().map(|task| task.path()).find(|path| of_proxies(path))?;
    let statistics = std::fs::read_to_string(task.join("schedstat")).ok()?;
    statistics.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn at(sorted: &[Duration], quantile: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * quantile) as usize]
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
