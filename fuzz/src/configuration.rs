//! Configuration files. Problems point into the file and are shown without a panic.

use std::io;

use tidegate_config::{STARTER, SecretSource, load};

struct Secrets;

impl SecretSource for Secrets {
    fn env(&self, name: &str) -> Option<String> {
        (!name.starts_with('_')).then(|| "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned())
    }

    fn file(&self, path: &str) -> io::Result<Vec<u8>> {
        if path.len() > 40 {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        Ok(b"a secret of some length\n".to_vec())
    }
}

/// The text of a file.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let loaded = load("tidegate.yaml", text, None, &Secrets);
    let _shown = (loaded.report.to_json(), loaded.report.render(false));
    assert!(
        loaded.config.is_some() || loaded.report.errors() > 0 || !loaded.regions.is_empty(),
        "a file is refused without a word"
    );
    if let Some(config) = loaded.config {
        let _shown = format!("{config:?}");
    }
}

/// The starter and a file that uses more of the language.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let small = "subsystem: s\nsystems: { a: { topology: active-active } }\nflows:\n  f:\n    system: a\n    receive: { path: /in, verify: { scheme: hmac, header: x-sig, secret: \"${env:KEY}\", template: '{timestamp}.{body}', timestamp-header: x-t } }\n    event: { id: .body.id, type: '\"t.\" + .body.k', data: '{ a: .body.a }', when: '.body.b != null' }\nservices:\n  w: { token: \"${file:t}\", publish: [o.*], subscribe: { s: { on: [x], max-lag: 2h } } }\nlog: { keep: 2h, size-max: 1GiB, segment: 1MiB }\n";
    let anchors = "a: &a { subsystem: x }\nb: *a\n? c\n: |\n  text\n...\n";
    [STARTER, small, anchors]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}
