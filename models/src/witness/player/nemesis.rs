//! The nemesis of a played witness.

use super::{Done, Player};
use crate::{
    fault::Fault,
    id::{ClientId, LinkId, ReplicaId},
    message::Record,
    replica::Replica,
    session::SessionInput,
    witness::{Happening, Phase, Problem},
};
use alloc::{string::ToString, sync::Arc, vec::Vec};

impl Player {
    pub(super) fn fault(&mut self, fault: &Fault) -> Done {
        match fault {
            Fault::Cut(links) => links.iter().try_for_each(|&link| self.cut(link)),
            Fault::Stall(links) => links.iter().try_for_each(|&link| {
                self.wire(link)?.stalled = true;
                Ok(())
            }),
            Fault::Degrade(links, _) => links.iter().try_for_each(|&link| self.wire(link).map(|_| ())),
            Fault::Heal(links) => links.iter().try_for_each(|&link| self.heal(link)),
            Fault::Clock(replica, change) => {
                self.node(*replica)?;
                let real_ns = self.now_us.saturating_mul(1000);
                let clock = &mut self.nodes[replica.index()].clock;
                *clock = change.upon(*clock, real_ns, real_ns);
                Ok(())
            }
            Fault::Relocate { client, to, token } => self.relocate(*client, *to, *token),
            Fault::Kill(replica) => self.kill(*replica, Phase::Down),
            Fault::Restart(replica) => self.restart(*replica),
            Fault::Pause(replica) | Fault::Resume(replica) => {
                let paused = matches!(fault, Fault::Pause(_));
                if self.node(*replica)?.phase != Phase::Live {
                    return Err(Problem::NotRunning(*replica));
                }
                self.nodes[replica.index()].paused = paused;
                Ok(())
            }
        }
    }

    pub(super) fn cut(&mut self, link: LinkId) -> Done {
        self.wire(link)?.cut = true;
        self.disconnect(link);
        Ok(())
    }

    fn disconnect(&mut self, link: LinkId) {
        self.break_off(link);
        self.notice(link);
    }

    pub(super) fn reconnect(&mut self, link: LinkId) -> Done {
        if self.wire(link)?.cut {
            return Err(Problem::Blocked(link));
        }
        self.disconnect(link);
        self.connect(link);
        Ok(())
    }

    /// What is lost is gone at once: the dead replica is what it will be when it restarts.
    pub(super) fn lose_tail(&mut self, replica: ReplicaId, records: u32) -> Done {
        self.kill(replica, Phase::Down)?;
        let disk = &mut self.nodes[replica.index()].disk;
        for _ in 0..records {
            let last = disk.iter().rposition(|record| !matches!(record, Record::Reserve(_)));
            disk.remove(last.ok_or(Problem::ShortLog { replica, records })?);
        }
        self.recover(replica)
    }

    pub(super) fn heal(&mut self, link: LinkId) -> Done {
        let wire = self.wire(link)?;
        wire.stalled = false;
        if core::mem::take(&mut wire.cut) {
            self.connect(link);
        }
        Ok(())
    }

    /// A replica dies, and what is under way to and from it is lost.
    pub(super) fn kill(&mut self, replica: ReplicaId, phase: Phase) -> Done {
        if self.node(replica)?.phase != Phase::Live {
            return Err(Problem::NotRunning(replica));
        }
        let node = &mut self.nodes[replica.index()];
        (node.phase, node.paused) = (phase, false);
        for link in self.links() {
            if link.from == replica || link.to == replica {
                self.break_off(link);
            }
            if link.to == replica {
                self.notice(link);
            }
        }
        let names: Vec<ClientId> = self.clients.keys().copied().collect();
        for name in names {
            let client = self.client(name)?;
            let lost = client.calls.iter().filter(|call| call.at == replica).count();
            client.calls.retain(|call| call.at != replica);
            let broken = client.pending.is_some_and(|(at, _)| at == replica);
            self.happened.extend((0..lost).map(|_| Happening::RequestLost { client: name, to: replica }));
            // Its connection broke: no answer will come from there.
            if broken {
                self.session(name, SessionInput::Unanswered);
            }
        }
        Ok(())
    }

    pub(super) fn restart(&mut self, replica: ReplicaId) -> Done {
        match self.node(replica)?.phase {
            Phase::Live => return Err(Problem::Running(replica)),
            Phase::Gone => return Err(Problem::Gone(replica)),
            Phase::Down => {}
        }
        self.recover(replica)?;
        self.nodes[replica.index()].phase = Phase::Live;
        for link in self.links() {
            if link.from == replica || link.to == replica {
                self.connect(link);
            }
        }
        Ok(())
    }

    fn recover(&mut self, replica: ReplicaId) -> Done {
        let config = Arc::clone(&self.config);
        let node = &mut self.nodes[replica.index()];
        node.replica = Replica::recover(config, replica, node.disk.iter().cloned())
            .map_err(|error| Problem::Log { replica, why: error.to_string() })?;
        Ok(())
    }
}
