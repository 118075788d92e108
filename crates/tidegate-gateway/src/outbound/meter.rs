//! A stream that counts: what was written, as the proof that nothing was sent; and what may still be
//! read, so that no answer is endless.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What goes over a connection, above TLS.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    written: AtomicU64,
    readable: AtomicU64,
}

/// More was sent to us than an answer may have, in heads, chunks and what stands between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("they send more than any answer that was asked for has")]
pub(super) struct TooMuch;

/// A stream with its [`Traffic`].
#[derive(Debug)]
pub(super) struct Meter<S> {
    stream: S,
    traffic: Arc<Traffic>,
}

impl Traffic {
    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// From now on so many bytes can be read; whoever sends more is cut off.
    pub(super) fn allow(&self, bytes: u64) {
        self.readable.store(bytes, Relaxed);
    }
}

impl<S> Meter<S> {
    pub(super) fn new(stream: S) -> (Self, Arc<Traffic>) {
        let traffic = Arc::<Traffic>::default();
        let meter = Self {
            stream,
            traffic: Arc::clone(&traffic),
        };
        (meter, traffic)
    }

    fn count(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &result {
            self.traffic.written.fetch_add(*bytes as u64, Relaxed);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let bytes = buffer.filled().len().saturating_sub(before) as u64;
        // Only exchanges, which take turns, set it, so nothing is lost between load and store.
        let left = self.traffic.readable.load(Relaxed).checked_sub(bytes);
        match left {
            Some(left) => {
                self.traffic.readable.store(left, Relaxed);
                Poll::Ready(Ok(()))
            }
            None => Poll::Ready(Err(io::Error::other(TooMuch))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.count(result)
    }
}
