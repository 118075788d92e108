//! The body of an answer: whole, or a stream.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// The body of an answer.
#[derive(Debug)]
pub struct ReplyBody(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Bytes),
    Stream(mpsc::Receiver<Part>),
    Done,
}

#[derive(Debug)]
enum Part {
    Data(Bytes),
    End,
}

/// The producing end of a streamed answer.
///
/// Dropping it without [`ReplySender::finish`] breaks the connection (HTTP/1.1) or resets the stream
/// (HTTP/2), so that the peer does not take a part for the whole.
#[derive(Debug)]
pub struct ReplySender(mpsc::Sender<Part>);

/// The peer of a streamed answer is gone, or has taken nothing for 30 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reader of the answer is gone")]
pub struct ReplyGone;

/// A streamed answer was dropped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer was given up before its end")]
pub struct ReplyAborted;

impl ReplyBody {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self(Kind::Done)
    }

    /// A body that is known whole; its length is announced.
    #[must_use]
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            Self::empty()
        } else {
            Self(Kind::Whole(bytes))
        }
    }

    /// A body that comes in parts, of which up to `parts_max` (at least 1) wait for the peer.
    #[must_use]
    pub fn stream(parts_max: usize) -> (ReplySender, Self) {
        let (sender, receiver) = mpsc::channel(parts_max.max(1));
        (ReplySender(sender), Self(Kind::Stream(receiver)))
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.0, Kind::Stream(_))
    }
}

impl ReplySender {
    /// Gives the next part, when there is room for it. An empty part is left out.
    ///
    /// # Errors
    ///
    /// [`ReplyGone`] when nobody reads any more, or nothing was taken for 30 s.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the part was not sent.
    pub async fn send(&self, part: impl Into<Bytes>) -> Result<(), ReplyGone> {
        let part = part.into();
        if part.is_empty() {
            return Ok(());
        }
        self.put(Part::Data(part)).await
    }

    /// Ends the answer well.
    ///
    /// # Errors
    ///
    /// [`ReplyGone`] as in [`ReplySender::send`].
    pub async fn finish(self) -> Result<(), ReplyGone> {
        self.put(Part::End).await
    }

    /// Returns once nobody reads any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    async fn put(&self, part: Part) -> Result<(), ReplyGone> {
        match tokio::time::timeout(STALL_TIMEOUT, self.0.send(part)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ReplyGone),
        }
    }
}

/// How long a peer may leave a stream unread. An HTTP/2 peer can keep a stream's window at zero
/// while the connection itself moves, so the connection's write limit does not see it.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

impl From<Bytes> for ReplyBody {
    fn from(bytes: Bytes) -> Self {
        Self::whole(bytes)
    }
}

impl From<Vec<u8>> for ReplyBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::whole(bytes)
    }
}

impl From<String> for ReplyBody {
    fn from(text: String) -> Self {
        Self::whole(text)
    }
}

impl From<&'static str> for ReplyBody {
    fn from(text: &'static str) -> Self {
        Self::whole(text)
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = ReplyAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyAborted>>> {
        let Kind::Stream(receiver) = &mut self.0 else {
            return Poll::Ready(match std::mem::replace(&mut self.0, Kind::Done) {
                Kind::Whole(bytes) => Some(Ok(Frame::data(bytes))),
                Kind::Stream(_) | Kind::Done => None,
            });
        };
        receiver.poll_recv(cx).map(|part| {
            let frame = match part {
                Some(Part::Data(bytes)) => return Some(Ok(Frame::data(bytes))),
                Some(Part::End) => None,
                None => Some(Err(ReplyAborted)),
            };
            self.0 = Kind::Done;
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(_) => SizeHint::default(),
            Kind::Done => SizeHint::with_exact(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_whole_body_tells_its_length_and_comes_in_one_piece() {
        let mut body = ReplyBody::from("accepted");
        assert_eq!(body.size_hint().exact(), Some(8));
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "accepted");
        assert!(body.is_end_stream());
        assert!(ReplyBody::from("").is_end_stream());
    }

    #[tokio::test]
    async fn a_stream_ends_only_when_it_is_finished() {
        let (sender, body) = ReplyBody::stream(4);
        sender.send("a").await.unwrap();
        sender.send("").await.unwrap();
        sender.send("b").await.unwrap();
        sender.finish().await.unwrap();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "ab");

        let (sender, body) = ReplyBody::stream(4);
        sender.send("a").await.unwrap();
        drop(sender);
        assert_eq!(body.collect().await.unwrap_err(), ReplyAborted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_is_gone_or_stalls_is_told_to_the_producer() {
        let (sender, body) = ReplyBody::stream(1);
        sender.send("a").await.unwrap();
        assert_eq!(sender.send("no room").await, Err(ReplyGone));
        drop(body);
        sender.closed().await;
        assert_eq!(sender.send("nobody").await, Err(ReplyGone));
    }
}
