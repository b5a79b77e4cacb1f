//! Which conversation of each agent is the current one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kouan_protocol::{AgentId, BootTime, Incarnation, SessionId};

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
    /// The last request in it, on this machine's boot clock.
    pub seen: BootTime,
}

/// The current sessions; in memory only, because after a restart every agent says hello again.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<AgentId, Session>>);

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
    /// Begins a session and returns the one that it ends.
    pub fn begin(&self, agent: &AgentId, session: Session) -> Option<Session> {
        self.lock().insert(agent.clone(), session)
    }

    /// Checks that `id` is the agent's current session, and remembers that it was seen.
    ///
    /// # Errors
    /// When it is not.
    pub fn touch(&self, agent: &AgentId, id: SessionId, now: BootTime) -> Result<Session, SessionProblem> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(agent).ok_or(SessionProblem::Unknown)?;
        if session.id != id {
            return Err(SessionProblem::Superseded);
        }
        session.seen = now.max(session.seen);
        Ok(*session)
    }

    /// Milliseconds since the agent's last request, if it said hello.
    #[must_use]
    pub fn silent_ms(&self, agent: &AgentId, now: BootTime) -> Option<u64> {
        self.lock().get(agent).map(|session| now.since_ms(session.seen))
    }

    /// Whether the agent made a request within the last minute.
    #[must_use]
    pub fn is_connected(&self, agent: &AgentId, now: BootTime) -> bool {
        self.silent_ms(agent, now).is_some_and(|silent| silent < CONNECTED_MS)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<AgentId, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether somebody used the session within the last minute.
    #[must_use]
    pub fn is_active(&self, now: BootTime) -> bool {
        now.since_ms(self.seen) < CONNECTED_MS
    }
}
