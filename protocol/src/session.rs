//! The conversation: hello and welcome, upload and receipt, command poll and delivery.
//!
//! Every message here travels as a protobuf body of an HTTPS request that the agent makes (`docs/wire.md`).

use prost::Message as _;

use crate::batch::{anchor_from_wire, anchor_to_wire};
use crate::clock::{Anchor, Timestamp};
use crate::command::Command;
use crate::error::DecodeError;
use crate::ids::{AgentId, CatalogueHash, Digest, Epoch, Incarnation, Lane, SessionId};
use crate::record::RecordKind;
use crate::{limits, wire};

/// The version of the conversation. It grows when an old collector could misunderstand a new agent.
pub const PROTOCOL: u32 = 1;

/// The media type of every body.
pub const MEDIA_TYPE: &str = "application/vnd.kouan.v1+protobuf";

/// The first message of a session: who the agent is and where its lanes stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// [`PROTOCOL`] of the agent.
    pub protocol: u32,
    /// Name and version of the program.
    pub software: String,
    /// The life of the agent's data folder.
    pub incarnation: Incarnation,
    /// The life of the agent's command journal.
    pub journal: Incarnation,
    /// The agent's clocks as it sends.
    pub now: Anchor,
    /// Where each lane stands.
    pub lanes: Vec<LaneClaim>,
    /// Record kinds that the agent may send.
    pub kinds: Vec<RecordKind>,
    /// Catalogues that its unsent batches refer to.
    pub catalogues: Vec<CatalogueHash>,
    /// Hash of the configuration it runs.
    pub config_hash: String,
}

/// Where a lane stands at the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneClaim {
    /// Which lane.
    pub lane: Lane,
    /// Its buffer's lifetime.
    pub epoch: Epoch,
    /// The lowest number still kept; equal to `next_seq` when the buffer is empty.
    pub oldest_seq: u64,
    /// The number that the next record will get.
    pub next_seq: u64,
    /// Digests of the latest batches that the agent still knows, oldest first.
    pub digests: Vec<BatchDigest>,
    /// Whether this epoch lives in the agent's memory only.
    pub volatile: bool,
}

/// The identity of a batch by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchDigest {
    /// First number.
    pub first_seq: u64,
    /// Last number.
    pub last_seq: u64,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Whether it is a gap, which may have taken the place of batches that the collector already stored.
    pub gap: bool,
}

/// The answer to a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Names this session in all that follows. A later hello of the same agent ends it.
    pub session: SessionId,
    /// The life of the collector's data folder.
    pub incarnation: Incarnation,
    /// The collector's wall time.
    pub time: Timestamp,
    /// Record kinds that the collector knows; the agent sends no others.
    pub kinds: Vec<RecordKind>,
    /// What to do in each lane.
    pub lanes: Vec<LaneVerdict>,
    /// Catalogues that the collector lacks.
    pub wanted_catalogues: Vec<CatalogueHash>,
    /// The name under which the agent is enrolled.
    pub agent: AgentId,
    /// The site it belongs to.
    pub site: String,
}

/// Where a lane goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneVerdict {
    /// Which lane.
    pub lane: Lane,
    /// The epoch that the verdict is about.
    pub epoch: Epoch,
    /// The highest number that the collector has on disk; the agent goes on after it.
    pub stored_seq: u64,
    /// The two sides disagree about numbers: the agent moves what it still has into a new epoch and says hello again.
    pub new_epoch: bool,
    /// Why, for the log.
    pub reason: String,
    /// Digest of the batch that ends at `stored_seq`, as the collector has it; `None` if it does not know. An agent
    /// whose own batch there is another one, and no gap, was restored from a backup and has overtaken the collector.
    pub last: Option<Digest>,
}

/// Batches of any lanes, or snapshots, with the catalogues they need.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    /// The session that the hello began.
    pub session: SessionId,
    /// The agent's clocks as it sends.
    pub now: Anchor,
    /// Encoded catalogues.
    pub catalogues: Vec<Vec<u8>>,
    /// Batches, oldest first within each lane.
    pub batches: Vec<Envelope>,
    /// Encoded snapshots; a large site splits its state over several.
    pub snapshots: Vec<Vec<u8>>,
}

/// A batch with what is needed to place it without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The lane's number; may be one that this version does not know.
    pub lane: u32,
    /// The lane's epoch.
    pub epoch: Epoch,
    /// First number.
    pub first_seq: u64,
    /// Last number.
    pub last_seq: u64,
    /// Digest of the body.
    pub digest: Digest,
    /// The encoded [`crate::Batch`].
    pub body: Vec<u8>,
}

/// The answer to an upload: what is now on the collector's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Per lane that was uploaded, the highest number that is fsynced.
    pub stored: Vec<LanePosition>,
    /// The collector's wall time.
    pub time: Timestamp,
    /// Whether commands wait.
    pub commands_wait: bool,
    /// Catalogues without which batches of this upload were left out.
    pub wanted_catalogues: Vec<CatalogueHash>,
    /// How many batches of this upload went into quarantine.
    pub quarantined: u64,
    /// How long the collector took from the last byte of the upload to this answer, in milliseconds; 0 if it does not
    /// say. The rest of the round trip was spent on the line.
    pub held_ms: u64,
}

/// A position in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LanePosition {
    /// Which lane, by number.
    pub lane: u32,
    /// The lane's epoch.
    pub epoch: Epoch,
    /// The highest number stored.
    pub stored_seq: u64,
}

/// Asks for commands and waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandPoll {
    /// The session that the hello began.
    pub session: SessionId,
    /// How long the collector may hold the answer, in milliseconds.
    pub wait_ms: u32,
}

/// Commands, possibly none.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandDelivery {
    /// How long the collector held the poll, in milliseconds.
    pub held_ms: u64,
    /// What is to be done.
    pub commands: Vec<Command>,
}

fn lane(number: u32, what: &'static str) -> Result<Lane, DecodeError> {
    Lane::from_number(number).ok_or_else(|| DecodeError::inconsistent(what, format!("lane {number} is not known")))
}

impl Hello {
    /// The bytes of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let lanes = self.lanes.iter().map(|claim| wire::LaneClaim {
            lane: claim.lane.number(),
            epoch: claim.epoch.0,
            oldest_seq: claim.oldest_seq,
            next_seq: claim.next_seq,
            digests: claim
                .digests
                .iter()
                .map(|batch| wire::BatchDigest {
                    first_seq: batch.first_seq,
                    last_seq: batch.last_seq,
                    digest: batch.digest.0,
                    gap: batch.gap,
                })
                .collect(),
            volatile: claim.volatile,
        });
        wire::Hello {
            protocol: self.protocol,
            software: self.software.clone(),
            incarnation: self.incarnation.0,
            journal: self.journal.0,
            now: Some(anchor_to_wire(&self.now)),
            lanes: lanes.collect(),
            kinds: self.kinds.iter().map(|kind| kind.0).collect(),
            catalogues: self.catalogues.iter().map(|hash| hash.0).collect(),
            config_hash: self.config_hash.clone(),
        }
        .encode_to_vec()
    }

    /// Reads a hello. Lanes that this version does not know are left out.
    ///
    /// # Errors
    /// When it is not readable or breaks a limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        DecodeError::check_size("hello bytes", bytes.len(), limits::BATCH_BYTES)?;
        let hello = wire::Hello::decode(bytes).map_err(DecodeError::malformed("hello"))?;
        DecodeError::check_size("software bytes", hello.software.len(), limits::TEXT_BYTES)?;
        DecodeError::check_size("config hash bytes", hello.config_hash.len(), limits::TEXT_BYTES)?;
        let mut lanes = Vec::new();
        for claim in hello.lanes {
            let Some(lane) = Lane::from_number(claim.lane) else { continue };
            DecodeError::check_size("digests of a lane", claim.digests.len(), limits::HELLO_DIGESTS)?;
            if claim.oldest_seq == 0 || claim.oldest_seq > claim.next_seq {
                let problem = format!("lane {lane} claims {} to {}", claim.oldest_seq, claim.next_seq);
                return Err(DecodeError::inconsistent("hello", problem));
            }
            lanes.push(LaneClaim {
                lane,
                epoch: Epoch(claim.epoch),
                oldest_seq: claim.oldest_seq,
                next_seq: claim.next_seq,
                digests: claim
                    .digests
                    .into_iter()
                    .map(|batch| BatchDigest {
                        first_seq: batch.first_seq,
                        last_seq: batch.last_seq,
                        digest: Digest(batch.digest),
                        gap: batch.gap,
                    })
                    .collect(),
                volatile: claim.volatile,
            });
        }
        Ok(Self {
            protocol: hello.protocol,
            software: hello.software,
            incarnation: Incarnation(hello.incarnation),
            journal: Incarnation(hello.journal),
            now: anchor_from_wire(hello.now, "hello")?,
            lanes,
            kinds: hello.kinds.into_iter().map(RecordKind).collect(),
            catalogues: hello.catalogues.into_iter().map(CatalogueHash).collect(),
            config_hash: hello.config_hash,
        })
    }
}

impl Welcome {
    /// The bytes of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let lanes = self.lanes.iter().map(|verdict| wire::LaneVerdict {
            lane: verdict.lane.number(),
            epoch: verdict.epoch.0,
            stored_seq: verdict.stored_seq,
            new_epoch: verdict.new_epoch,
            reason: verdict.reason.clone(),
            last: verdict.last.map_or(0, |digest| digest.0),
        });
        wire::Welcome {
            session: self.session.0,
            incarnation: self.incarnation.0,
            time_ms: self.time.0,
            kinds: self.kinds.iter().map(|kind| kind.0).collect(),
            lanes: lanes.collect(),
            wanted_catalogues: self.wanted_catalogues.iter().map(|hash| hash.0).collect(),
            agent: self.agent.to_string(),
            site: self.site.clone(),
        }
        .encode_to_vec()
    }

    /// Reads a welcome.
    ///
    /// # Errors
    /// When it is not readable.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let welcome = wire::Welcome::decode(bytes).map_err(DecodeError::malformed("welcome"))?;
        let lanes = welcome.lanes.into_iter().map(|verdict| {
            Ok(LaneVerdict {
                lane: lane(verdict.lane, "welcome")?,
                epoch: Epoch(verdict.epoch),
                stored_seq: verdict.stored_seq,
                new_epoch: verdict.new_epoch,
                reason: verdict.reason,
                last: (verdict.last != 0).then_some(Digest(verdict.last)),
            })
        });
        Ok(Self {
            session: SessionId(welcome.session),
            incarnation: Incarnation(welcome.incarnation),
            time: Timestamp(welcome.time_ms),
            kinds: welcome.kinds.into_iter().map(RecordKind).collect(),
            lanes: lanes.collect::<Result<_, DecodeError>>()?,
            wanted_catalogues: welcome.wanted_catalogues.into_iter().map(CatalogueHash).collect(),
            agent: crate::event::wire_name(&welcome.agent, "welcome")?,
            site: welcome.site,
        })
    }
}

impl Upload {
    /// The bytes of the message, before compression.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = Self::encode_stamp(self.session, &self.now);
        bytes.extend(Self::encode_contents(self.catalogues, self.batches, self.snapshots));
        bytes
    }

    /// The part of the message that names the session and tells the time. Protobuf messages join by concatenation, and
    /// so do zstd frames: the contents can be compressed before the moment of sending is known.
    #[must_use]
    pub fn encode_stamp(session: SessionId, now: &Anchor) -> Vec<u8> {
        wire::Upload { session: session.0, now: Some(anchor_to_wire(now)), ..wire::Upload::default() }.encode_to_vec()
    }

    /// The part of the message that [`Upload::encode_stamp`] does not hold.
    #[must_use]
    pub fn encode_contents(catalogues: Vec<Vec<u8>>, batches: Vec<Envelope>, snapshots: Vec<Vec<u8>>) -> Vec<u8> {
        wire::Upload {
            session: 0,
            now: None,
            catalogues,
            batches: batches
                .into_iter()
                .map(|batch| wire::Envelope {
                    lane: batch.lane,
                    epoch: batch.epoch.0,
                    first_seq: batch.first_seq,
                    last_seq: batch.last_seq,
                    digest: batch.digest.0,
                    body: batch.body,
                })
                .collect(),
            snapshots,
        }
        .encode_to_vec()
    }

    /// Reads an upload. Batches stay closed; their digests are checked.
    ///
    /// # Errors
    /// When it is not readable, breaks a limit, or a digest does not match.
    pub fn decode(plain: &[u8]) -> Result<Self, DecodeError> {
        let upload = wire::Upload::decode(plain).map_err(DecodeError::malformed("upload"))?;
        DecodeError::check_size("batches of an upload", upload.batches.len(), limits::UPLOAD_BATCHES)?;
        DecodeError::check_size("catalogues of an upload", upload.catalogues.len(), limits::UPLOAD_BATCHES)?;
        DecodeError::check_size("snapshots of an upload", upload.snapshots.len(), limits::UPLOAD_BATCHES)?;
        let mut batches = Vec::with_capacity(upload.batches.len());
        for batch in upload.batches {
            DecodeError::check_size("batch bytes", batch.body.len(), limits::BATCH_BYTES)?;
            if batch.first_seq == 0 || batch.last_seq < batch.first_seq {
                let problem = format!("a batch claims the numbers {} to {}", batch.first_seq, batch.last_seq);
                return Err(DecodeError::inconsistent("upload", problem));
            }
            let digest = Digest(batch.digest);
            if Digest::of(&batch.body) != digest {
                return Err(DecodeError::DigestMismatch { first_seq: batch.first_seq });
            }
            batches.push(Envelope {
                lane: batch.lane,
                epoch: Epoch(batch.epoch),
                first_seq: batch.first_seq,
                last_seq: batch.last_seq,
                digest,
                body: batch.body,
            });
        }
        Ok(Self {
            session: SessionId(upload.session),
            now: anchor_from_wire(upload.now, "upload")?,
            catalogues: upload.catalogues,
            batches,
            snapshots: upload.snapshots,
        })
    }
}

impl Receipt {
    /// The bytes of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::Receipt {
            stored: self
                .stored
                .iter()
                .map(|at| wire::LanePosition { lane: at.lane, epoch: at.epoch.0, stored_seq: at.stored_seq })
                .collect(),
            time_ms: self.time.0,
            commands_wait: self.commands_wait,
            wanted_catalogues: self.wanted_catalogues.iter().map(|hash| hash.0).collect(),
            quarantined: self.quarantined,
            held_ms: self.held_ms,
        }
        .encode_to_vec()
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// When it is not readable.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let receipt = wire::Receipt::decode(bytes).map_err(DecodeError::malformed("receipt"))?;
        Ok(Self {
            stored: receipt
                .stored
                .into_iter()
                .map(|at| LanePosition { lane: at.lane, epoch: Epoch(at.epoch), stored_seq: at.stored_seq })
                .collect(),
            time: Timestamp(receipt.time_ms),
            commands_wait: receipt.commands_wait,
            wanted_catalogues: receipt.wanted_catalogues.into_iter().map(CatalogueHash).collect(),
            quarantined: receipt.quarantined,
            held_ms: receipt.held_ms,
        })
    }
}

impl CommandPoll {
    /// The bytes of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::CommandPoll { session: self.session.0, wait_ms: self.wait_ms }.encode_to_vec()
    }

    /// Reads a poll; a longer wait than [`limits::POLL_MS`] is shortened to it.
    ///
    /// # Errors
    /// When it is not readable.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let poll = wire::CommandPoll::decode(bytes).map_err(DecodeError::malformed("command poll"))?;
        Ok(Self { session: SessionId(poll.session), wait_ms: poll.wait_ms.min(limits::POLL_MS) })
    }
}

impl CommandDelivery {
    /// The bytes of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let commands = self.commands.iter().map(Command::to_wire).collect();
        wire::CommandDelivery { held_ms: self.held_ms, commands }.encode_to_vec()
    }

    /// Reads a delivery.
    ///
    /// # Errors
    /// When it is not readable or a command in it breaks a limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let delivery = wire::CommandDelivery::decode(bytes).map_err(DecodeError::malformed("command delivery"))?;
        let commands = delivery.commands.into_iter().map(Command::from_wire).collect::<Result<_, _>>()?;
        Ok(Self { held_ms: delivery.held_ms, commands })
    }
}
