//! The storm: the nemesis carries out its schedule while the clients work.

use super::{Run, RunError, client::Move};
use crate::systems::System;
use quarrel_models::fault::Fault;
use quarrel_workloads::{
    history::Event,
    schedule::{Action, Planned},
};
use std::time::Instant;

impl<S: System> Run<'_, S> {
    pub(super) async fn storm(&mut self, schedule: &[Planned]) -> Result<(), RunError> {
        let began = Instant::now();
        for entry in schedule {
            self.load_until(began + entry.at).await?;
            if self.is_over() {
                return Ok(());
            }
            self.act(entry).await?;
        }
        self.load_until(began + self.scenario.phases.storm.duration()).await
    }

    async fn act(&mut self, entry: &Planned) -> Result<(), RunError> {
        match &entry.action {
            Action::Relocate { client, to, token, in_flight } => {
                // The client itself records the move when it makes it. It is there as long as the run is.
                if let Some(orders) = self.crew.orders.get(client.0 as usize) {
                    let _ = orders.send(Move { to: *to, token: *token, in_flight: *in_flight });
                }
                let fault = entry.action.fault();
                self.live.update(|snapshot| snapshot.last = fault.to_string());
            }
            Action::Fault(fault) => {
                if entry.for_good
                    && let Fault::Kill(replica) = fault
                {
                    self.cluster.give_up(*replica);
                }
                let record =
                    |effect| self.recorder.record(|t| Event::Nemesis { t, fault: fault.clone(), effect });
                // A process is dead some time before that is known: its clients notice first.
                let strikes_at_once = matches!(fault, Fault::Kill(_) | Fault::Pause(_));
                if strikes_at_once {
                    record(String::new());
                }
                let effect = self.cluster.apply(fault).await?;
                if !strikes_at_once {
                    record(effect);
                }
                self.show(fault);
            }
        }
        Ok(())
    }

    /// Keeps the list of faults that are on.
    fn show(&self, fault: &Fault) {
        let text = fault.to_string();
        self.live.update(|snapshot| {
            match fault {
                Fault::Heal(_) => snapshot
                    .faults
                    .retain(|on| !["cut", "stall", "degrade"].iter().any(|kind| on.starts_with(kind))),
                Fault::Clock(replica, change) => {
                    let prefix = format!("clock {replica} ");
                    snapshot.faults.retain(|on| !on.starts_with(&prefix));
                    if *change != quarrel_models::fault::ClockChange::Reset {
                        snapshot.faults.push(text.clone());
                    }
                }
                Fault::Restart(replica) => snapshot.faults.retain(|on| *on != format!("kill {replica}")),
                Fault::Resume(replica) => snapshot.faults.retain(|on| *on != format!("pause {replica}")),
                _ => snapshot.faults.push(text.clone()),
            }
            snapshot.last = text;
        });
    }
}
