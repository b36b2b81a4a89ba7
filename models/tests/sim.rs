//! The simulator: what a schedule says happens, in virtual time, and the same again whenever it is run.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod storm;

use quarrel_models::{
    clock::ClockKind,
    fault::{ClockChange, Fault},
    handler::Handler,
    id::{ClientId, ReplicaId, WriteId},
    message::TraceEvent,
    operation::{KeyedOperation, Operation},
    replica::Replica,
    session::Outcome as Answered,
    sim::{
        Durability, Observer, Outcome, Rest, Schedule, ScheduleError, Silent, TimedFault, TimedOperation, run,
    },
    strategy::{Arrival, HandOver, HomeLeader, LastWriteWins, OnRead, OnWrite, Strategy},
    topology::Follower,
    value::Value,
};
use storm::{A, B, C, MS, SECOND, fault, links, lww, put, quiet, shown, stormy};

/// Everything that an observer is told, as text: two runs can be compared word for word.
#[derive(Debug, Default)]
struct Log {
    lines: Vec<String>,
    acknowledged: u64,
    unknown: u64,
    duplicates: u64,
    stamps: Vec<i64>,
}

impl Observer for Log {
    fn invoked(
        &mut self,
        at_us: u64,
        client: ClientId,
        replica: ReplicaId,
        operation: &KeyedOperation,
        write: Option<WriteId>,
    ) {
        self.lines.push(format!("{at_us} {client} at {replica}: {operation:?} {write:?}"));
    }

    fn completed(&mut self, at_us: u64, client: ClientId, writes: bool, outcome: Answered) {
        self.lines.push(format!("{at_us} {client} {writes} {outcome:?}"));
        match outcome {
            Answered::Written(written) => {
                self.acknowledged += 1;
                self.duplicates += u64::from(written.duplicate);
                self.stamps.push(written.stamp.time_us);
            }
            Answered::Unknown(_) => self.unknown += 1,
            _ => {}
        }
    }

    fn fault(&mut self, at_us: u64, fault: &Fault, _backup_us: Option<u64>) {
        self.lines.push(format!("{at_us} {fault}"));
    }

    fn trace(&mut self, at_us: u64, replica: ReplicaId, event: TraceEvent) {
        self.duplicates += u64::from(matches!(event, TraceEvent::Duplicate { .. }));
        self.lines.push(format!("{at_us} {replica} {event:?}"));
    }

    fn healed(&mut self, at_us: u64) {
        self.lines.push(format!("{at_us} healed"));
    }
}

fn logged(schedule: &Schedule) -> (Log, Outcome) {
    let mut log = Log::default();
    let outcome = run(schedule, &mut log).unwrap();
    (log, outcome)
}

fn all_show(outcome: &Outcome, value: i64) -> bool {
    shown(outcome).into_iter().all(|shown| shown == Some(Value::Int(value)))
}

#[test]
fn writes_reach_every_replica_and_replication_comes_to_rest() {
    let mut schedule = quiet(lww());
    schedule.cluster.followers = vec![Follower { of: vec![A], readable: true }];
    schedule.operations = vec![put(SECOND, 0, 1), put(2 * SECOND, 1, 2), put(3 * SECOND, 2, 3)];
    let (log, outcome) = logged(&schedule);
    assert_eq!(log.acknowledged, 3);
    assert_eq!(outcome.replicas.len(), 4);
    assert!(all_show(&outcome, 3), "{:?}", shown(&outcome));
    assert!(matches!(outcome.rest, Rest::Reached { after_us } if after_us <= 20 * MS), "{:?}", outcome.rest);
}

#[test]
fn a_cut_holds_writes_back_until_it_heals() {
    let mut schedule = quiet(lww());
    schedule.operations = vec![put(2 * SECOND, 0, 1)];
    let cut = fault(SECOND, Fault::Cut(links("A>B A>C")));
    schedule.faults = vec![cut.clone(), fault(5 * SECOND, Fault::Heal(links("A>B A>C")))];
    let (log, outcome) = logged(&schedule);
    let applied = |at: &str| log.lines.iter().any(|line| line.contains(" B Apply") && line.starts_with(at));
    assert!(applied("50") && !applied("20"), "{:#?}", log.lines);
    assert!(all_show(&outcome, 1));
    // What the schedule does not undo is undone before the run ends.
    schedule.faults = vec![cut];
    assert!(all_show(&logged(&schedule).1, 1));
}

#[test]
fn a_stalled_link_delivers_all_at_once_when_it_is_released() {
    let mut schedule = quiet(lww());
    schedule.operations = (0..5).map(|n| put(2 * SECOND + n * 10 * MS, 0, n as i64)).collect();
    schedule.faults =
        vec![fault(SECOND, Fault::Stall(links("A>B"))), fault(3 * SECOND, Fault::Heal(links("A>B")))];
    let (log, outcome) = logged(&schedule);
    let at_b: Vec<&String> = log.lines.iter().filter(|line| line.contains(" B Apply")).collect();
    assert_eq!(at_b.len(), 5);
    assert!(at_b.iter().all(|line| line.starts_with("3000000 ")), "{at_b:#?}");
    assert!(all_show(&outcome, 4));
}

#[test]
fn a_clock_that_is_set_back_makes_the_older_write_win() {
    let mut schedule = quiet(lww());
    schedule.operations = vec![put(SECOND, 0, 1), put(3 * SECOND, 0, 2)];
    schedule.faults = vec![fault(2 * SECOND, Fault::Clock(A, ClockChange::Offset { us: -5_000_000 }))];
    assert!(all_show(&logged(&schedule).1, 1), "the later write was acknowledged, and lost");
    let hybrid = LastWriteWins { clock: ClockKind::Hybrid, ..LastWriteWins::default() };
    schedule.cluster.strategy = Strategy::Lww(hybrid);
    assert!(all_show(&logged(&schedule).1, 2));
}

#[test]
fn every_kind_of_clock_fault_shows_in_the_stamps() {
    let stamps = |change: Option<ClockChange>, tick_us| {
        let mut schedule = quiet(lww());
        schedule.cluster.clock_tick_us = tick_us;
        schedule.operations = vec![put(2 * SECOND, 0, 1), put(4 * SECOND, 0, 2)];
        schedule.faults = change.map(|change| fault(SECOND, Fault::Clock(A, change))).into_iter().collect();
        let stamps = logged(&schedule).0.stamps;
        (stamps[0], stamps[1] - stamps[0])
    };
    let (right, apart) = stamps(None, 0);
    assert_eq!(apart, 2_000_000);
    assert_eq!(stamps(Some(ClockChange::Offset { us: 7 }), 0), (right + 7, apart));
    assert_eq!(stamps(Some(ClockChange::Step { us: -7 }), 0), (right - 7, apart));
    assert_eq!(stamps(Some(ClockChange::Drift { ppm: 1000 }), 0).1, apart + 2000);
    assert_eq!(stamps(Some(ClockChange::Freeze), 0).1, 0);
    // A poisoned clock is decades ahead.
    assert_eq!(stamps(Some(ClockChange::Offset { us: 1 << 50 }), 0).0, right + (1 << 50));
    assert_eq!(stamps(None, 3_000_000), (right - right % 3_000_000, 3_000_000));
}

#[test]
fn a_killed_leader_keeps_what_is_durable_and_loses_the_tail_of_a_lazy_disk() {
    let mut schedule = quiet(lww());
    schedule.operations = vec![put(SECOND, 0, 1)];
    // It is dead before its frames arrive, or even leave.
    schedule.faults = vec![
        fault(0, Fault::Cut(links("A>B A>C"))),
        fault(SECOND + MS, Fault::Kill(A)),
        fault(2 * SECOND, Fault::Restart(A)),
    ];
    let (log, outcome) = logged(&schedule);
    assert_eq!(log.acknowledged, 1);
    assert!(all_show(&outcome, 1));
    schedule.cluster.durability = Durability::Lazy { flush_us: 100 * MS };
    let lost = |seed| {
        let (log, outcome) = logged(&Schedule { seed, ..schedule.clone() });
        assert_eq!(log.acknowledged, 1);
        shown(&outcome) == [None, None, None]
    };
    let count = (0..20).filter(|&seed| lost(seed)).count();
    assert!((4..17).contains(&count), "of 20 machines {count} had not written the record out");
}

#[test]
fn what_waits_for_the_disk_never_leaves_a_process_that_is_killed_meanwhile() {
    let mut schedule = quiet(lww());
    schedule.cluster.durability = Durability::Sync { sync_us: 5 * MS };
    schedule.operations = vec![put(SECOND, 0, 1)];
    let (log, _) = logged(&schedule);
    let answered = log.lines.iter().find(|line| line.contains("Written")).unwrap();
    assert!(answered.starts_with("1005600 "), "a request, the disk, an answer: {answered}");
    schedule.faults = vec![fault(SECOND + 2 * MS, Fault::Kill(A)), fault(2 * SECOND, Fault::Restart(A))];
    let outcomes: Vec<_> = (0..20)
        .map(|seed| {
            let (log, outcome) = logged(&Schedule { seed, ..schedule.clone() });
            assert_eq!((log.acknowledged, log.unknown), (0, 1));
            shown(&outcome)
        })
        .collect();
    // The machine may have written it out just in time, and nobody was told.
    assert!(outcomes.contains(&vec![None; 3]) && outcomes.contains(&vec![Some(Value::Int(1)); 3]));
}

#[test]
fn whom_nobody_restarts_is_dead_at_the_end_and_who_joins_late_catches_up() {
    let mut schedule = quiet(lww());
    schedule.operations = vec![put(2 * SECOND, 0, 1)];
    schedule.faults =
        vec![fault(0, Fault::Kill(B)), fault(SECOND, Fault::Kill(C)), fault(8 * SECOND, Fault::Restart(B))];
    let (_, outcome) = logged(&schedule);
    assert_eq!(shown(&outcome), [Some(Value::Int(1)), Some(Value::Int(1)), None]);
    assert!(matches!(outcome.rest, Rest::Reached { .. }));
}

/// The leader forgets that it has given positions away, and gives them away again: nobody takes the new writes.
#[test]
fn a_leader_on_an_old_backup_writes_what_nobody_else_will_see() {
    let on_backup = |backup_us| {
        let mut schedule = quiet(lww());
        schedule.operations = vec![put(SECOND, 0, 1), put(3 * SECOND, 0, 2), put(6 * SECOND, 0, 3)];
        let restart = TimedFault { backup_us, ..fault(5 * SECOND, Fault::Restart(A)) };
        schedule.faults = vec![fault(4 * SECOND, Fault::Kill(A)), restart];
        shown(&logged(&schedule).1)
    };
    let values = |values: [i64; 3]| values.map(|value| Some(Value::Int(value)));
    assert_eq!(on_backup(None), values([3, 3, 3]));
    assert_eq!(on_backup(Some(4 * SECOND)), values([3, 3, 3]), "nothing was written since");
    assert_eq!(on_backup(Some(2 * SECOND)), values([3, 2, 2]));
    assert_eq!(on_backup(Some(0)), values([3, 2, 2]), "a new machine with an old name");
}

#[test]
fn a_stopped_leader_answers_when_it_goes_on() {
    let mut schedule = quiet(lww());
    schedule.operations = vec![put(2 * SECOND, 0, 1), put(2 * SECOND, 1, 2)];
    schedule.faults = vec![fault(SECOND, Fault::Pause(A)), fault(3 * SECOND, Fault::Resume(A))];
    let (log, _) = logged(&schedule);
    let answered = log.lines.iter().find(|line| line.contains("c0 true Written")).unwrap();
    assert!(answered.starts_with("3000300 "), "{answered}");
    // A client that does not wait so long knows nothing of its write.
    schedule.clients.timeout_us = SECOND / 2;
    let (log, outcome) = logged(&schedule);
    assert_eq!((log.acknowledged, log.unknown), (1, 1));
    assert!(all_show(&outcome, 1), "it was executed all the same");
}

#[test]
fn a_client_that_moves_with_a_request_in_flight_sends_it_again() {
    let mut schedule = quiet(Strategy::OnWrite(OnWrite { handler: Handler::Delta }));
    let add = TimedOperation { operation: Operation::Add(5), ..put(2 * SECOND, 0, 0) };
    schedule.operations = vec![add];
    let relocate = Fault::Relocate { client: ClientId(0), to: B, token: false };
    schedule.faults = vec![TimedFault { in_flight: true, ..fault(SECOND, relocate) }];
    let (log, outcome) = logged(&schedule);
    assert_eq!(log.acknowledged, 1);
    assert!(
        log.duplicates > 0,
        "two leaders took it, and each recognised the other's copy: {:#?}",
        log.lines
    );
    assert!(all_show(&outcome, 5));
    assert!(log.lines.contains(&"2000300 relocate c0 to B without its token".to_owned()), "{:#?}", log.lines);
}

#[test]
fn an_order_to_move_between_operations_waits_for_the_one_under_way() {
    let mut schedule = quiet(lww());
    schedule.operations = vec![put(SECOND, 0, 1), put(SECOND, 0, 2)];
    let relocate = Fault::Relocate { client: ClientId(0), to: B, token: false };
    schedule.faults = vec![fault(SECOND + 1, relocate)];
    let (log, _) = logged(&schedule);
    let of_client: Vec<&str> = log
        .lines
        .iter()
        .filter(|line| line.contains("c0"))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    let order: Vec<bool> = of_client.iter().map(|line| line.contains("c0 at B")).collect();
    assert_eq!(of_client.iter().filter(|line| line.contains("relocate")).count(), 1);
    assert!(order.iter().any(|&at_b| at_b), "{of_client:#?}");
}

#[test]
fn a_dead_leader_refuses_at_once_and_a_killed_one_breaks_off() {
    let mut schedule =
        quiet(Strategy::HomeLeader(HomeLeader { hand_over: HandOver::Fenced, ..HomeLeader::default() }));
    schedule.operations = (0..3).map(|client| put(2 * SECOND, client, client.into())).collect();
    schedule.faults = vec![fault(SECOND, Fault::Kill(A)), fault(2 * SECOND + 400, Fault::Kill(B))];
    let (log, _) = logged(&schedule);
    assert!(log.lines.iter().any(|line| line.contains("c0 true Unsent")), "{:#?}", log.lines);
    assert!(log.lines.iter().any(|line| line.contains("c1 true Unknown")), "{:#?}", log.lines);
}

fn strategies() -> Vec<Strategy> {
    let fenced = HomeLeader { hand_over: HandOver::Fenced, ..HomeLeader::default() };
    vec![
        lww(),
        Strategy::OnWrite(OnWrite { handler: Handler::Union }),
        Strategy::OnRead(OnRead { handler: Handler::Union }),
        Strategy::HomeLeader(fenced),
    ]
}

/// Strategies that promise equal replicas have them after every storm, for all links lose, double and delay.
#[test]
fn after_every_storm_replicas_become_equal() {
    let mut acknowledged = 0;
    for strategy in strategies() {
        for seed in 0..25 {
            let schedule = stormy(strategy.clone(), seed);
            let (log, outcome) = logged(&schedule);
            assert!(matches!(outcome.rest, Rest::Reached { .. }), "{strategy} {seed}: {:?}", outcome.rest);
            let mut digests = outcome.replicas.iter().flatten().map(Replica::digest);
            let first = digests.next();
            assert!(digests.all(|digest| Some(digest) == first), "{strategy}, seed {seed}");
            acknowledged += log.acknowledged;
        }
    }
    assert!(
        acknowledged > 4000,
        "only {acknowledged} writes were acknowledged: the storms leave nothing to lose"
    );
}

/// The storms are strong enough to tell a strategy that does not converge.
#[test]
fn storms_leave_replicas_different_where_nothing_resolves() {
    let diverges = |seed| {
        let (_, outcome) = logged(&stormy(Strategy::Arrival(Arrival::default()), seed));
        let mut digests = outcome.replicas.iter().flatten().map(Replica::digest);
        let first = digests.next();
        digests.any(|digest| Some(digest) != first)
    };
    let count = (0..25).filter(|&seed| diverges(seed)).count();
    assert!(count > 2, "only {count} storms of 25 did");
}

#[test]
fn a_schedule_gives_the_same_run_word_for_word() {
    for (seed, strategy) in (0..8).flat_map(|seed| strategies().into_iter().map(move |s| (seed, s))) {
        let schedule = stormy(strategy, seed);
        let ((log, outcome), (again, other)) = (logged(&schedule), logged(&schedule));
        assert_eq!(log.lines, again.lines);
        assert_eq!((outcome.digest, outcome.traffic), (other.digest, other.traffic));
        let reseeded = run(&Schedule { seed: seed + 1000, ..schedule }, &mut Silent).unwrap();
        assert_ne!(outcome.digest, reseeded.digest, "the seed decides nothing");
    }
}

/// The same on every machine, in debug and release builds alike. Other digests mean that replicas, sessions or the
/// simulator do something else than before: schedules that were kept then tell another story.
#[test]
fn the_runs_are_frozen() {
    let digest = |strategy: Strategy| {
        let outcome = run(&stormy(strategy.clone(), 3), &mut Silent).unwrap();
        format!("{strategy}: {:016x} after {} events", outcome.digest, outcome.traffic.events)
    };
    insta::assert_debug_snapshot!(strategies().into_iter().map(digest).collect::<Vec<_>>());
}

#[test]
fn a_schedule_is_data() {
    let schedule = stormy(lww(), 5);
    let text = serde_json::to_string(&schedule).unwrap();
    assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), schedule);
}

#[test]
fn a_schedule_that_cannot_be_run_says_why() {
    let schedule = || quiet(lww());
    let refused = |schedule: Schedule| run(&schedule, &mut Silent).unwrap_err().to_string();
    let newer = Schedule { v: 2, ..schedule() };
    assert_eq!(refused(newer), "the schedule has format 2, and this build runs format 1");
    let stranger = Schedule { operations: vec![put(0, 3, 1)], ..schedule() };
    assert_eq!(
        refused(stranger),
        "operation 0 is of the client c3, but there are only 3: add it to `clients.at`"
    );
    let nobody = Schedule { faults: vec![fault(0, Fault::Kill(ReplicaId(3)))], ..schedule() };
    assert_eq!(refused(nobody), "fault 0 names the replica D, which is no replica of this cluster");
    let nowhere = Schedule { faults: vec![fault(0, Fault::Cut(links("A>D")))], ..schedule() };
    assert_eq!(refused(nowhere), "fault 0 names the link A>D, which this cluster does not have");
    let mut alone = schedule();
    alone.cluster.leaders = 0;
    assert!(matches!(run(&alone, &mut Silent), Err(ScheduleError::Topology(_))));
}
