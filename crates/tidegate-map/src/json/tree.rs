//! From JSON text to the values of the interpreter.

use jaq_core::ValT;
use jaq_json::{Map, Val};

use super::scan::Scanner;
use super::{JsonError, text};

/// Reads the whole of `json` as one value. Of a key that stands twice the last value counts, at the first place.
pub(crate) fn read(json: &str) -> Result<Val, JsonError> {
    let mut reader = Reader {
        json,
        scanner: Scanner::new(json),
    };
    let value = reader.value(0)?;
    reader.scanner.end()?;
    Ok(value)
}

struct Reader<'a> {
    json: &'a str,
    scanner: Scanner<'a>,
}

impl Reader<'_> {
    /// Recursion ends at the depth that the scanner allows.
    fn value(&mut self, depth: usize) -> Result<Val, JsonError> {
        let first = self.scanner.next_token();
        let start = self.scanner.at();
        match first {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => {
                let (from, to) = self.scanner.string()?;
                Ok(self.string(from, to))
            }
            _ => {
                self.scanner.scalar(first)?;
                Ok(scalar(self.slice(start, self.scanner.at())))
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Val, JsonError> {
        self.scanner.enter(depth)?;
        let mut map = Map::default();
        if self.scanner.next_token() == Some(b'}') {
            self.scanner.take();
            return Ok(Val::obj(map));
        }
        loop {
            let (from, to) = self.scanner.key()?;
            let key = self.string(from, to);
            map.insert(key, self.value(depth + 1)?);
            if !self.scanner.more(b'}')? {
                return Ok(Val::obj(map));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Val, JsonError> {
        self.scanner.enter(depth)?;
        let mut items = Vec::new();
        if self.scanner.next_token() == Some(b']') {
            self.scanner.take();
            return Ok(items.into_iter().collect());
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.scanner.more(b']')? {
                return Ok(items.into_iter().collect());
            }
        }
    }

    fn string(&self, from: usize, to: usize) -> Val {
        Val::from(text::decode(self.slice(from, to)).into_owned())
    }

    fn slice(&self, from: usize, to: usize) -> &str {
        self.json
            .get(from..to)
            .expect("the scanner stops at ASCII bytes only")
    }
}

/// The value of a checked number or literal.
fn scalar(raw: &str) -> Val {
    match raw {
        "null" => Val::Null,
        "true" => Val::Bool(true),
        "false" => Val::Bool(false),
        number => Val::from_num(number).unwrap_or(Val::Null),
    }
}
