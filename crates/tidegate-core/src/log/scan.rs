//! Reading frames off a segment, and telling a torn last frame from damage.

use std::io;

use bytes::Bytes;
use tidegate_types::position::{FrameNumber, Incarnation};

use super::disk::{DiskFile, read_full};
use super::frame::{Frame, FrameError, FrameHeader, MAGIC};
use super::segment::{Extent, Footer, IndexEntry};
use super::{FRAME_BYTES_MAX, FrameHash};

/// How much a scan reads at a time.
const SCAN_BYTES: usize = 1024 * 1024;

/// Frames of a file in order, read a page at a time.
#[derive(Debug)]
pub(super) struct Frames<'f, F> {
    file: &'f F,
    /// Where the next frame begins.
    offset: u64,
    /// Where to stop.
    until: u64,
    page_bytes: usize,
    page: Bytes,
}

impl<'f, F: DiskFile> Frames<'f, F> {
    /// Frames from `offset` on, none beyond `until`; a page has `page_bytes`, or one frame if that is more.
    pub(super) const fn new(file: &'f F, offset: u64, until: u64, page_bytes: usize) -> Self {
        Self {
            file,
            offset,
            until,
            page_bytes,
            page: Bytes::new(),
        }
    }

    /// Where the next frame begins.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame. After a bad one it stays where it is.
    pub(super) fn next(&mut self) -> io::Result<Result<Frame, FrameError>> {
        let mut result = Frame::decode(&self.page);
        // The header may be cut by the page, then the frame by a page for the header.
        for _ in 0..2 {
            let Err(FrameError::Short { need, .. }) = result else {
                break;
            };
            self.fill(need)?;
            result = Frame::decode(&self.page);
        }
        if let Ok(frame) = &result {
            self.offset += frame.bytes().len() as u64;
            self.page = self.page.slice(frame.bytes().len()..);
        }
        Ok(result)
    }

    fn fill(&mut self, need: usize) -> io::Result<()> {
        let left = self.until.saturating_sub(self.offset);
        let len = usize::try_from(left).unwrap_or(usize::MAX);
        let mut page = vec![0; len.min(need.max(self.page_bytes))];
        let read = read_full(self.file, &mut page, self.offset)?;
        page.truncate(read);
        self.page = Bytes::from(page);
        Ok(())
    }
}

/// What the frames of a segment must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) incarnation: Incarnation,
    /// Hash of the frame before the first.
    pub(super) prev: FrameHash,
    /// All frames up to here, without it, must be there; what follows is not looked at.
    /// `None` in the last segment, where the end is where the log ends.
    pub(super) limit: Option<FrameNumber>,
    /// The most bytes of frames one write holds.
    pub(super) write_bytes: usize,
}

/// What a scan found.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) extent: Extent,
    /// Hash of the last good frame, or what stood before the first.
    pub(super) hash: FrameHash,
    pub(super) index: Vec<IndexEntry>,
    /// Offset and length of the last good frame.
    pub(super) last_frame: Option<(u64, usize)>,
    pub(super) ending: Ending,
}

/// What stands behind the last good frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Zeros, or nothing that is looked at.
    Clean,
    /// The footer of a sealed segment.
    Sealed,
    /// What a write left that was never acknowledged, so many bytes.
    Torn(u64),
    /// A frame of a later version.
    Version(u8),
    /// Something that must not be there.
    Damaged(String),
}

/// Reads the frames of a segment and checks them whole: CRC, order, hash chain.
pub(super) fn scan<F: DiskFile>(
    file: &F,
    mut extent: Extent,
    expected: &Expected,
) -> io::Result<Scanned> {
    let file_len = file.len()?;
    let mut frames = Frames::new(file, extent.end, file_len, SCAN_BYTES);
    let mut hash = expected.prev;
    let mut index = Vec::new();
    let mut last_frame = None;
    let ending = loop {
        let next = extent.last.next();
        if expected.limit == Some(next) {
            break Ending::Clean;
        }
        let at = frames.offset();
        match frames.next()? {
            Ok(frame) if follows(frame.header(), expected.incarnation, next, &hash) => {
                hash = frame.hash();
                last_frame = Some((at, frame.bytes().len()));
                extent.push(frame.header(), &mut index);
            }
            Ok(frame) => {
                let found = frame.number();
                break Ending::Damaged(format!("frame {found} stands there, out of the chain"));
            }
            Err(error) if expected.limit.is_some() => break Ending::Damaged(error.to_string()),
            Err(error) => {
                let expected = Expected {
                    prev: hash,
                    ..*expected
                };
                break judge(file, &extent, &expected, error)?;
            }
        }
    };
    Ok(Scanned {
        extent,
        hash,
        index,
        last_frame,
        ending,
    })
}

fn follows(
    header: &FrameHeader,
    incarnation: Incarnation,
    number: FrameNumber,
    prev: &FrameHash,
) -> bool {
    header.incarnation == incarnation && header.number == number && header.prev == *prev
}

/// What a bad frame behind the last good one is, in the last segment.
///
/// A tear touches nothing but the bytes of one write. So it is damage if anything stands behind those
/// bytes, or, where each frame is written by itself, if one of the frames after the bad one is found
/// among them. Where several are written at once, any of them may be whole.
fn judge<F: DiskFile>(
    file: &F,
    extent: &Extent,
    expected: &Expected,
    error: FrameError,
) -> io::Result<Ending> {
    if Footer::find(file, extent.end)?.is_some() {
        return Ok(Ending::Sealed);
    }
    let alone = expected.write_bytes == FRAME_BYTES_MAX;
    let mut window = vec![0; expected.write_bytes];
    let read = read_full(file, &mut window, extent.end)?;
    window.truncate(read);
    let number = extent.last.next();
    let (trusted, write_len) = match FrameHeader::decode(&window) {
        Err(FrameError::Version(version)) => return Ok(Ending::Version(version)),
        Ok(header) if alone && follows(&header, expected.incarnation, number, &expected.prev) => {
            (true, header.len().min(window.len()))
        }
        _ => (false, window.len()),
    };
    let (written, behind) = window.split_at(write_len);
    let behind_at = extent.end + window.len() as u64;
    if !is_zero(behind) || !is_zero_from(file, behind_at)? {
        return Ok(Ending::Damaged(format!(
            "{error}, and more stands behind it"
        )));
    }
    let window = Bytes::copy_from_slice(written);
    if alone
        && !trusted
        && let Some(later) = later_frame(&window, expected.incarnation, number)
    {
        return Ok(Ending::Damaged(format!(
            "{error}, and frame {later} stands behind it"
        )));
    }
    let torn = written.iter().rposition(|byte| *byte != 0);
    Ok(torn.map_or(Ending::Clean, |at| Ending::Torn(at as u64 + 1)))
}

/// The number of a good frame after `number` somewhere in `window`.
fn later_frame(
    window: &Bytes,
    incarnation: Incarnation,
    number: FrameNumber,
) -> Option<FrameNumber> {
    let starts = window.windows(MAGIC.len()).enumerate();
    starts
        .filter(|(_, bytes)| *bytes == MAGIC)
        .filter_map(|(at, _)| {
            let bytes = window.slice(at..);
            let header = FrameHeader::decode(&bytes).ok()?;
            let later = header.incarnation == incarnation && header.number > number;
            (later && Frame::decode(&bytes).is_ok()).then_some(header.number)
        })
        .next()
}

/// Whether the file holds only zeros from `offset` on.
pub(super) fn is_zero_from(file: &impl DiskFile, mut offset: u64) -> io::Result<bool> {
    let mut page = vec![0; SCAN_BYTES];
    loop {
        let read = read_full(file, &mut page, offset)?;
        if read == 0 {
            return Ok(true);
        }
        if !page.get(..read).is_some_and(is_zero) {
            return Ok(false);
        }
        offset += read as u64;
    }
}

/// Whether there are only zeros; compares memory, which is faster than looking at each byte.
fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes
        .chunks(ZEROS.len())
        .all(|chunk| ZEROS.starts_with(chunk))
}
