//! The clients of a played witness.

use super::{Call, Done, Player};
use crate::{
    id::{ClientId, ReplicaId, WriteId},
    message::{Input, Request, RequestId},
    operation::KeyedOperation,
    session::{SessionInput, SessionOutput},
    witness::{Happening, Problem},
};
use alloc::boxed::Box;

impl Player {
    pub(super) fn begin(
        &mut self,
        name: ClientId,
        keyed: KeyedOperation,
        said: Option<WriteId>,
        at_once: bool,
    ) -> Done {
        let client = self.client(name)?;
        if !client.session.is_idle() {
            return Err(Problem::Busy(name));
        }
        let is = client.session.next_write();
        client.write = keyed.operation.is_write().then_some(is);
        if let Some(said) = said.filter(|said| client.write != Some(*said)) {
            return Err(Problem::OtherWrite { said, is });
        }
        client.at_once = at_once;
        let at = client.at;
        let write = client.write;
        self.running(at)?;
        let (key, operation) = (keyed.key.clone(), keyed.operation.clone());
        self.happened.push(Happening::Began { client: name, write, key, operation });
        self.session(name, SessionInput::Start(keyed));
        Ok(())
    }

    pub(super) fn arrive(&mut self, name: ClientId, at: ReplicaId) -> Done {
        let client = self.client(name)?;
        let Some(place) = client.calls.iter().position(|call| call.at == at) else {
            return Err(Problem::NoRequest { client: name, at });
        };
        self.running(at)?;
        let Call { id, request, .. } = self.client(name)?.calls.remove(place);
        self.take(name, at, id, request);
        Ok(())
    }

    pub(super) fn take(&mut self, client: ClientId, at: ReplicaId, id: RequestId, request: Request) {
        self.happened.push(Happening::Arrived { client, at, request: request.clone() });
        self.feed(at, Input::Request { id, request });
    }

    pub(super) fn relocate(&mut self, name: ClientId, to: ReplicaId, token: bool) -> Done {
        self.node(to)?;
        self.client(name)?.at = to;
        self.session(name, SessionInput::Relocated { token });
        Ok(())
    }

    pub(super) fn session(&mut self, name: ClientId, input: SessionInput) {
        let Some(client) = self.clients.get_mut(&name) else { return };
        client.pending = None;
        for output in client.session.step(input) {
            match output {
                SessionOutput::Send(request) => self.request(name, request),
                SessionOutput::Resolved(resolution) => {
                    let resolution = Box::new(resolution);
                    self.happened.push(Happening::Resolved { client: name, resolution });
                }
                // The answer that follows shows the siblings as they are.
                SessionOutput::Unresolved { .. } => {}
                SessionOutput::Done(outcome) => {
                    let write = self.clients.get_mut(&name).and_then(|client| client.write.take());
                    self.happened.push(Happening::Ended { client: name, write, outcome });
                }
            }
        }
    }

    pub(super) fn request(&mut self, name: ClientId, request: Request) {
        let Some(client) = self.clients.get_mut(&name) else { return };
        self.requests += 1;
        let (id, at) = (RequestId(self.requests), client.at);
        client.pending = Some((at, id));
        self.happened.push(Happening::Asked { client: name, to: at, request: request.clone() });
        if client.at_once {
            self.take(name, at, id, request);
        } else {
            client.calls.push(Call { at, id, request });
        }
    }
}
