//! Little-endian fields: the writer and the reader below all formats of the log.
//!
//! The reader checks every length against what is left before it touches anything, so hostile bytes
//! give an error, and nothing is allocated from a length that was only claimed.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::Bytes;

/// Why bytes could not be read as the fields they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A field ends after the bytes do.
    #[error("ends in the middle of a field")]
    Short,
    /// A text is not UTF-8.
    #[error("holds a text that is not UTF-8")]
    Utf8,
    /// A flag or code has a value this version does not know.
    #[error("holds the unknown flag or code {0}")]
    Code(u8),
    /// There are more bytes than fields.
    #[error("has bytes after its last field")]
    Trailing,
}

/// Appends fields to a buffer.
#[derive(Debug)]
pub(crate) struct Encoder<'a>(pub(crate) &'a mut Vec<u8>);

impl Encoder<'_> {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes whose length the format fixes.
    pub(crate) fn fixed(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    /// Bytes behind their length.
    ///
    /// A length above `u32::MAX` is written as `u32::MAX`: such an entry is larger than
    /// [`super::ENTRY_BYTES_MAX`] and refused before it could reach a disk.
    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.u32(length(value.len()));
        self.fixed(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(crate) fn pairs(&mut self, pairs: &[(String, String)]) {
        self.u32(length(pairs.len()));
        for (name, value) in pairs {
            self.text(name);
            self.text(value);
        }
    }
}

/// A length as it stands in the format; see [`Encoder::bytes`] for what saturation means.
pub(crate) fn length(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Reads fields from the front of shared bytes; byte fields are slices of them, not copies.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) const fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], FieldError> {
        let end = self.at.checked_add(len).ok_or(FieldError::Short)?;
        let taken = self.bytes.get(self.at..end).ok_or(FieldError::Short)?;
        self.at = end;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FieldError> {
        self.take(N)?.try_into().map_err(|_| FieldError::Short)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FieldError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FieldError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FieldError> {
        self.array().map(u64::from_le_bytes)
    }

    fn length(&mut self) -> Result<usize, FieldError> {
        usize::try_from(self.u32()?).map_err(|_| FieldError::Short)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, FieldError> {
        let len = self.length()?;
        let start = self.at;
        self.take(len)?;
        Ok(self.bytes.slice(start..self.at))
    }

    pub(crate) fn text(&mut self) -> Result<String, FieldError> {
        let len = self.length()?;
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| FieldError::Utf8)?;
        Ok(text.to_owned())
    }

    /// A list whose elements each take at least one byte. It grows with what was really read.
    pub(crate) fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, FieldError>,
    ) -> Result<Vec<T>, FieldError> {
        let count = self.length()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(element(self)?);
        }
        Ok(list)
    }

    pub(crate) fn pairs(&mut self) -> Result<Vec<(String, String)>, FieldError> {
        self.list(|fields| Ok((fields.text()?, fields.text()?)))
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), FieldError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(FieldError::Trailing)
        }
    }
}
