//! Hands messages to the kind of channel that they go by.

use std::time::Duration;

use super::guard::GuardedResolver;
use super::{alertmanager, dingtalk, email, feishu, sms, webhook, wecom};
use crate::notify::channel::{Channel, ChannelKind, Settings};
use crate::notify::outbox::Outgoing;
use crate::notify::secrets::{SecretError, Secrets};
use crate::notify::settings::NotifySettings;

/// How long a receiver may take.
pub(super) const ANSWER: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(10);

/// A message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// It may be taken later.
    #[error("{problem}")]
    Later {
        /// What went wrong.
        problem: String,
        /// When the receiver wants to be asked again.
        after: Option<Duration>,
    },
    /// It will not be taken, however often it is tried.
    #[error("{0}")]
    Refused(String),
}

impl DeliverError {
    pub(super) fn later(problem: impl Into<String>) -> Self {
        Self::Later { problem: problem.into(), after: None }
    }
}

impl From<SecretError> for DeliverError {
    fn from(error: SecretError) -> Self {
        // Somebody may put it there.
        Self::later(error.to_string())
    }
}

/// The ways out cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The client could not be made.
    #[error("could not prepare the client for notifications: {0}")]
    Client(#[source] reqwest::Error),
    /// The certificates could not be read.
    #[error("could not read the certificates in {}: {source}", path.display())]
    Ca {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Everything that messages need on their way out.
#[derive(Debug)]
pub struct Couriers {
    pub(super) http: reqwest::Client,
    pub(super) secrets: Secrets,
    pub(super) ca: Option<Vec<u8>>,
    pub(super) allow_link_local: bool,
}

impl Couriers {
    /// Prepares the ways out.
    ///
    /// # Errors
    /// When the certificates of the settings cannot be used.
    pub fn new(settings: &NotifySettings) -> Result<Self, PrepareError> {
        // Where the program has installed one already it stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .timeout(ANSWER)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("kouan-collector/", env!("CARGO_PKG_VERSION")));
        if !settings.allow_link_local {
            builder = builder.dns_resolver(GuardedResolver);
        }
        let mut ca = None;
        if let Some(path) = &settings.ca {
            let pem = std::fs::read(path).map_err(|source| PrepareError::Ca { path: path.clone(), source })?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(PrepareError::Client)?;
            builder = builder.tls_certs_merge(certificates);
            ca = Some(pem);
        }
        let http = builder.build().map_err(PrepareError::Client)?;
        let secrets = Secrets::new(settings.secrets.clone());
        Ok(Self { http, secrets, ca, allow_link_local: settings.allow_link_local })
    }

    /// The secrets by name.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Hands a message to its channel, once.
    ///
    /// # Errors
    /// When it was not taken, or nobody knows.
    pub async fn deliver(&self, channel: &Channel, message: &Outgoing, now: i64) -> Result<(), DeliverError> {
        let delivered = match (&channel.settings, channel.wanted.kind) {
            (Settings::Email(settings), _) => email::deliver(self, settings, message).await,
            (Settings::Webhook(settings), _) => webhook::deliver(self, settings, message, now).await,
            (Settings::Robot(settings), ChannelKind::Dingtalk) => dingtalk::deliver(self, settings, message, now).await,
            (Settings::Robot(settings), ChannelKind::Feishu) => feishu::deliver(self, settings, message, now).await,
            (Settings::Robot(settings), _) => wecom::deliver(self, settings, message).await,
            (Settings::Sms(settings), _) => sms::deliver(self, settings, message).await,
            (Settings::Alertmanager(settings), _) => alertmanager::deliver(self, settings, message, now).await,
        };
        // What a receiver says may repeat the key that it was called with.
        delivered.map_err(|error| match error {
            DeliverError::Later { problem, after } => {
                DeliverError::Later { problem: self.secrets.redact(&problem), after }
            }
            DeliverError::Refused(problem) => DeliverError::Refused(self.secrets.redact(&problem)),
        })
    }

    /// Tells an Alertmanager that these alarms still hold.
    ///
    /// # Errors
    /// When it did not take them.
    pub async fn renew(&self, channel: &Channel, alarms: &serde_json::Value, now: i64) -> Result<(), DeliverError> {
        match &channel.settings {
            Settings::Alertmanager(settings) => alertmanager::post(self, settings, alarms, now).await,
            _ => Ok(()),
        }
    }
}
