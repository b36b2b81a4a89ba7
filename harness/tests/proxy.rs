//! The link proxies over real sockets. Nothing here sleeps to wait for an effect: tests wait for bytes or for
//! counters, and times are bounded from below only.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use quarrel::proxy::random::{Stream, Use};
use quarrel::proxy::{Counters, Gate, Kind, LinkOptions, Proxy, ProxyRuntime, Shape};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SEED: u64 = 7;
const NAME: &str = "a->b";
/// How long a test waits for what must happen before it calls it lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// One link and its target.
struct Bed {
    runtime: ProxyRuntime,
    target: TcpListener,
    proxy: Proxy,
}

impl Bed {
    async fn new(kind: Kind) -> io::Result<Self> {
        let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let runtime = ProxyRuntime::new()?;
        let proxy = runtime.start(options(kind, target.local_addr()?))?;
        Ok(Self { runtime, target, proxy })
    }

    /// A connection through the link: the client's end and the target's end.
    async fn connect(&self) -> io::Result<(TcpStream, TcpStream)> {
        let before = self.proxy.counters().connected;
        let client = TcpStream::connect(self.proxy.address()).await?;
        let (server, _) = within(self.target.accept()).await?;
        self.until(|counters| counters.connected > before).await;
        Ok((client, server))
    }

    fn set(&self, shape: Shape) {
        self.proxy.set(shape).expect("the link can have this shape");
    }

    /// Waits until the counters say so.
    async fn until(&self, what: impl Fn(Counters) -> bool) {
        let all = async {
            while !what(self.proxy.counters()) {
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::time::timeout(PATIENCE, all).await;
        assert!(ended.is_ok(), "it never came to that: {:?}", self.proxy.counters());
    }
}

fn options(kind: Kind, target: SocketAddr) -> LinkOptions {
    LinkOptions { name: NAME.to_owned(), kind, seed: SEED, target: Some(target) }
}

async fn within<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

async fn read_exactly(stream: &mut TcpStream, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    within(stream.read_exact(&mut bytes)).await?;
    Ok(bytes)
}

async fn read_to_end(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    within(stream.read_to_end(&mut bytes)).await?;
    Ok(bytes)
}

/// Whether reading ends in a reset, and not in an orderly close.
async fn is_reset(stream: &mut TcpStream) -> bool {
    read_to_end(stream).await.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

/// Whether a new connection is reset, be it before or after the handshake is seen to be done.
async fn is_refused(address: SocketAddr) -> bool {
    match TcpStream::connect(address).await {
        Ok(mut accepted) => is_reset(&mut accepted).await,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Bytes that show where they come from.
fn pattern(count: usize) -> Vec<u8> {
    (0..count as u64).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A frame whose payload is its number, and some length.
fn frame(number: u32) -> Vec<u8> {
    let payload = [number.to_le_bytes().to_vec(), pattern(number as usize % 50)].concat();
    [u32::try_from(payload.len()).expect("short").to_le_bytes().to_vec(), payload].concat()
}

/// The numbers of the frames in a stream, each checked to be whole.
fn numbers(mut stream: &[u8]) -> Vec<u32> {
    let mut numbers = Vec::new();
    while !stream.is_empty() {
        let number = u32::from_le_bytes(stream[4..8].try_into().expect("four bytes"));
        let expected = frame(number);
        assert_eq!(stream[..expected.len()], expected, "frame {number} is damaged");
        stream = &stream[expected.len()..];
        numbers.push(number);
    }
    numbers
}

/// Sends frames 0..count both ways under this shape; returns what arrived forward and back.
async fn exchange(bed: &Bed, shape: Shape, count: u32) -> io::Result<(Vec<u32>, Vec<u32>)> {
    bed.set(shape);
    let (mut client, mut server) = bed.connect().await?;
    let all: Vec<u8> = (0..count).flat_map(frame).collect();
    let (forward, back) = (all.clone(), all);
    let (at_client, at_server) = tokio::try_join!(
        async {
            client.write_all(&forward).await?;
            client.shutdown().await?;
            read_to_end(&mut client).await
        },
        async {
            server.write_all(&back).await?;
            server.shutdown().await?;
            read_to_end(&mut server).await
        },
    )?;
    Ok((numbers(&at_server), numbers(&at_client)))
}

/// What one direction of the first connection must deliver under a loss, by the frozen streams.
fn survivors(back: bool, count: u32, loss_ppm: u32) -> Vec<u32> {
    let loss = Stream::new(SEED, NAME, 0, back, Use::Loss);
    (0..count).filter(|number| !loss.happens(u64::from(*number), loss_ppm)).collect()
}

#[tokio::test]
async fn bytes_pass_both_ways_intact_whatever_delays_them() -> io::Result<()> {
    let shapes = [
        Shape::HEALTHY,
        Shape { latency: Duration::from_millis(2), jitter: Duration::from_millis(2), ..Shape::HEALTHY },
        Shape { bandwidth_bytes_per_second: NonZeroU64::new(40_000_000), ..Shape::HEALTHY },
    ];
    for (kind, shape) in shapes.iter().flat_map(|shape| [(Kind::Bytes, *shape), (Kind::Frames, *shape)]) {
        let bed = Bed::new(kind).await?;
        bed.set(shape);
        let (mut client, mut server) = bed.connect().await?;
        let mut sent = pattern(3_000_000);
        // As a frame, if it must be one.
        sent[..4].copy_from_slice(&2_999_996_u32.to_le_bytes());
        let (mut client_read, mut client_write) = client.split();
        let (mut server_read, mut server_write) = server.split();
        let (mut forward, mut back) = (vec![0; sent.len()], vec![0; sent.len()]);
        within(async {
            tokio::try_join!(
                client_write.write_all(&sent),
                server_write.write_all(&sent),
                server_read.read_exact(&mut forward),
                client_read.read_exact(&mut back),
            )
        })
        .await?;
        assert!(forward == sent && back == sent, "{kind:?} {shape:?}");
        bed.until(|counters| counters.bytes_forward == 3_000_000 && counters.bytes_back == 3_000_000).await;
        let frames = u64::from(kind == Kind::Frames);
        assert_eq!((bed.proxy.counters().frames_forward, bed.proxy.counters().frames_back), (frames, frames));
    }
    Ok(())
}

#[tokio::test]
async fn a_half_close_is_carried_and_replies_still_flow_back() -> io::Result<()> {
    for latency in [Duration::ZERO, Duration::from_millis(1)] {
        let bed = Bed::new(Kind::Bytes).await?;
        bed.set(Shape { latency, ..Shape::HEALTHY });
        let (mut client, mut server) = bed.connect().await?;
        client.write_all(b"question").await?;
        client.shutdown().await?;
        assert_eq!(read_to_end(&mut server).await?, b"question");
        server.write_all(b"answer").await?;
        server.shutdown().await?;
        assert_eq!(read_to_end(&mut client).await?, b"answer");
        bed.until(|counters| counters.open == 0).await;
        assert_eq!(bed.proxy.counters().broken, 0);
    }
    Ok(())
}

#[tokio::test]
async fn a_cut_resets_connections_and_refuses_new_ones_until_it_heals() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    let (mut client, mut server) = bed.connect().await?;
    bed.set(Shape { gate: Gate::Cut, ..Shape::HEALTHY });
    assert!(is_reset(&mut client).await && is_reset(&mut server).await);
    assert!(is_refused(bed.proxy.address()).await);
    bed.until(|counters| counters.resets == 1 && counters.refused == 1 && counters.open == 0).await;

    bed.set(Shape::HEALTHY);
    let (mut client, mut server) = bed.connect().await?;
    client.write_all(b"healed").await?;
    assert_eq!(read_exactly(&mut server, 6).await?, b"healed");
    Ok(())
}

#[tokio::test]
async fn a_cut_loses_what_is_under_way() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    bed.set(Shape { latency: Duration::from_secs(3600), ..Shape::HEALTHY });
    let (mut client, mut server) = bed.connect().await?;
    client.write_all(b"lost").await?;
    bed.set(Shape { gate: Gate::Cut, ..Shape::HEALTHY });
    assert!(is_reset(&mut server).await);
    assert_eq!(bed.proxy.counters().bytes_forward, 0);
    Ok(())
}

#[tokio::test]
async fn a_stall_delivers_nothing_until_it_opens_and_then_all_in_order() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    let (mut client, mut server) = bed.connect().await?;
    client.write_all(b"before").await?;
    assert_eq!(read_exactly(&mut server, 6).await?, b"before");

    bed.set(Shape { gate: Gate::Stall, ..Shape::HEALTHY });
    let sent = pattern(100_000);
    client.write_all(&sent).await?;
    server.write_all(b"back").await?;
    client.shutdown().await?;
    bed.until(|counters| counters.held == 100_004).await;
    assert_eq!(server.try_read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    assert_eq!(client.try_read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    assert_eq!((bed.proxy.counters().bytes_forward, bed.proxy.counters().bytes_back), (6, 0));

    bed.set(Shape::HEALTHY);
    assert!(read_to_end(&mut server).await? == sent);
    assert_eq!(read_exactly(&mut client, 4).await?, b"back");
    Ok(())
}

#[tokio::test]
async fn a_stall_of_one_direction_lets_the_other_pass() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    let (mut client, mut server) = bed.connect().await?;
    bed.set(Shape { gate: Gate::StallForward, ..Shape::HEALTHY });
    client.write_all(b"held").await?;
    bed.until(|counters| counters.held == 4).await;
    server.write_all(b"passes").await?;
    assert_eq!(read_exactly(&mut client, 6).await?, b"passes");
    assert_eq!(bed.proxy.counters().bytes_forward, 0);

    bed.set(Shape { gate: Gate::StallBack, ..Shape::HEALTHY });
    assert_eq!(read_exactly(&mut server, 4).await?, b"held");
    Ok(())
}

#[tokio::test]
async fn a_stalled_link_stops_reading_and_loses_nothing() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    let (mut client, mut server) = bed.connect().await?;
    bed.set(Shape { gate: Gate::Stall, ..Shape::HEALTHY });
    let sent = pattern(64 << 20);
    let (written, received) = tokio::join!(
        async {
            client.write_all(&sent).await?;
            client.shutdown().await
        },
        async {
            bed.until(|counters| counters.held >= 256 << 10).await;
            let held = bed.proxy.counters().held;
            assert!(held < 1 << 20, "a stalled link took {held} bytes");
            bed.set(Shape::HEALTHY);
            read_to_end(&mut server).await
        },
    );
    written?;
    assert!(received? == sent);
    Ok(())
}

#[tokio::test]
async fn a_connection_to_a_stalled_link_reaches_the_target_when_it_opens() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    bed.set(Shape { gate: Gate::Stall, ..Shape::HEALTHY });
    let mut client = TcpStream::connect(bed.proxy.address()).await?;
    client.write_all(b"early").await?;
    bed.until(|counters| counters.open == 1).await;
    bed.set(Shape::HEALTHY);
    let (mut server, _) = within(bed.target.accept()).await?;
    assert_eq!(read_exactly(&mut server, 5).await?, b"early");
    Ok(())
}

#[tokio::test]
async fn latency_delays_each_way_by_at_least_as_much() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    let latency = Duration::from_millis(3);
    bed.set(Shape { latency, ..Shape::HEALTHY });
    let (mut client, mut server) = bed.connect().await?;
    for round in 1..=20_u8 {
        let start = Instant::now();
        client.write_all(&[round]).await?;
        assert_eq!(read_exactly(&mut server, 1).await?, [round]);
        assert!(start.elapsed() >= latency, "forward, round {round}: {:?}", start.elapsed());
        let start = Instant::now();
        server.write_all(&[round]).await?;
        assert_eq!(read_exactly(&mut client, 1).await?, [round]);
        assert!(start.elapsed() >= latency, "back, round {round}: {:?}", start.elapsed());
    }
    Ok(())
}

#[tokio::test]
async fn a_change_of_latency_governs_what_is_already_under_way() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    bed.set(Shape { latency: Duration::MAX, ..Shape::HEALTHY });
    let (mut client, mut server) = bed.connect().await?;
    client.write_all(b"soon").await?;
    client.shutdown().await?;
    bed.set(Shape::HEALTHY);
    assert_eq!(read_to_end(&mut server).await?, b"soon");
    Ok(())
}

#[tokio::test]
async fn bandwidth_bounds_what_passes() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    bed.set(Shape { bandwidth_bytes_per_second: NonZeroU64::new(1_000_000), ..Shape::HEALTHY });
    let (mut client, mut server) = bed.connect().await?;
    let sent = pattern(100_000);
    let start = Instant::now();
    client.write_all(&sent).await?;
    assert!(read_exactly(&mut server, sent.len()).await? == sent);
    // 100 ms, less the 10 ms that the idle link may have saved.
    assert!(start.elapsed() >= Duration::from_millis(90), "{:?}", start.elapsed());
    Ok(())
}

#[tokio::test]
async fn loss_drops_whole_frames_and_counts_them() -> io::Result<()> {
    let bed = Bed::new(Kind::Frames).await?;
    let (forward, back) = exchange(&bed, Shape { loss_ppm: 300_000, ..Shape::HEALTHY }, 1000).await?;
    assert_eq!(forward, survivors(false, 1000, 300_000));
    assert_eq!(back, survivors(true, 1000, 300_000));
    let counters = bed.proxy.counters();
    let (lost_forward, lost_back) = (1000 - forward.len() as u64, 1000 - back.len() as u64);
    assert!(lost_forward > 200 && lost_back > 200);
    assert_eq!(counters.dropped, lost_forward + lost_back);
    assert_eq!((counters.frames_forward, counters.frames_back), (forward.len() as u64, back.len() as u64));
    Ok(())
}

#[tokio::test]
async fn duplication_delivers_whole_frames_twice_in_a_row() -> io::Result<()> {
    let bed = Bed::new(Kind::Frames).await?;
    let (forward, back) = exchange(&bed, Shape { duplicate_ppm: 200_000, ..Shape::HEALTHY }, 1000).await?;
    let copies = forward.len() + back.len() - 2000;
    assert_eq!(bed.proxy.counters().duplicated, copies as u64);
    assert!(copies > 200);
    for mut arrived in [forward, back] {
        arrived.dedup();
        assert_eq!(arrived, (0..1000).collect::<Vec<_>>());
    }
    Ok(())
}

#[tokio::test]
async fn reordering_swaps_whole_neighbours_and_loses_none() -> io::Result<()> {
    let bed = Bed::new(Kind::Frames).await?;
    let (forward, back) = exchange(&bed, Shape { reorder_ppm: 200_000, ..Shape::HEALTHY }, 1000).await?;
    let mut swaps = 0;
    for mut arrived in [forward, back] {
        swaps += arrived.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64;
        assert!(arrived.iter().zip(0..).all(|(number, place)| number.abs_diff(place) <= 1));
        arrived.sort_unstable();
        assert_eq!(arrived, (0..1000).collect::<Vec<_>>());
    }
    assert!(swaps > 200);
    assert_eq!(bed.proxy.counters().reordered, swaps);
    Ok(())
}

#[tokio::test]
async fn a_frame_without_a_successor_is_delivered_in_the_end() -> io::Result<()> {
    let bed = Bed::new(Kind::Frames).await?;
    bed.set(Shape { reorder_ppm: 1_000_000, ..Shape::HEALTHY });
    let (mut client, mut server) = bed.connect().await?;
    client.write_all(&frame(1)).await?;
    assert_eq!(numbers(&read_exactly(&mut server, frame(1).len()).await?), [1]);
    assert_eq!(bed.proxy.counters().reordered, 0);
    Ok(())
}

#[tokio::test]
async fn faults_that_begin_and_end_within_frames_keep_them_whole() -> io::Result<()> {
    let bed = Bed::new(Kind::Frames).await?;
    let (mut client, mut server) = bed.connect().await?;
    let lossy = Shape { loss_ppm: 1_000_000, ..Shape::HEALTHY };
    let (first, second, third) = (frame(45), frame(46), frame(47));
    // The first frame's beginning has passed when loss begins: the rest of it must pass too.
    client.write_all(&first[..10]).await?;
    bed.until(|counters| counters.bytes_forward == 10).await;
    bed.set(lossy);
    client.write_all(&first[10..]).await?;
    bed.until(|counters| counters.frames_forward == 1).await;
    client.write_all(&second).await?;
    bed.until(|counters| counters.dropped == 1).await;
    // The third one's beginning is withheld when loss ends: it was not lost.
    client.write_all(&third[..10]).await?;
    bed.set(Shape::HEALTHY);
    client.write_all(&third[10..]).await?;
    client.shutdown().await?;
    assert_eq!(numbers(&read_to_end(&mut server).await?), [45, 47]);
    Ok(())
}

#[tokio::test]
async fn the_same_seed_decides_the_same_on_every_run() -> io::Result<()> {
    let shape = Shape {
        loss_ppm: 100_000,
        duplicate_ppm: 100_000,
        reorder_ppm: 100_000,
        jitter: Duration::from_micros(50),
        ..Shape::HEALTHY
    };
    let first = exchange(&Bed::new(Kind::Frames).await?, shape, 500).await?;
    let second = exchange(&Bed::new(Kind::Frames).await?, shape, 500).await?;
    assert_eq!(first, second);
    assert_ne!(first.0, first.1, "the two directions decide by themselves");
    Ok(())
}

#[tokio::test]
async fn an_oversized_frame_resets_the_connection_and_is_counted() -> io::Result<()> {
    for shape in [Shape::HEALTHY, Shape { loss_ppm: 1, ..Shape::HEALTHY }] {
        let bed = Bed::new(Kind::Frames).await?;
        bed.set(shape);
        let (mut client, mut server) = bed.connect().await?;
        client.write_all(&u32::MAX.to_le_bytes()).await?;
        assert!(is_reset(&mut client).await && is_reset(&mut server).await);
        bed.until(|counters| counters.oversized == 1 && counters.open == 0).await;
    }
    Ok(())
}

#[tokio::test]
async fn new_connections_follow_the_target_and_old_ones_stay() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    let (mut old, mut old_server) = bed.connect().await?;
    let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    bed.proxy.set_target(elsewhere.local_addr()?);
    let mut new = TcpStream::connect(bed.proxy.address()).await?;
    let (mut new_server, _) = within(elsewhere.accept()).await?;
    new.write_all(b"new").await?;
    old.write_all(b"old").await?;
    assert_eq!(read_exactly(&mut new_server, 3).await?, b"new");
    assert_eq!(read_exactly(&mut old_server, 3).await?, b"old");

    bed.proxy.set_target(None);
    assert!(is_refused(bed.proxy.address()).await);
    bed.until(|counters| counters.refused == 1).await;
    Ok(())
}

#[tokio::test]
async fn a_target_that_is_down_resets_the_client_and_is_no_fault_of_the_link() -> io::Result<()> {
    let Bed { runtime: _runtime, target, proxy } = Bed::new(Kind::Bytes).await?;
    drop(target);
    assert!(is_refused(proxy.address()).await);
    let Counters { unreachable, refused, resets, .. } = proxy.counters();
    assert_eq!((unreachable, refused, resets), (1, 0, 0));
    Ok(())
}

#[tokio::test]
async fn a_reset_by_one_end_is_carried_to_the_other() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    let (mut client, server) = bed.connect().await?;
    server.set_zero_linger()?;
    drop(server);
    assert!(is_reset(&mut client).await);
    bed.until(|counters| counters.broken == 1 && counters.open == 0).await;
    Ok(())
}

#[tokio::test]
async fn a_stopped_proxy_leaves_no_port_and_no_connection() -> io::Result<()> {
    let Bed { runtime, target, proxy } = Bed::new(Kind::Bytes).await?;
    let address = proxy.address();
    let mut client = TcpStream::connect(address).await?;
    let (_server, _) = within(target.accept()).await?;
    proxy.stop().await;
    assert_eq!(
        TcpStream::connect(address).await.map_err(|error| error.kind()).err(),
        Some(ErrorKind::ConnectionRefused)
    );
    assert!(read_to_end(&mut client).await.is_ok_and(|bytes| bytes.is_empty()));

    let orphan = runtime.start(options(Kind::Bytes, target.local_addr()?))?;
    drop(runtime);
    let gone = TcpStream::connect(orphan.address()).await;
    assert_eq!(gone.map_err(|error| error.kind()).err(), Some(ErrorKind::ConnectionRefused));
    Ok(())
}

#[tokio::test]
async fn proxies_run_on_a_runtime_of_the_callers_too() -> io::Result<()> {
    let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let here = ProxyRuntime::within(tokio::runtime::Handle::current());
    let proxy = here.start(options(Kind::Bytes, target.local_addr()?))?;
    drop(here);
    let mut client = TcpStream::connect(proxy.address()).await?;
    let (mut server, _) = within(target.accept()).await?;
    client.write_all(b"here").await?;
    assert_eq!(read_exactly(&mut server, 4).await?, b"here");
    drop(proxy);
    assert_eq!(read_to_end(&mut server).await?, b"");
    Ok(())
}

#[tokio::test]
async fn many_connections_share_a_link() -> io::Result<()> {
    let bed = Bed::new(Kind::Bytes).await?;
    bed.set(Shape {
        latency: Duration::from_micros(300),
        jitter: Duration::from_micros(300),
        ..Shape::HEALTHY
    });
    let mut pairs = Vec::new();
    for number in 0..64_u8 {
        let (mut client, server) = bed.connect().await?;
        client.write_all(&[number; 100]).await?;
        pairs.push((client, server));
    }
    for ((_, server), number) in pairs.iter_mut().zip(0_u8..) {
        assert_eq!(read_exactly(server, 100).await?, [number; 100]);
    }
    assert_eq!(bed.proxy.counters().open, 64);
    Ok(())
}
