//! What comes from clients and peers may be anything: a replica ignores or refuses it, and never panics.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use quarrel_models::{
    clock::{Now, Stamp},
    handler::Handler,
    id::{ClientId, Dot, LinkId, LogPosition, MAX_REPLICAS, ReplicaId, WriteId},
    message::{
        Entry, Input, Message, Output, Parents, Record, Reply, Request, RequestId, Routed, RoutedBody,
        Written,
    },
    operation::Operation,
    replica::{Config, Replica},
    session::{Session, SessionInput},
    strategy::{
        Crdt, DataType, DeletePolicy, HandOver, HomeLeader, LastWriteWins, MissingRow, MostUpdates, OnRead,
        OnWrite, Reroute, Rows, Strategy as Rule,
    },
    tags::Tag,
    topology::{Follower, Graph, Propagation, Topology},
    value::{Key, Value},
    version::{Version, VersionVector},
};
use std::sync::Arc;

fn replica() -> impl Strategy<Value = ReplicaId> {
    prop_oneof![4 => 0..4_usize, 1 => 0..MAX_REPLICAS].prop_map(ReplicaId::from_index)
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0..5_u32, 1 => (u32::MAX - 1)..=u32::MAX]
}

fn vector() -> impl Strategy<Value = VersionVector> {
    prop::collection::vec((replica(), number()), 0..4)
        .prop_map(|dots| dots.into_iter().map(|(origin, position)| Dot { origin, position }).collect())
}

fn key() -> impl Strategy<Value = Key> {
    (0..2_u8).prop_map(|number| Key::from(format!("k{number}")))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0..3_i64).prop_map(Value::Int),
        prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(Value::Int),
        Just(Value::Text("x".into())),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::btree_set(inner.clone(), 0..3).prop_map(Value::Set),
            prop::collection::btree_map("[a-b]".prop_map(Key::from), inner, 0..3).prop_map(Value::Map),
        ]
    })
}

fn write() -> impl Strategy<Value = WriteId> {
    (0..3_u32, number()).prop_map(|(client, sequence)| WriteId { client: ClientId(client), sequence })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        Just(Operation::Read),
        Just(Operation::Delete),
        value().prop_map(Operation::Put),
        any::<i64>().prop_map(Operation::Add),
        value().prop_map(Operation::Insert),
        value().prop_map(Operation::Append),
        value().prop_map(|value| Operation::Claim { field: "a".into(), value }),
        value().prop_map(|value| Operation::Move { from: "a".into(), to: "b".into(), value }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let parts = (
        key(),
        operation(),
        prop::option::of(write()),
        prop::option::of(vector()),
        prop::option::weighted(0.2, vector()),
    );
    parts.prop_map(|(key, operation, write, context, token)| Request {
        key,
        operation,
        write,
        context,
        token,
    })
}

fn entry() -> impl Strategy<Value = Arc<Entry>> {
    let parts = (key(), write(), replica(), number(), any::<i64>(), number(), vector(), number());
    (parts, prop::option::of(value()), prop::option::of(value())).prop_map(
        |((key, write, origin, position, time_us, logical, context, updates), value, before)| {
            let (dot, stamp) = (Dot { origin, position }, Stamp { time_us, logical });
            let removes = before.iter().map(|element| Tag { element: element.clone(), write }).collect();
            Arc::new(Entry {
                key,
                version: Version { write, dot, stamp, context, value, updates },
                before,
                removes,
                update: updates % 2 == 1,
            })
        },
    )
}

fn reply() -> impl Strategy<Value = Reply> {
    (replica(), number(), vector()).prop_map(|(origin, position, knew)| {
        let dot = Dot { origin, position };
        Reply::Written(Written { dot, stamp: Stamp::default(), knew, on: Parents::new(), duplicate: false })
    })
}

fn routed() -> impl Strategy<Value = Message> {
    let id = || (0..4_u64).prop_map(RequestId);
    let body =
        prop_oneof![
            (id(), request()).prop_map(|(id, request)| RoutedBody::Forward { id, request }),
            (id(), prop::option::of(write()), reply())
                .prop_map(|(id, write, reply)| RoutedBody::ForwardReply { id, write, reply }),
            key().prop_map(|key| RoutedBody::HomeRequest { key }),
            (key(), number(), vector()).prop_map(|(key, epoch, applied)| RoutedBody::HomeGrant {
                key,
                epoch,
                applied
            }),
            (key(), replica(), number()).prop_map(|(key, leader, epoch)| RoutedBody::HomeMoved {
                key,
                leader,
                epoch
            }),
        ];
    (replica(), replica(), body)
        .prop_map(|(from, to, body)| Message::Routed(Box::new(Routed { from, to, body })))
}

fn message() -> impl Strategy<Value = Message> {
    let entries = (replica(), number(), prop::collection::vec(entry(), 0..4));
    prop_oneof![
        1 => vector().prop_map(|applied| Message::Hello { applied }),
        1 => vector().prop_map(|applied| Message::Ack { applied }),
        3 => entries.prop_map(|(origin, after, entries)| Message::Entries { origin, after, entries }),
        4 => routed(),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let link = (replica(), replica()).prop_map(|(from, to)| LinkId { from, to });
    prop_oneof![
        4 => (0..4_u64, request()).prop_map(|(id, request)| Input::Request { id: RequestId(id), request }),
        8 => (link, message()).prop_map(|(link, message)| Input::Peer { link, message }),
        1 => replica().prop_map(|from| Input::Connected { from }),
        1 => replica().prop_map(|to| Input::Disconnected { to }),
        2 => Just(Input::Tick),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let home =
        |reroute, hand_over| Rule::HomeLeader(HomeLeader { reroute, hand_over, ..HomeLeader::default() });
    prop_oneof![
        Just(Rule::Lww(LastWriteWins::default())),
        Just(home(Reroute::Forward, HandOver::Immediate)),
        Just(home(Reroute::Follow, HandOver::Drained)),
        Just(home(Reroute::Follow, HandOver::Fenced)),
        Just(Rule::Lww(LastWriteWins {
            rows: Rows { deletes: DeletePolicy::Hard, missing: MissingRow::Stall },
            ..LastWriteWins::default()
        })),
        Just(Rule::MostUpdates(MostUpdates::default())),
        prop::sample::select(vec![DataType::Counter, DataType::OrSet, DataType::MvRegister])
            .prop_map(|data_type| Rule::Crdt(Crdt { data_type })),
        prop::sample::select(&Handler::ALL[..]).prop_map(|handler| Rule::OnWrite(OnWrite { handler })),
        prop::sample::select(&Handler::ALL[..]).prop_map(|handler| Rule::OnRead(OnRead { handler })),
    ]
}

fn config(rule: Rule) -> Config {
    let follower = Follower { of: vec![ReplicaId(0)], readable: false };
    let graph = Graph::new(&Topology::AllToAll, 3, vec![follower], Propagation::Relay).unwrap();
    let mut config = Config::new(graph, rule);
    config.retention = 0;
    config.window = 3;
    config.token_wait_us = u64::MAX;
    config
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_and_no_request_makes_a_replica_panic(
        rule in rule(),
        me in 0..4_usize,
        inputs in prop::collection::vec((any::<i64>(), 0..300_000_u64, input()), 1..40),
    ) {
        let config = Arc::new(config(rule));
        let mut replica = Replica::new(Arc::clone(&config), ReplicaId::from_index(me));
        let (mut records, mut out) = (Vec::new(), Vec::new());
        let mut monotonic_us = 0;
        for (wall_us, later_us, input) in inputs {
            monotonic_us += later_us;
            for input in [input, Input::Flush] {
                replica.step(Now { wall_us, monotonic_us }, input, &mut out);
            }
        }
        for output in out {
            if let Output::Persist(record) = output {
                records.push(record);
            }
        }
        let back = Replica::recover(config, ReplicaId::from_index(me), records).unwrap();
        prop_assert_eq!(back.digest(), replica.digest());
    }

    #[test]
    fn no_reply_makes_a_session_panic(
        handler in prop::option::of(prop::sample::select(&Handler::ALL[..])),
        steps in prop::collection::vec((operation(), reply(), any::<bool>()), 1..9),
    ) {
        let mut session = Session::new(ClientId(0), handler, true);
        for (operation, reply, relocated) in steps {
            if session.is_idle() {
                session.step(SessionInput::Start(quarrel_models::operation::KeyedOperation { key: "k".into(), operation }));
            }
            if relocated {
                session.step(SessionInput::Relocated { token: false });
            }
            session.step(SessionInput::Reply(reply));
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(
        message in message(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = postcard::to_allocvec(&message).unwrap();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for bytes in [&bytes, &noise] {
            let _ = postcard::from_bytes::<Message>(bytes);
            let _ = postcard::from_bytes::<Record>(bytes);
            let _ = postcard::from_bytes::<Request>(bytes);
            let _ = postcard::from_bytes::<VersionVector>(bytes);
        }
    }
}

#[test]
fn a_value_that_is_nested_too_deep_is_refused_in_binary_and_in_json() {
    for kind in [2_u8, 3] {
        let bytes = [kind, 1].repeat(200_000);
        assert!(postcard::from_bytes::<Value>(&bytes).is_err());
    }
    // A map: one field, a key of one byte.
    assert!(postcard::from_bytes::<Value>(&[4_u8, 1, 1, b'a'].repeat(200_000)).is_err());
    assert!(serde_json::from_str::<Value>(&"[".repeat(200_000)).is_err());
}

#[test]
fn whatever_depth_comes_in_as_json_travels_and_is_stored() {
    // 127 levels are what the JSON reader takes.
    let text = format!("{}1{}", "[".repeat(127), "]".repeat(127));
    let value: Value = serde_json::from_str(&text).unwrap();
    let inserted = Operation::Insert(value).execute(None).unwrap();
    let bytes = postcard::to_allocvec(&inserted).unwrap();
    assert_eq!(postcard::from_bytes::<Option<Value>>(&bytes), Ok(inserted));
}

#[test]
fn a_length_that_promises_too_much_is_refused() {
    let promise = postcard::to_allocvec(&u64::MAX).unwrap();
    assert!(postcard::from_bytes::<VersionVector>(&promise).is_err());
    assert!(postcard::from_bytes::<Parents>(&promise).is_err());
    let few: Vec<LogPosition> = vec![1; MAX_REPLICAS + 1];
    assert!(postcard::from_bytes::<VersionVector>(&postcard::to_allocvec(&few).unwrap()).is_err());
}

fn fenced_replica(me: &str) -> Replica {
    let home = HomeLeader { reroute: Reroute::Follow, hand_over: HandOver::Fenced, ..HomeLeader::default() };
    Replica::new(Arc::new(config(Rule::HomeLeader(home))), me.parse().unwrap())
}

/// What a replica sends in answer to a routed message about the record `h`, whose first home is B.
fn told(replica: &mut Replica, from: &str, body: RoutedBody) -> Vec<RoutedBody> {
    let (from, to) = (from.parse().unwrap(), replica.id());
    let message = Message::Routed(Box::new(Routed { from, to, body }));
    let mut out = Vec::new();
    replica.step(Now::default(), Input::Peer { link: LinkId { from, to }, message }, &mut out);
    out.into_iter()
        .filter_map(|output| match output {
            Output::Send { message: Message::Routed(routed), .. } => Some(routed.body),
            _ => None,
        })
        .collect()
}

#[test]
fn a_leader_that_only_heard_of_a_hand_over_gives_no_grant() {
    let mut hearer = fenced_replica("C");
    let moved = RoutedBody::HomeMoved { key: "h".into(), leader: ReplicaId(0), epoch: 2 };
    assert_eq!(told(&mut hearer, "B", moved.clone()), []);
    // It may lack the writes of the old home: A must ask there.
    assert_eq!(told(&mut hearer, "A", RoutedBody::HomeRequest { key: "h".into() }), [moved]);
}

#[test]
fn an_epoch_at_the_end_of_its_range_is_not_counted_on() {
    let mut home = fenced_replica("A");
    let claim = RoutedBody::HomeMoved { key: "h".into(), leader: ReplicaId(0), epoch: 1 };
    assert_eq!(told(&mut home, "C", claim), [RoutedBody::HomeRequest { key: "h".into() }]);
    let grant = RoutedBody::HomeGrant { key: "h".into(), epoch: u32::MAX, applied: VersionVector::new() };
    assert_eq!(told(&mut home, "B", grant.clone()), []);
    assert_eq!(told(&mut home, "C", RoutedBody::HomeRequest { key: "h".into() }), [grant]);
}
