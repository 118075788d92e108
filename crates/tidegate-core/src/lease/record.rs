//! What stands in the store: names, the two kinds of records, and their binary form.
//!
//! A record is `version u8 | kind u8 | fields`. Another version is refused, and never overwritten:
//! a node that does not understand what stands there must not decide by it.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_types::name::is_name;
use tidegate_types::position::{FrameNumber, Incarnation, Position};

use super::standing::Epoch;
use crate::log::codec::{Decoder, Encoder, FieldError};

/// The longest record, in bytes. A NATS server takes messages of up to 1 MiB unless told otherwise;
/// a tenth of that is read in a moment over a slow link, and far more than a batch needs.
pub const RECORD_BYTES_MAX: usize = 64 << 10;

/// The version of both kinds of records.
const VERSION: u8 = 1;

const KIND_SESSION: u8 = 1;
const KIND_SHARDS: u8 = 2;

const LIVE: u8 = 0;
const ENDED: u8 = 1;

const HELD: u8 = 0;
const YIELDED: u8 = 1;

/// The name of a node or a region, as [`is_name`] wants it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if is_name(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a shard: the flow, and if it has several, which: `orders-to-crm/7`, `orders-to-crm/us-east-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(Arc<str>);

impl ShardId {
    /// The only shard of a flow.
    ///
    /// # Errors
    /// The flow's name is none.
    pub fn whole(flow: &str) -> Result<Self, InvalidName> {
        flow.parse()
    }

    /// One of the shards of a flow: a number of key shards, an origin, a partition of theirs.
    ///
    /// # Errors
    /// One of the two is no name.
    pub fn part(flow: &str, part: &str) -> Result<Self, InvalidName> {
        if is_name(flow) && is_name(part) {
            Ok(Self(format!("{flow}/{part}").into()))
        } else {
            Err(InvalidName)
        }
    }

    /// The flow it belongs to.
    #[must_use]
    pub fn flow(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(flow, _)| flow)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ShardId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.split_once('/') {
            Some((flow, part)) => Self::part(flow, part),
            None if is_name(text) => Ok(Self(text.into())),
            None => Err(InvalidName),
        }
    }
}

impl Borrow<str> for ShardId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text names no node, region or shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name has 1 to 63 lower-case letters, digits and inner hyphens, and a shard is FLOW or FLOW/PART"
)]
pub struct InvalidName;

/// Names one session: the node, and which of its sessions. Of two sessions of a node the one with
/// the lower number has ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The node.
    pub node: Name,
    /// The number, from 1 on.
    pub number: u64,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.node, self.number)
    }
}

/// The record of a node's session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionRecord {
    /// Which session of the node.
    pub number: u64,
    /// Drawn by the process, so that it knows its own session from that of another process with the
    /// same name.
    pub nonce: u64,
    /// Where the node is.
    pub region: Name,
    /// How often it was written; what makes one renewal differ from the next.
    pub counter: u64,
    /// Whether it is over.
    pub ended: bool,
}

/// Who has a shard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holding {
    /// A session, since this epoch.
    Held {
        /// Which.
        by: SessionId,
        /// How often the shard was taken.
        epoch: Epoch,
    },
    /// Nobody: it was given up.
    Yielded {
        /// By whom.
        by: SessionId,
        /// The epoch that is over.
        epoch: Epoch,
        /// The region it was meant for.
        to: Name,
        /// Where its last owner stopped: everything it did for the shard stands before this place
        /// of its own log, and the successor must have it in its mirror first.
        seal: Position,
    },
}

impl Holding {
    /// The latest epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Held { epoch, .. } | Self::Yielded { epoch, .. } => *epoch,
        }
    }

    /// The session that has it, or had it last.
    #[must_use]
    pub const fn session(&self) -> &SessionId {
        match self {
            Self::Held { by, .. } | Self::Yielded { by, .. } => by,
        }
    }
}

/// The record of a batch of shards. Those that were never taken do not stand in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardRecord {
    /// By shard.
    pub shards: BTreeMap<ShardId, Holding>,
}

/// A record that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another version of Tidegate wrote it.
    #[error("has the version {0}, which this program does not know; update it")]
    Version(u8),
    /// It is a record of another kind.
    #[error("is of the kind {0}, which does not belong there")]
    Kind(u8),
    /// It is longer than any record.
    #[error("is longer than {RECORD_BYTES_MAX} bytes")]
    Long,
    /// A name in it is none.
    #[error("holds a name that is none")]
    Name,
    /// The shards do not stand in order.
    #[error("names its shards out of order")]
    Order,
    /// Its fields are not those of a record.
    #[error(transparent)]
    Field(#[from] FieldError),
}

impl From<InvalidName> for RecordError {
    fn from(_: InvalidName) -> Self {
        Self::Name
    }
}

impl SessionRecord {
    /// The binary form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = vec![VERSION, KIND_SESSION];
        let mut out = Encoder(&mut bytes);
        out.u64(self.number);
        out.u64(self.nonce);
        out.text(self.region.as_str());
        out.u64(self.counter);
        out.u8(if self.ended { ENDED } else { LIVE });
        bytes.into()
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// The bytes are none, or of another version.
    pub fn decode(bytes: &Bytes) -> Result<Self, RecordError> {
        let mut fields = open(bytes, KIND_SESSION)?;
        let record = Self {
            number: fields.u64()?,
            nonce: fields.u64()?,
            region: Name::new(&fields.text()?)?,
            counter: fields.u64()?,
            ended: match fields.u8()? {
                LIVE => false,
                ENDED => true,
                other => return Err(FieldError::Code(other).into()),
            },
        };
        fields.finish()?;
        Ok(record)
    }
}

impl ShardRecord {
    /// The binary form.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = vec![VERSION, KIND_SHARDS];
        let mut out = Encoder(&mut bytes);
        out.u32(u32::try_from(self.shards.len()).unwrap_or(u32::MAX));
        for (shard, holding) in &self.shards {
            out.text(shard.as_str());
            out.u64(holding.epoch().0);
            out.text(holding.session().node.as_str());
            out.u64(holding.session().number);
            match holding {
                Holding::Held { .. } => out.u8(HELD),
                Holding::Yielded { to, seal, .. } => {
                    out.u8(YIELDED);
                    out.text(to.as_str());
                    out.text(&seal.origin);
                    out.u64(seal.incarnation.0);
                    out.u64(seal.frame.0);
                    out.u32(seal.index);
                }
            }
        }
        bytes.into()
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// The bytes are none, or of another version.
    pub fn decode(bytes: &Bytes) -> Result<Self, RecordError> {
        let mut fields = open(bytes, KIND_SHARDS)?;
        let count = fields.u32()?;
        let mut shards = BTreeMap::new();
        for _ in 0..count {
            let shard: ShardId = fields.text()?.parse()?;
            let holding = holding(&mut fields)?;
            if shards
                .last_key_value()
                .is_some_and(|(last, _)| *last >= shard)
            {
                return Err(RecordError::Order);
            }
            shards.insert(shard, holding);
        }
        fields.finish()?;
        Ok(Self { shards })
    }

    /// Bytes it would take at most if every shard in it were being given up: what is taken must be
    /// possible to give up again.
    #[must_use]
    pub fn bytes_at_most(&self) -> usize {
        let each = self.shards.keys().map(Self::bytes_of);
        each.fold(RECORD_HEADER_BYTES, usize::saturating_add)
    }

    /// Bytes one more shard takes at most.
    pub(super) fn bytes_of(shard: &ShardId) -> usize {
        shard.as_str().len().saturating_add(HOLDING_BYTES_MAX)
    }
}

/// Version, kind, and how many shards there are.
const RECORD_HEADER_BYTES: usize = 1 + 1 + 4;

/// A holding and the length of the shard's name at most: three names with lengths, epoch and number
/// of the session, kind, incarnation, frame, index.
const HOLDING_BYTES_MAX: usize = 4 + 3 * (4 + 63) + 2 * 8 + 1 + 8 + 8 + 4;

fn holding(fields: &mut Decoder<'_>) -> Result<Holding, RecordError> {
    let epoch = Epoch(fields.u64()?);
    let by = SessionId {
        node: Name::new(&fields.text()?)?,
        number: fields.u64()?,
    };
    match fields.u8()? {
        HELD => Ok(Holding::Held { by, epoch }),
        YIELDED => Ok(Holding::Yielded {
            by,
            epoch,
            to: Name::new(&fields.text()?)?,
            seal: Position {
                origin: Name::new(&fields.text()?)?.as_str().to_owned(),
                incarnation: Incarnation(fields.u64()?),
                frame: FrameNumber(fields.u64()?),
                index: fields.u32()?,
            },
        }),
        other => Err(FieldError::Code(other).into()),
    }
}

fn open(bytes: &Bytes, kind: u8) -> Result<Decoder<'_>, RecordError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(RecordError::Long);
    }
    let mut fields = Decoder::new(bytes);
    match fields.u8()? {
        VERSION => {}
        other => return Err(RecordError::Version(other)),
    }
    match fields.u8()? {
        found if found == kind => Ok(fields),
        other => Err(RecordError::Kind(other)),
    }
}
