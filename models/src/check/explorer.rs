//! A world to walk about in: stateright's Explorer, with our space-time diagram of each path.

use super::{
    action::Action,
    property::{Judgement, Property},
    state::State,
    witness::{found, witness},
    world::World,
};
use crate::diagram::{scene, svg};
use alloc::{format, string::String, vec, vec::Vec};
use stateright::{Model, Path};
use std::net::SocketAddr;

/// A world, and what is asked of it.
#[derive(Debug)]
struct Explored {
    world: World,
    property: Property,
}

impl Model for Explored {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.world.initial()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.world.actions(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.world.next(state, action))
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        let holds =
            |asked: &Self, state: &State| asked.property.judge(&asked.world, state) != Judgement::Violated;
        vec![stateright::Property::always(self.property.name(), holds)]
    }

    fn format_action(&self, action: &Action) -> String {
        format!("{action}")
    }

    fn as_svg(&self, path: Path<State, Action>) -> Option<String> {
        let witness = witness(&self.world, &path.into_actions(), found(&self.world, self.property.name()));
        scene(&witness).ok().map(|scene| svg(&scene))
    }
}

/// Serves the Explorer until the program ends. It has no authentication: serve it on a loopback address only.
///
/// # Panics
/// If the address cannot be had: try it first.
pub fn serve(world: World, property: Property, address: SocketAddr) {
    let _ = Explored { world, property }.checker().serve(address);
}

#[cfg(test)]
mod tests {
    use super::{super::Scope, *};
    use crate::{
        strategy::{Arrival, Strategy},
        topology::Topology,
    };

    #[test]
    fn each_path_has_its_picture() {
        let scope = Scope::new(Strategy::Arrival(Arrival {}), Topology::Ring);
        let explored = Explored { world: World::new(scope).unwrap(), property: Property::Converged };
        let first = |state: &State| {
            let mut actions = Vec::new();
            Model::actions(&explored, state, &mut actions);
            actions[0]
        };
        let initial = explored.world.initial();
        let call = first(&initial);
        let path = Path::from_actions(&explored, initial, &[call]).unwrap();
        let picture = explored.as_svg(path).unwrap();
        assert!(picture.contains("c0 writes k = 0 (c0.1) and sends it to A"), "{picture}");
    }
}
