//! Requests that are all different and all signed, made cheaply enough to be made under way.
//!
//! A request is one buffer, head and body together, shaped like a GitHub delivery. Between two requests
//! only the counter at the end of the body, the delivery id and the signature change; the HMAC over all
//! that stands before the counter is computed once and cloned.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use ring::hmac;

/// The key of the bench, and of nothing else.
pub(crate) const SECRET: &str = "the-key-of-the-bench-and-of-nothing-else";

/// Where the flow of the bench receives.
pub(crate) const PATH: &str = "/in/bench";

/// The smallest body that holds what the mapping looks at.
pub(crate) const BODY_BYTES_MIN: usize = 512;

/// Digits of the counter, in the body and in the delivery id.
const COUNTER_DIGITS: usize = 12;

/// Hexadecimal digits of a signature.
const SIGNATURE_DIGITS: usize = 64;

/// A request that can be numbered again and again.
#[derive(Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Where the delivery id's counter, the signature and the body's counter begin.
    places: [usize; 3],
    signed: hmac::Context,
}

impl Request {
    /// A request with a body of `body_bytes`, numbered 0.
    ///
    /// # Errors
    /// When the body would be too small.
    pub(crate) fn new(body_bytes: usize) -> Result<Self> {
        let body = body(body_bytes)?;
        let mut bytes = Vec::with_capacity(body.len() + 512);
        write!(
            bytes,
            "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nuser-agent: GitHub-Hookshot/0000000\r\n\
             accept: */*\r\ncontent-type: application/json\r\nx-github-event: push\r\n\
             x-github-hook-id: 292430182\r\ncontent-length: {}\r\n\
             x-github-delivery: 72d3162e-cc78-11e3-81ab-",
            body.len()
        )?;
        let delivery = bytes.len();
        bytes.extend_from_slice(&[b'0'; COUNTER_DIGITS]);
        bytes.extend_from_slice(b"\r\nx-hub-signature-256: sha256=");
        let signature = bytes.len();
        bytes.extend_from_slice(&[b'0'; SIGNATURE_DIGITS]);
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(&body);
        let counter = bytes.len() - TAIL.len() - COUNTER_DIGITS;

        let mut signed =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()));
        let constant = body.len() - TAIL.len() - COUNTER_DIGITS;
        signed.update(body.get(..constant).context("the body has no counter")?);
        let mut request = Self {
            bytes,
            places: [delivery, signature, counter],
            signed,
        };
        request.number(0);
        Ok(request)
    }

    /// The request with this number: its bytes, head and body. Numbers differ in their last 48 bits.
    pub(crate) fn number(&mut self, number: u64) -> &[u8] {
        let [delivery, signature, counter] = self.places;
        let mut digits = [0; COUNTER_DIGITS];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            *digit = hex(u8::try_from(number >> (4 * place) & 15).unwrap_or(0));
        }
        self.put(delivery, &digits);
        self.put(counter, &digits);
        let mut signed = self.signed.clone();
        signed.update(&digits);
        signed.update(TAIL);
        let mut text = [0; SIGNATURE_DIGITS];
        for (two, byte) in text.chunks_exact_mut(2).zip(signed.sign().as_ref()) {
            two.copy_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
        }
        self.put(signature, &text);
        &self.bytes
    }

    /// The body alone.
    pub(crate) fn body(&self) -> &[u8] {
        let head = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        self.bytes
            .get(head.map_or(0, |at| at + 4)..)
            .unwrap_or_default()
    }

    fn put(&mut self, at: usize, text: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + text.len()) {
            place.copy_from_slice(text);
        }
    }
}

/// What follows the counter in the body.
const TAIL: &[u8] = b"\"}";

/// A push of as many commits as fit, padded to the byte.
fn body(bytes: usize) -> Result<Vec<u8>> {
    anyhow::ensure!(
        bytes >= BODY_BYTES_MIN,
        "a body must have at least {BODY_BYTES_MIN} bytes"
    );
    let mut body = br#"{"action":"opened","ref":"refs/heads/main","repository":{"id":186853002,"full_name":"acme/orders","private":true},"sender":{"login":"octo-cat","id":21031067},"commits":["#.to_vec();
    let close = br#"],"padding":""#;
    let number = br#"","delivery":""#;
    let fixed = close.len() + number.len() + COUNTER_DIGITS + TAIL.len();
    for n in 0_u32.. {
        let comma = if n == 0 { "" } else { "," };
        let commit = format!(
            r#"{comma}{{"id":"{n:040x}","message":"Change {n} of many\n\nwith a text","distinct":true,"author":{{"name":"A. Person","email":"a@acme.example"}},"added":[],"modified":["src/part_{n}.rs"]}}"#
        );
        if body.len() + commit.len() + fixed > bytes {
            break;
        }
        body.extend_from_slice(commit.as_bytes());
    }
    body.extend_from_slice(close);
    let padding = bytes - body.len() - number.len() - COUNTER_DIGITS - TAIL.len();
    body.extend(std::iter::repeat_n(b'.', padding));
    body.extend_from_slice(number);
    body.extend_from_slice(&[b'0'; COUNTER_DIGITS]);
    body.extend_from_slice(TAIL);
    Ok(body)
}

const fn hex(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_the_size_asked_for() {
        for bytes in [BODY_BYTES_MIN, 1024, 24 * 1024] {
            let mut request = Request::new(bytes).unwrap();
            request.number(0xabc);
            let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
            assert_eq!(request.body().len(), bytes);
            assert_eq!(body["repository"]["full_name"], "acme/orders");
            assert_eq!(body["delivery"], "000000000abc");
        }
        assert!(Request::new(100).is_err());
    }

    #[test]
    fn each_number_is_another_request_with_a_valid_signature() {
        let mut request = Request::new(1024).unwrap();
        let first = request.number(1).to_vec();
        let second = request.number(2).to_vec();
        assert_ne!(first, second);
        let head = String::from_utf8(second).unwrap();
        assert!(head.contains("x-github-delivery: 72d3162e-cc78-11e3-81ab-000000000002\r\n"));
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag = hmac::sign(&key, request.body());
        let tag: String = tag
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(head.contains(&format!("sha256={tag}\r\n")), "{head}");
    }
}
