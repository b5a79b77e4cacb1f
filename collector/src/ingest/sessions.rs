//! Which conversation of each agent is the current one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use kouan_protocol::{AgentId, Anchor, BootId, BootTime, Incarnation, SessionId};

use super::transit::Transit;

/// An agent counts as connected for this long after its last request.
const CONNECTED_MS: u64 = 60_000;

/// A conversation begun by a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// The agent's data folder.
    pub incarnation: Incarnation,
    /// The agent's command journal.
    pub journal: Incarnation,
    /// The boot of the agent's machine.
    pub boot: BootId,
    /// The last request in it, on this machine's boot clock.
    pub seen: BootTime,
}

/// The current sessions; in memory only, because after a restart every agent says hello again.
#[derive(Debug, Default)]
pub struct Sessions {
    known: Mutex<HashMap<AgentId, Known>>,
    transits: Mutex<HashMap<AgentId, Transit>>,
}

#[derive(Debug)]
struct Known {
    session: Session,
    earlier_boots: VecDeque<BootId>,
}

/// Boots of an agent's machine that are remembered.
const BOOTS: usize = 8;

/// The session is not the agent's current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionProblem {
    /// No hello since this collector started.
    #[error("no session is known here; say hello")]
    Unknown,
    /// A later hello ended it.
    #[error("a later hello ended this session")]
    Superseded,
}

impl Sessions {
    /// Begins a session. Returns why two machines seem to use the agent's identity, if they do: another data folder
    /// was active just now, or a boot that had been followed by another one is back (a copied disk).
    pub fn begin(&self, agent: &AgentId, session: Session) -> Option<String> {
        let mut sessions = self.lock();
        let Some(known) = sessions.get_mut(agent) else {
            sessions.insert(agent.clone(), Known { session, earlier_boots: VecDeque::new() });
            return None;
        };
        let ended = std::mem::replace(&mut known.session, session);
        let other_folder = ended.incarnation != session.incarnation && ended.is_active(session.seen);
        let boot_is_back = ended.boot != session.boot && known.earlier_boots.contains(&session.boot);
        if ended.boot != session.boot {
            known.earlier_boots.push_back(ended.boot);
            if known.earlier_boots.len() > BOOTS {
                known.earlier_boots.pop_front();
            }
        }
        if other_folder {
            return Some(format!("data folders {} and {} are both in use", ended.incarnation, session.incarnation));
        }
        boot_is_back.then(|| format!("two machines with the data folder {} are running", session.incarnation))
    }

    /// Ends the agent's session: its token was taken back or replaced.
    pub fn end(&self, agent: &AgentId) {
        self.lock().remove(agent);
    }

    /// Checks that `id` is the agent's current session, and remembers that it was seen.
    ///
    /// # Errors
    /// When it is not.
    pub fn touch(&self, agent: &AgentId, id: SessionId, now: BootTime) -> Result<Session, SessionProblem> {
        let mut sessions = self.lock();
        let session = &mut sessions.get_mut(agent).ok_or(SessionProblem::Unknown)?.session;
        if session.id != id {
            return Err(SessionProblem::Superseded);
        }
        session.seen = now.max(session.seen);
        Ok(*session)
    }

    /// How much longer a message of the agent took than its quickest of late, in milliseconds: the line's part in how
    /// far the agent's clock seems to be off.
    pub fn delay_ms(&self, agent: &AgentId, sent: &Anchor, received: &Anchor) -> u64 {
        let mut transits = self.transits.lock().unwrap_or_else(PoisonError::into_inner);
        match transits.get_mut(agent) {
            Some(transit) => transit.delay_ms(sent, received),
            None => {
                transits.insert(agent.clone(), Transit::new(sent, received));
                0
            }
        }
    }

    /// Milliseconds since the agent's last request, if it said hello.
    #[must_use]
    pub fn silent_ms(&self, agent: &AgentId, now: BootTime) -> Option<u64> {
        self.lock().get(agent).map(|known| now.since_ms(known.session.seen))
    }

    /// Whether the agent made a request within the last minute.
    #[must_use]
    pub fn is_connected(&self, agent: &AgentId, now: BootTime) -> bool {
        self.silent_ms(agent, now).is_some_and(|silent| silent < CONNECTED_MS)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<AgentId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether somebody used the session within the last minute.
    #[must_use]
    pub fn is_active(&self, now: BootTime) -> bool {
        now.since_ms(self.seen) < CONNECTED_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(incarnation: u64, boot: u64, seen: u64) -> Session {
        Session {
            id: SessionId::random(),
            incarnation: Incarnation(incarnation),
            journal: Incarnation(1),
            boot: BootId(boot),
            seen: BootTime(seen),
        }
    }

    #[test]
    fn a_later_hello_ends_the_session() {
        let (sessions, agent) = (Sessions::default(), "a".parse().unwrap());
        let (first, second) = (session(1, 1, 0), session(1, 1, 5));
        assert_eq!(sessions.touch(&agent, first.id, BootTime(0)), Err(SessionProblem::Unknown));
        assert_eq!(sessions.begin(&agent, first), None);
        assert!(sessions.touch(&agent, first.id, BootTime(1)).is_ok());
        assert_eq!(sessions.begin(&agent, second), None);
        assert_eq!(sessions.touch(&agent, first.id, BootTime(6)), Err(SessionProblem::Superseded));
    }

    #[test]
    fn two_machines_with_one_identity_are_noticed() {
        let (sessions, agent) = (Sessions::default(), "a".parse().unwrap());
        assert_eq!(sessions.begin(&agent, session(1, 1, 0)), None);
        assert_eq!(sessions.begin(&agent, session(1, 2, 1_000)), None, "a reboot is no second machine");
        assert!(sessions.begin(&agent, session(1, 1, 2_000)).is_some(), "an earlier boot is back");
        assert!(sessions.begin(&agent, session(2, 1, 3_000)).is_some(), "another folder right after");
        assert_eq!(sessions.begin(&agent, session(3, 1, 90_000)), None, "another folder later is a new installation");
    }
}
