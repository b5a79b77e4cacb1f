//! People who are at the identity provider at this moment.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kouan_protocol::BootTime;

/// How long somebody may take there.
const PATIENCE_MS: u64 = 10 * 60_000;
/// How many may be there at the same time; beyond, the oldest has to begin again.
const MOST: usize = 1_000;

/// What must come back, by the state that was sent along.
#[derive(Debug, Default)]
pub struct Pending(Mutex<HashMap<String, (BootTime, Secrets)>>);

/// What proves that the answer belongs to the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Secrets {
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

impl Pending {
    /// Somebody goes to the provider.
    pub(crate) fn put(&self, state: String, secrets: Secrets, now: BootTime) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|_, (since, _)| now.since_ms(*since) < PATIENCE_MS);
        if pending.len() >= MOST {
            let oldest = pending.iter().min_by_key(|(_, (since, _))| *since).map(|(state, _)| state.clone());
            oldest.map(|oldest| pending.remove(&oldest));
        }
        pending.insert(state, (now, secrets));
    }

    /// Somebody comes back, once.
    pub(crate) fn take(&self, state: &str, now: BootTime) -> Option<Secrets> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(state);
        found.filter(|(since, _)| now.since_ms(*since) < PATIENCE_MS).map(|(_, secrets)| secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_back_does_so_once_and_in_time() {
        let pending = Pending::default();
        let secrets = Secrets { nonce: "n".to_owned(), verifier: "v".to_owned() };
        pending.put("a".to_owned(), secrets.clone(), BootTime(0));
        pending.put("b".to_owned(), secrets.clone(), BootTime(0));
        assert_eq!(pending.take("a", BootTime(1_000)), Some(secrets.clone()));
        assert_eq!(pending.take("a", BootTime(1_000)), None);
        assert_eq!(pending.take("b", BootTime(PATIENCE_MS)), None);
        for at in 0..2_000 {
            pending.put(format!("s{at}"), secrets.clone(), BootTime(at));
        }
        assert_eq!(pending.0.lock().unwrap().len(), MOST);
        assert!(pending.take("s1999", BootTime(2_000)).is_some());
    }
}
