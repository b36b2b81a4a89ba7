//! A replica that awaits no tick does nothing at one: whoever drives it may leave it alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rig;

use quarrel_models::{
    clock::Now,
    handler::Handler,
    id::{ClientId, ReplicaId},
    message::Input,
    operation::{KeyedOperation, Operation},
    random::Stream,
    replica::{Config, Replica},
    strategy::{HandOver, HomeLeader, LastWriteWins, OnRead, Reroute, Strategy},
    topology::{Graph, Propagation, Topology},
    value::{Key, Value},
};
use rig::Rig;

fn strategies() -> Vec<Strategy> {
    let home =
        |reroute, hand_over| Strategy::HomeLeader(HomeLeader { reroute, hand_over, ..HomeLeader::default() });
    vec![
        Strategy::Lww(LastWriteWins::default()),
        Strategy::OnRead(OnRead { handler: Handler::Union }),
        home(Reroute::Forward, HandOver::Immediate),
        home(Reroute::Follow, HandOver::Fenced),
    ]
}

/// One thing that happens to a cluster.
fn happen(rig: &mut Rig, draw: &mut Stream) {
    let links = rig.links();
    let link = links[draw.below(links.len() as u64) as usize];
    let replica = ReplicaId(draw.below(3) as u8);
    let client = ClientId(draw.below(3) as u32);
    match draw.below(12) {
        0 => rig.cut(link),
        1 => rig.heal(link),
        2 => rig.crash(replica),
        3 => rig.restart(replica),
        4 => rig.wait(draw.below(300_000)),
        5 => rig.relocate(client, replica, draw.below(2) == 0),
        6..=8 => {
            if rig.clients[&client].session.is_idle() {
                let operation = Operation::Insert(Value::Int(draw.below(1 << 40) as i64));
                rig.start(client, KeyedOperation { key: Key::from("k"), operation });
            }
        }
        _ => drop(rig.deliver(link, draw.below(2) == 0)),
    }
}

/// What a tick an hour later does to a replica: how much it says, and whether it is as it was.
fn ticked(replica: &Replica, now_us: u64) -> (usize, bool) {
    let later_us = now_us + 3_600_000_000;
    let now = Now { wall_us: i64::try_from(later_us).unwrap(), monotonic_us: later_us };
    let (mut ticked, mut outputs) = (replica.clone(), Vec::new());
    ticked.step(now, Input::Tick, &mut outputs);
    let same = format!("{ticked:?}") == format!("{replica:?}");
    ticked.step(now, Input::Flush, &mut outputs);
    (outputs.len(), same)
}

#[test]
fn a_replica_that_awaits_no_tick_does_nothing_at_one() {
    let (mut idle, mut awaiting) = (0, 0);
    for (seed, strategy) in strategies().into_iter().enumerate() {
        for (topology, propagation) in
            [(Topology::AllToAll, Propagation::Direct), (Topology::Ring, Propagation::Relay)]
        {
            let graph = Graph::new(&topology, 3, Vec::new(), propagation).unwrap();
            let mut rig = Rig::new(Config::new(graph, strategy.clone()), true);
            for client in 0..3 {
                rig.client(ClientId(client), ReplicaId(client as u8));
            }
            let mut draw = Stream::new(seed as u64, "test ticks", topology.name().len() as u64);
            for _ in 0..400 {
                happen(&mut rig, &mut draw);
                for replica in rig.live() {
                    let does = ticked(replica, rig.now_us);
                    if replica.awaits_tick() {
                        awaiting += u32::from(does != (0, true));
                    } else {
                        assert_eq!(does, (0, true), "{strategy} on a {}: {replica:?}", topology.name());
                        idle += 1;
                    }
                }
            }
        }
    }
    assert!(idle > 500 && awaiting > 500, "{idle} were idle, {awaiting} had something to do");
}
