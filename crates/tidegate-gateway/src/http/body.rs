//! Reading a request's body, bounded in bytes and time.

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Body;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed; nothing was read if the length was announced.
    #[error("the body is larger than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive within {within:?}")]
    Timeout {
        /// The limit.
        within: Duration,
    },
    /// The peer went away, or broke the framing.
    #[error("the body broke off")]
    Aborted(#[source] hyper::Error),
}

impl BodyError {
    /// The status to answer with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Aborted(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads `body` whole: at most `max` bytes, in at most `within`.
///
/// A length announced beyond `max` is refused before a byte is read, so a client that waits for
/// `100 Continue` never sends it. A body of one piece is not copied. Dropping an unfinished body
/// ends an HTTP/1.1 connection after the answer.
///
/// # Errors
///
/// See [`BodyError`].
pub async fn read_body<B>(body: B, max: usize, within: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error = hyper::Error>,
{
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| bytes > max as u64) {
        return Err(BodyError::TooLarge { max });
    }
    // The timer is registered only when the bytes are not there yet.
    match tokio::time::timeout(within, collect(body, max)).await {
        Ok(result) => result,
        Err(_) => Err(BodyError::Timeout { within }),
    }
}

async fn collect<B>(body: B, max: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error = hyper::Error>,
{
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers mean nothing to us.
        let Ok(data) = frame.map_err(BodyError::Aborted)?.into_data() else {
            continue;
        };
        if first.len() + whole.len() + data.len() > max {
            return Err(BodyError::TooLarge { max });
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            if whole.is_empty() {
                let announced = body.size_hint().lower().try_into().unwrap_or(max);
                let rest = data.len() + announced;
                // An announcement alone is no reason to allocate much.
                whole.reserve(first.len() + rest.min(RESERVE_BYTES_MAX));
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&data);
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}

/// Reserved at once for a body that was announced; beyond it the buffer doubles as bytes arrive.
const RESERVE_BYTES_MAX: usize = 256 * 1024;
