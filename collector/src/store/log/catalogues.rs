//! Opened catalogues, kept for the batches that follow.

use std::collections::HashMap;
use std::sync::Arc;

use kouan_protocol::{AgentId, Catalogue, CatalogueHash};

use super::FollowLog;
use crate::store::StoreError;

/// How many opened catalogues are kept.
const KEPT: usize = 64;

/// A catalogue as it was found.
#[derive(Debug, Clone)]
pub enum Found {
    /// It opens.
    Open(Arc<Catalogue>),
    /// It is not in the log, or it does not open; why.
    Unusable(Arc<str>),
}

/// Opens each catalogue once.
#[derive(Debug, Default)]
pub struct Catalogues(HashMap<(AgentId, CatalogueHash), Found>);

impl Catalogues {
    /// The agent's catalogue of that hash.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn find(&mut self, log: &mut dyn FollowLog, agent: &AgentId, hash: CatalogueHash) -> Result<Found, StoreError> {
        let key = (agent.clone(), hash);
        if let Some(found) = self.0.get(&key) {
            return Ok(found.clone());
        }
        // One that is missing may still come: it is not remembered.
        let Some(bytes) = log.catalogue(agent, hash)? else {
            return Ok(Found::Unusable(format!("catalogue {hash} is not stored").into()));
        };
        let found = match Catalogue::decode(&bytes) {
            Ok(catalogue) => Found::Open(Arc::new(catalogue)),
            Err(error) => Found::Unusable(format!("catalogue {hash} does not open: {error}").into()),
        };
        if self.0.len() >= KEPT {
            self.0.clear();
        }
        self.0.insert(key, found.clone());
        Ok(found)
    }
}
