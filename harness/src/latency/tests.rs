//! The open loop against servers that are made to stall.

use super::{
    load::{Carried, End, Load, carry},
    plan::{Arrivals, Plan, Windows},
};
use crate::{runner::Interrupt, systems::reference::Endpoints};
use quarrel_workloads::{
    mark::Mark,
    scenario::{parse, shipped_text},
};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub(super) fn plan() -> Plan {
    Plan {
        rate: 100.0,
        arrivals: Arrivals::Constant,
        warm_up: Duration::from_secs(1),
        duration: Duration::from_secs(2),
        cut: Duration::ZERO,
        repetitions: 1,
        ramp: Duration::ZERO,
        connections: 1,
        seed: 1,
    }
}

/// A leader that answers reads at once, but keeps one of them waiting for so long.
fn stalling_leader(stall_at: u64, stall: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = Arc::new(AtomicU64::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, served) = (stream.unwrap(), Arc::clone(&served));
            std::thread::spawn(move || {
                let body =
                    r#"{"read":{"value":null,"versions":[],"resolved":true,"context":[],"applied":[]}}"#;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
                let answer = format!("{head}: {}\r\n\r\n{body}", body.len());
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).unwrap_or(0) > 0 {
                    if served.fetch_add(1, Ordering::SeqCst) == stall_at {
                        std::thread::sleep(stall);
                    }
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// One second of 100 reads a second over one connection.
fn load(address: SocketAddr) -> Load {
    let mut scenario = parse("smoke", shipped_text("smoke").unwrap(), &Mark::ALL.map(Mark::name)).unwrap();
    if let quarrel_workloads::scenario::Workload::Set(keys) = &mut scenario.workload {
        keys.read_share = 1.0;
    }
    let begins = Instant::now() + Duration::from_millis(20);
    Load {
        scenario,
        seed: 1,
        endpoints: Arc::new(Endpoints::fixed([address])),
        leaders: 1,
        rate: 100.0,
        arrivals: Arrivals::Constant,
        begins,
        ends: begins + Duration::from_secs(1),
        grace: Duration::from_secs(10),
        connections: 1,
        first_client: 0,
        probe_one_in: 0,
        interrupt: Interrupt::new(),
    }
}

/// How many operations took longer than 100 ms, counted from when they were due and from when they began.
fn slow(carried: &Carried) -> (usize, usize) {
    let slow = |took: i64| took > 100_000_000;
    let count = |from: fn(&super::load::Sample) -> i64| {
        carried.samples.iter().filter(|sample| slow(sample.ended_ns - from(sample))).count()
    };
    (count(|sample| sample.due_ns), count(|sample| sample.began_ns))
}

#[test]
fn a_stall_is_charged_to_all_that_came_meanwhile_in_an_open_loop_and_to_one_in_a_closed_one() {
    let carried = carry(load(stalling_leader(30, Duration::from_millis(600)))).unwrap();
    assert_eq!((carried.samples.len(), carried.unserved), (100, 0));
    assert!(carried.samples.iter().all(|sample| sample.end == End::Acknowledged));
    let (intended, actual) = slow(&carried);
    // 60 operations were due while one was being served; those of the last 100 ms waited less than that.
    assert!(intended >= 40, "{intended}");
    // A client that only looks at its own requests sees one slow one (and, on a machine this busy, a few more).
    assert!((1..=intended / 4).contains(&actual), "{actual} of {intended}");
}

#[test]
fn without_a_stall_both_clocks_agree() {
    let carried = carry(load(stalling_leader(u64::MAX, Duration::ZERO))).unwrap();
    let (intended, actual) = slow(&carried);
    assert!(intended <= 10 && actual <= intended, "{intended} {actual}");
}

#[test]
fn what_could_not_be_begun_in_time_is_counted() {
    let mut load = load(stalling_leader(10, Duration::from_millis(1500)));
    load.grace = Duration::ZERO;
    let carried = carry(load).unwrap();
    assert!(carried.unserved > 50, "{}", carried.unserved);
    assert_eq!(carried.samples.len() as u64 + carried.unserved, 100);
}

#[test]
fn what_was_due_in_the_warm_up_or_just_before_a_fault_is_of_no_phase() {
    let mut plan = plan();
    plan.cut = Duration::from_secs(1);
    let begins = Instant::now();
    let windows = Windows::new(&plan, Duration::from_millis(10), begins);
    let phase = |ms| windows.phase(begins + Duration::from_millis(ms)).map(|phase| phase.suffix());
    // Between 3000 and 3260 ms what was begun before the cut is left to arrive.
    let phases = [0, 999, 1000, 2999, 3000, 3259, 3260, 4259, 4260].map(phase);
    let (cut, healed) = (Some("@partition"), Some("@recovery"));
    assert_eq!(phases, [None, None, Some(""), Some(""), None, None, cut, cut, healed]);
}
