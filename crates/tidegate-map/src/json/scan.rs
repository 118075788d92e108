//! A strict scanner of JSON text (RFC 8259) that finds the extent of values without building them.
//!
//! Depth and length of numbers are limited here, for every reader on top.

use super::JsonError;
use crate::limits::{JSON_DEPTH_MAX, NUMBER_BYTES_MAX};

/// Where a value stands: first byte and the byte after the last.
pub(crate) type Span = (usize, usize);

/// A position in a JSON text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
        }
    }

    /// The offset of the next byte.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Skips white space and shows the next byte.
    #[inline]
    pub(crate) fn next_token(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Takes one byte that [`Self::next_token`] has shown.
    #[inline]
    pub(crate) const fn take(&mut self) {
        self.at += 1;
    }

    pub(crate) const fn error(&self, problem: &'static str) -> JsonError {
        JsonError {
            at: self.at,
            problem,
        }
    }

    /// Fails unless only white space is left.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        match self.next_token() {
            None => Ok(()),
            Some(_) => Err(self.error("something follows the value")),
        }
    }

    /// Takes the key of a member and its colon; gives the extent of what stands between the quotes.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<Span, JsonError> {
        if self.next_token() != Some(b'"') {
            return Err(self.error("a key in double quotes is expected"));
        }
        let span = self.string()?;
        if self.next_token() != Some(b':') {
            return Err(self.error("a colon is expected"));
        }
        self.at += 1;
        Ok(span)
    }

    /// Takes what follows a member or item: `true` for a comma, `false` for `close`.
    #[inline]
    pub(crate) fn more(&mut self, close: u8) -> Result<bool, JsonError> {
        match self.next_token() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.error(if close == b'}' {
                "a comma or a closing brace is expected"
            } else {
                "a comma or a closing bracket is expected"
            })),
        }
    }

    /// Takes a string that begins here; gives the extent of what stands between the quotes.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Span, JsonError> {
        self.at += 1;
        let start = self.at;
        loop {
            self.at = special(self.bytes, self.at);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok((start, self.at - 1));
                }
                Some(b'\\') => self.escape()?,
                Some(_) => {
                    return Err(self.error("a control character stands unescaped in a string"));
                }
                None => return Err(self.error("the string is not closed")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.bytes.get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.bytes.get(self.at).is_some_and(u8::is_ascii_hexdigit) {
                        return Err(self.error("four hexadecimal digits are expected"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.error("an unknown escape stands in a string")),
        }
        Ok(())
    }

    /// Takes a string, number or literal that begins with `first`.
    #[inline]
    pub(crate) fn scalar(&mut self, first: Option<u8>) -> Result<(), JsonError> {
        match first {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            Some(_) => Err(self.error("a value is expected")),
            None => Err(self.error("the text ends where a value is expected")),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if self
            .bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word))
        {
            self.at += word.len();
            return Ok(());
        }
        Err(self.error("a value is expected"))
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        if self.at - start > NUMBER_BYTES_MAX {
            return Err(JsonError {
                at: start,
                problem: "the number is longer than 1000 characters",
            });
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.error("a digit is expected"))
        } else {
            Ok(())
        }
    }

    /// Takes one value of any kind that stands `depth` levels deep, without recursion.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<(), JsonError> {
        // One bit a level: set for an object. 128 levels fit, which is the limit.
        let mut kinds: u128 = 0;
        let mut open: usize = 0;
        loop {
            match self.next_token() {
                Some(byte @ (b'{' | b'[')) => {
                    self.enter(depth + open)?;
                    let object = byte == b'{';
                    if self.next_token() == Some(if object { b'}' } else { b']' }) {
                        self.at += 1;
                    } else {
                        kinds = (kinds << 1) | u128::from(object);
                        open += 1;
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                first => self.scalar(first)?,
            }
            loop {
                if open == 0 {
                    return Ok(());
                }
                let object = kinds & 1 == 1;
                if self.more(if object { b'}' } else { b']' })? {
                    if object {
                        self.key()?;
                    }
                    break;
                }
                kinds >>= 1;
                open -= 1;
            }
        }
    }

    /// Takes the bracket of a container that stands `depth` levels deep.
    #[inline]
    pub(crate) const fn enter(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth >= JSON_DEPTH_MAX {
            return Err(self.error("nested deeper than 128 levels"));
        }
        self.at += 1;
        Ok(())
    }
}

/// Checks that the whole of `text` is one JSON value.
pub(crate) fn check(text: &str) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(text);
    scanner.skip(0)?;
    scanner.end()
}

/// The offset of the first quote, backslash or control character at or after `at`; eight bytes at a time.
#[inline]
fn special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        // A byte of x is zero, or a byte of word is below 0x20: the lowest bit set is exact.
        let hits = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let hits = hits & HIGH;
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes
        .get(at)
        .is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20))
    {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests;
