//! A connection's bytes, as seen by its [`Link`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::link::{Link, Stage};

/// A stream that tells its link what moves, gives bytes read ahead once more, and lingers at its end.
///
/// Lingering: a socket closed with unread bytes in it is reset, and a reset can overtake the answer
/// the peer is about to read (RFC 9112, section 9.6), such as a 413 to a body that is still being
/// sent. So the end is announced first, and what still comes is read and dropped, up to
/// [`LINGER_BYTES_MAX`] and for as long as the link's watch allows.
#[derive(Debug)]
pub(super) struct Tracked<S> {
    stream: S,
    link: Arc<Link>,
    ahead: Bytes,
    shut: bool,
    ended: bool,
    lingered: usize,
}

impl<S> Tracked<S> {
    pub(super) fn new(stream: S, link: Arc<Link>) -> Self {
        Self {
            stream,
            link,
            ahead: Bytes::new(),
            shut: false,
            ended: false,
            lingered: 0,
        }
    }

    /// Has `ahead` read (again) before anything else.
    pub(super) fn rewind(&mut self, ahead: Bytes) {
        self.ahead = ahead;
    }
}

impl<S: AsyncRead + Unpin> Tracked<S> {
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.link.take_expired() {
            self.ended = true;
        }
        let mut space = [0; LINGER_CHUNK_BYTES];
        while !self.ended && self.lingered < LINGER_BYTES_MAX {
            let mut chunk = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk)) {
                Ok(()) => {
                    self.lingered += chunk.filled().len();
                    self.ended = chunk.filled().is_empty();
                }
                Err(_) => self.ended = true,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tracked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let bytes = self.ahead.len().min(buf.remaining());
            buf.put_slice(self.ahead.get(..bytes).unwrap_or_default());
            self.ahead.advance(bytes);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let bytes = buf.filled().len().saturating_sub(before);
        if bytes == 0 {
            self.ended = true;
        } else {
            self.link.has_read(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tracked<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        note_write(&self.link, &result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        note_write(&self.link, &result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            self.link.enter(Stage::Ending);
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
        }
        self.poll_linger(cx).map(Ok)
    }
}

fn note_write(link: &Link, result: &Poll<io::Result<usize>>) {
    match result {
        Poll::Ready(Ok(bytes)) => link.has_written(Some(*bytes)),
        Poll::Ready(Err(_)) => {}
        Poll::Pending => link.has_written(None),
    }
}

/// What a peer may still send after the end, before it is reset.
const LINGER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Read at a time while lingering; on the stack.
const LINGER_CHUNK_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_read_ahead_come_first() {
        let (mut near, far) = tokio::io::duplex(64);
        let mut tracked = Tracked::new(far, Arc::new(Link::default()));
        tracked.rewind(Bytes::from_static(b"abc"));
        near.write_all(b"def").await.unwrap();
        drop(near);
        let mut two = [0; 2];
        tracked.read_exact(&mut two).await.unwrap();
        let mut rest = Vec::new();
        tracked.read_to_end(&mut rest).await.unwrap();
        assert_eq!((&two[..], &rest[..]), (&b"ab"[..], &b"cdef"[..]));
    }

    #[tokio::test]
    async fn the_end_takes_in_what_still_comes() {
        let (near, far) = tokio::io::duplex(64);
        let mut tracked = Tracked::new(far, Arc::new(Link::default()));
        let (mut reader, mut writer) = tokio::io::split(near);
        let peer = async move {
            // Far more than the pipe holds: this ends only if the other side reads.
            writer.write_all(&[7; 10_000]).await.unwrap();
            let mut answer = Vec::new();
            reader.read_to_end(&mut answer).await.unwrap();
            writer.shutdown().await.unwrap();
            answer
        };
        let end = async {
            tracked.write_all(b"413").await.unwrap();
            tracked.shutdown().await.unwrap();
            tracked.lingered
        };
        let (answer, lingered) = tokio::join!(peer, end);
        assert_eq!((&answer[..], lingered), (&b"413"[..], 10_000));
    }
}
